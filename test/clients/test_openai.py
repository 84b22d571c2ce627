"""The official OpenAI client against a server's own models and against the same ones behind a router."""

import concurrent.futures

import numpy as np
import openai
import pytest

from servers import MODEL

TEXTS = ["The cat sleeps.", "고양이가 잔다.", "Кошка спит.", "The cat sleeps."]
LONG = "retrieval augmented generation over many long documents " * 60


def client(server, **options) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.url + "/v1", api_key="unused", max_retries=0, timeout=120, **options)


def vectors(response) -> np.ndarray:
    return np.array([item.embedding for item in response.data])


def test_floats_and_base64_are_the_same_numbers(server):
    plain = client(server).embeddings.create(model=MODEL, input=TEXTS, encoding_format="float")
    default = client(server).embeddings.create(model=MODEL, input=TEXTS)  # the client asks for base64
    assert vectors(plain).shape == (4, 384)
    assert np.array_equal(vectors(plain).astype(np.float32), vectors(default).astype(np.float32))
    assert np.allclose(np.linalg.norm(vectors(plain), axis=1), 1, atol=1e-6)
    assert np.array_equal(vectors(plain)[0], vectors(plain)[3])
    assert plain.model == MODEL and plain.object == "list"
    assert [item.index for item in plain.data] == [0, 1, 2, 3]
    assert plain.usage.prompt_tokens == plain.usage.total_tokens > 0


def test_a_single_string_and_an_alias(server):
    response = client(server).embeddings.create(model="minilm", input="The cat sleeps.")
    assert response.model == "minilm"
    assert len(response.data) == 1


def test_token_ids_are_cl100k_base(server):
    # "hello world" and "test" in cl100k_base: what LangChain sends by default.
    ids = client(server).embeddings.create(model=MODEL, input=[[15339, 1917], [1985]])
    text = client(server).embeddings.create(model=MODEL, input=["hello world", "test"])
    assert np.array_equal(vectors(ids), vectors(text))
    one = client(server).embeddings.create(model=MODEL, input=[15339, 1917])
    assert np.array_equal(vectors(one)[0], vectors(text)[0])


def test_dimensions_are_cut_and_normalised(server):
    whole = vectors(client(server).embeddings.create(model=MODEL, input="cut me"))[0]
    cut = vectors(client(server).embeddings.create(model=MODEL, input="cut me", dimensions=64))[0]
    assert cut.shape == (64,)
    assert np.allclose(cut, whole[:64] / np.linalg.norm(whole[:64]), atol=1e-6)


def test_models_are_listed_and_found_by_a_name_with_a_slash(server):
    assert MODEL in [model.id for model in client(server).models.list()]
    assert client(server).models.retrieve(MODEL).id == MODEL


def test_truncation_is_reported(server):
    response = client(server).embeddings.with_raw_response.create(model=MODEL, input=[LONG, "short"])
    assert response.headers["x-truncated"] == "1"
    assert response.parse().usage.model_extra["truncated_inputs"] == 1


def test_400_names_the_field(server):
    with pytest.raises(openai.BadRequestError) as failure:
        client(server).embeddings.create(model=MODEL, input="x", dimensions=4096)
    assert failure.value.param == "dimensions"
    assert "384" in failure.value.message


def test_400_context_length_when_truncation_is_refused(server):
    with pytest.raises(openai.BadRequestError) as failure:
        client(server).embeddings.create(model=MODEL, input=["short", LONG], extra_body={"truncate": False})
    assert failure.value.code == "context_length_exceeded"
    assert failure.value.param == "input[1]"


def test_404_unknown_model(server):
    with pytest.raises(openai.NotFoundError) as failure:
        client(server).embeddings.create(model="no-such-model", input="x")
    assert failure.value.code == "model_not_found"


def test_404_absent_model_says_how_to_get_it(server):
    with pytest.raises(openai.NotFoundError) as failure:
        client(server).embeddings.create(model="absent/model", input="x")
    assert failure.value.code == "model_not_found"
    assert "export_onnx.sh" in failure.value.message


def test_504_deadline(server):
    texts = [f"{i} {LONG}" for i in range(200)]
    with pytest.raises(openai.InternalServerError) as failure:
        client(server).embeddings.create(model=MODEL, input=texts, extra_headers={"X-Request-Timeout": "0.2"})
    assert failure.value.status_code == 504
    assert failure.value.code == "deadline_exceeded"


@pytest.mark.limits(body_limit="64KiB")
def test_413_body_too_large(small_server):
    with pytest.raises(openai.APIStatusError) as failure:
        client(small_server).embeddings.create(model=MODEL, input="x" * 100_000)
    assert failure.value.status_code == 413
    assert failure.value.code == "request_too_large"
    assert "body_limit" in failure.value.message


def overload(server) -> list[openai.APIStatusError]:
    """Sends many long texts at once and returns the refusals; all others are answered."""
    def send(i):
        try:
            response = client(server).embeddings.create(model=MODEL, input=[f"{i} {j} {LONG}" for j in range(2)])
            assert vectors(response).shape == (2, 384)
            return None
        except openai.APIStatusError as failure:
            return failure

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        return [failure for failure in pool.map(send, range(32)) if failure is not None]


@pytest.mark.limits(batcher={"max_items": 1, "max_queued_items": 8})
def test_429_queue_full(small_server):
    refusals = overload(small_server)
    assert refusals
    for failure in refusals:
        assert isinstance(failure, openai.RateLimitError)
        assert failure.code == "queue_full"
        assert "max_queued_items" in failure.message
        assert int(failure.response.headers["retry-after"]) >= 1


@pytest.mark.limits(batcher={"max_items": 1, "queue_timeout": "50ms"})
def test_503_queue_timeout(small_server):
    refusals = overload(small_server)
    assert refusals
    for failure in refusals:
        assert isinstance(failure, openai.InternalServerError)
        assert (failure.status_code, failure.code) == (503, "queue_timeout")
        assert int(failure.response.headers["retry-after"]) >= 1
