"""Infinity itself as an upstream: what it computes, and what it says, through a router."""

import os
import signal
import subprocess

import cohere
import numpy as np
import openai
import pytest

from servers import MINILM, MODEL, ROOT, Server, first, quadrate, route, upstream

RERANKER = "xlmr-rerank"
KEY = "the-gateway's-key"
TEXTS = ["The cat sleeps.", "고양이가 잔다.", "Кошка спит.", " ", "long " * 400]
# More than Infinity computes at once, of many lengths.
MANY = [f"text {i} " + "and more " * (i % 40) for i in range(100)]
QUERY = "What is the capital of the United States?"
DOCUMENTS = [
    "Carson City is the capital city of the American state of Nevada.",
    "Washington, D.C. is the capital of the United States.",
    "Cats sleep most of the day.",
]


@pytest.fixture(scope="module")
def infinity(tmp_path_factory):
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0",
           "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
    options = []
    for folder, name in ((ROOT / "var/src/all-MiniLM-L6-v2", MODEL), (ROOT / "testdata/models" / RERANKER, RERANKER)):
        options += ["--model-id", folder, "--served-model-name", name, "--engine", "torch", "--device", "cpu", "--dtype", "float32",
                    "--no-bettertransformer", "--no-model-warmup"]
    process = subprocess.Popen([ROOT / "var/infinity-venv/bin/infinity_emb", "v2", *options, "--host", "127.0.0.1", "--port", "0",
                                "--url-prefix", "/v1", "--api-key", KEY], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    url = first(process, tmp_path_factory.mktemp("infinity") / "log", lambda line: line.split()[4] if "Uvicorn running on" in line else None)
    yield Server(url + "/v1", process)
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60)


@pytest.fixture(scope="module")
def router(tmp_path_factory, infinity):
    """Routes to Infinity, and the same models computed by the server itself."""
    own = {"path": str(ROOT / "var/testmodels" / RERANKER), "name": "own-rerank", "tasks": ["rerank"]}
    running = quadrate(tmp_path_factory.mktemp("router"), [MINILM, own], routing={
        "upstreams": [
            upstream("infinity", "infinity", infinity.url, api_key=KEY),
            upstream("keyless", "infinity", infinity.url, api_key="old", retries=0),
        ],
        "models": [
            route("infinity/minilm", "infinity", "embed", upstream_model=MODEL),
            route("infinity/rerank", "infinity", "rerank", upstream_model=RERANKER),
            route("infinity/ranks-with-an-embedder", "infinity", "rerank", upstream_model=MODEL),
            route("infinity/absent", "infinity", "embed", upstream_model="no-such-model"),
            route("infinity/keyless", "keyless", "embed", upstream_model=MODEL),
        ],
    })
    yield running
    running.stop()


@pytest.fixture(scope="module")
def client(router):
    with openai.OpenAI(base_url=router.url + "/v1", api_key="the-clients-key", max_retries=0) as made:
        yield made


def vectors(client, model, texts, **options):
    return np.array([item.embedding for item in client.embeddings.create(model=model, input=texts, **options).data])


@pytest.mark.parametrize("texts", [TEXTS, MANY], ids=["few", "many"])
def test_vectors_are_ours(client, texts):
    got, own = vectors(client, "infinity/minilm", texts), vectors(client, MODEL, texts)
    assert np.abs(got - own).max() < 1e-5


def test_usage_is_counted(client):
    usage = client.embeddings.create(model="infinity/minilm", input=TEXTS).usage
    assert usage.prompt_tokens == usage.total_tokens > 0


def test_dimensions_are_cut_and_normalised(client):
    whole, cut = vectors(client, "infinity/minilm", TEXTS), vectors(client, "infinity/minilm", TEXTS, dimensions=64)
    assert cut.shape == (len(TEXTS), 64)
    assert np.allclose(cut, whole[:, :64] / np.linalg.norm(whole[:, :64], axis=1, keepdims=True), atol=1e-5)


def test_token_ids_are_texts(client):
    assert np.allclose(vectors(client, "infinity/minilm", [[15339, 1917], [1985]]), vectors(client, "infinity/minilm", ["hello world", "test"]), atol=1e-6)


def test_ranking_is_ours(router):
    clients = cohere.ClientV2(base_url=router.url, api_key="unused")
    got, own = (clients.rerank(model=model, query=QUERY, documents=DOCUMENTS) for model in ("infinity/rerank", "own-rerank"))
    assert [result.index for result in got.results] == [result.index for result in own.results]
    assert np.allclose([result.relevance_score for result in got.results], [result.relevance_score for result in own.results], atol=1e-5)
    assert len(clients.rerank(model="infinity/rerank", query=QUERY, documents=DOCUMENTS, top_n=1).results) == 1


def test_a_model_that_it_does_not_have(client):
    with pytest.raises(openai.NotFoundError) as failure:
        client.embeddings.create(model="infinity/absent", input="x")
    assert failure.value.code == "model_not_found"


def test_a_task_that_its_model_does_not_have(router):
    with pytest.raises(cohere.BadRequestError) as failure:
        cohere.ClientV2(base_url=router.url, api_key="unused").rerank(model="infinity/ranks-with-an-embedder", query="x", documents=["y"])
    assert failure.value.body["error"]["code"] == "unsupported_task"


def test_its_refusal_of_our_key(client):
    with pytest.raises(openai.InternalServerError) as failure:
        client.embeddings.create(model="infinity/keyless", input="x")
    assert (failure.value.status_code, failure.value.code) == (502, "upstream_credentials")
