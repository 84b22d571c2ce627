"""What clients are told when an upstream fails: each status as the class of error it is."""

import cohere
import openai
import pytest

OPENAI = [("openai", "embed"), ("cohere", "embed"), ("vllm", "embed"), ("tei", "embed")]
COHERE = [("cohere", "rerank"), ("vllm", "rerank"), ("tei", "rerank")]


def embed(server, model):
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="the-clients-key", max_retries=0)
    return client.embeddings.create(model=model, input=["one", "two"])


def rerank(server, model):
    client = cohere.ClientV2(base_url=server.url, api_key="the-clients-key")
    return client.rerank(model=model, query="one", documents=["one", "two"], request_options={"max_retries": 0})


# Each fault, the status it has for the client, its code, and the classes of openai and cohere.
FAULTS = [
    ({"name": "internal_error"}, 502, "upstream_error", openai.InternalServerError, cohere.core.ApiError),
    ({"name": "truncated"}, 502, "upstream_error", openai.InternalServerError, cohere.core.ApiError),
    ({"name": "nan"}, 502, "upstream_error", openai.InternalServerError, cohere.core.ApiError),
    ({"name": "bad_gateway"}, 502, "upstream_error", openai.InternalServerError, cohere.core.ApiError),
    ({"name": "slow_header", "wait": "5s"}, 502, "upstream_error", openai.InternalServerError, cohere.core.ApiError),
    ({"name": "overloaded"}, 429, "queue_full", openai.RateLimitError, cohere.TooManyRequestsError),
]
NAMES = [fault["name"] for fault, *_ in FAULTS]


@pytest.mark.parametrize("kind, task", OPENAI)
@pytest.mark.parametrize("fault, status, code, openai_class, _", FAULTS, ids=NAMES)
def test_openai(patient, played, reset, kind, task, fault, status, code, openai_class, _):
    played[kind, task].fail(**fault)
    with pytest.raises(openai_class) as failure:
        embed(patient, f"{kind}/{task}")
    assert (failure.value.status_code, failure.value.code) == (status, code)
    assert f"{kind}-{task}" in failure.value.message
    if status == 429:
        assert int(failure.value.response.headers["retry-after"]) >= 1


@pytest.mark.parametrize("kind, task", COHERE)
@pytest.mark.parametrize("fault, status, code, _, cohere_class", FAULTS, ids=NAMES)
def test_cohere(patient, played, reset, kind, task, fault, status, code, _, cohere_class):
    played[kind, task].fail(**fault)
    with pytest.raises(cohere_class) as failure:
        rerank(patient, f"{kind}/{task}")
    assert (failure.value.status_code, failure.value.body["error"]["code"]) == (status, code)
    assert f"{kind}-{task}" in failure.value.body["message"]
    if status == 429:
        assert int(failure.value.headers["retry-after"]) >= 1


@pytest.mark.parametrize("kind, task", OPENAI)
def test_openai_deadline(patient, played, reset, kind, task):
    played[kind, task].fail("slow_header", wait="5s")
    client = openai.OpenAI(base_url=patient.url + "/v1", api_key="unused", max_retries=0)
    with pytest.raises(openai.InternalServerError) as failure:
        client.embeddings.create(model=f"{kind}/{task}", input="one", extra_headers={"X-Request-Timeout": "0.1"})
    assert (failure.value.status_code, failure.value.code) == (504, "deadline_exceeded")


@pytest.mark.parametrize("kind, task", COHERE)
def test_cohere_deadline(patient, played, reset, kind, task):
    played[kind, task].fail("slow_header", wait="5s")
    client = cohere.ClientV2(base_url=patient.url, api_key="unused")
    with pytest.raises(cohere.GatewayTimeoutError) as failure:
        client.rerank(model=f"{kind}/{task}", query="one", documents=["one"],
                      request_options={"max_retries": 0, "additional_headers": {"X-Request-Timeout": "0.1"}})
    assert failure.value.body["error"]["code"] == "deadline_exceeded"


@pytest.mark.parametrize("kind, task", OPENAI)
def test_openai_upstream_credentials(patient, kind, task):
    with pytest.raises(openai.InternalServerError) as failure:
        embed(patient, f"{kind}/{task}/keyless")
    assert (failure.value.status_code, failure.value.code) == (502, "upstream_credentials")


@pytest.mark.parametrize("kind, task", COHERE)
def test_cohere_upstream_credentials(patient, kind, task):
    with pytest.raises(cohere.core.ApiError) as failure:
        rerank(patient, f"{kind}/{task}/keyless")
    assert (failure.value.status_code, failure.value.body["error"]["code"]) == (502, "upstream_credentials")


def test_openai_upstream_that_is_not_there_yet(patient):
    with pytest.raises(openai.InternalServerError) as failure:
        embed(patient, "vllm/absent")
    assert (failure.value.status_code, failure.value.code) == (503, "model_loading")
    assert int(failure.value.response.headers["retry-after"]) >= 1


def test_cohere_upstream_that_is_not_there_yet(patient):
    with pytest.raises(cohere.ServiceUnavailableError) as failure:
        rerank(patient, "vllm/absent")
    assert failure.value.body["error"]["code"] == "model_loading"
    assert int(failure.value.headers["retry-after"]) >= 1


@pytest.mark.parametrize("kind, task", OPENAI + COHERE)
def test_the_clients_own_key_never_leaves(patient, played, reset, kind, task):
    answer = (embed if task == "embed" else rerank)(patient, f"{kind}/{task}")
    assert len(answer.data if task == "embed" else answer.results) == 2
    sent = [str(request) for request in played[kind, task].requests()]
    assert any("the-gateway's-key" in request for request in sent)
    assert not any("the-clients-key" in request for request in sent)
