"""The settings of examples/ for Open WebUI and Dify, which are no packages to run here: the requests
that these programs make with such settings, and what they take from the answers."""

import dotenv
import pytest
import yaml

from conftest import EXAMPLES
from servers import http
from test_programs import CAFETERIA, PASSWORD

PASSAGES = (EXAMPLES / "passages.txt").read_text(encoding="utf-8").splitlines()
QUESTION = "I cannot remember my password"


def nearest(question, vectors):
    scores = [sum(x * y for x, y in zip(question, vector, strict=True)) for vector in vectors]
    return [PASSAGES[i] for i in sorted(range(len(scores)), key=lambda i: -scores[i])]


@pytest.fixture(scope="module")
def openwebui(server):
    """The settings, with this server's address for that in Compose."""
    values = dotenv.dotenv_values(EXAMPLES / "openwebui/quadrate.env")
    assert values["RAG_EMBEDDING_ENGINE"] == "openai" and values["RAG_RERANKING_ENGINE"] == "external"
    assert values["ENABLE_RAG_HYBRID_SEARCH"] == "True"
    return {name: value.replace("http://quadrate:8000", server.url) for name, value in values.items()}


def openwebui_headers(key):
    return {"Authorization": f"Bearer {key}", "X-OpenWebUI-User-Name": "%EA%B9%80", "X-OpenWebUI-User-Id": "1",
            "X-OpenWebUI-User-Email": "kim@example.com", "X-OpenWebUI-User-Role": "user"}


def openwebui_vectors(settings, texts):
    """Batches of RAG_EMBEDDING_BATCH_SIZE; vectors are taken in the order of data."""
    size, vectors = int(settings["RAG_EMBEDDING_BATCH_SIZE"]), []
    for start in range(0, len(texts), size):
        answer = http.post(settings["RAG_OPENAI_API_BASE_URL"] + "/embeddings", headers=openwebui_headers(settings["RAG_OPENAI_API_KEY"]),
                           json={"input": texts[start:start + size], "model": settings["RAG_EMBEDDING_MODEL"]})
        vectors += [item["embedding"] for item in answer.raise_for_status().json()["data"]]
    return vectors


def test_open_webui_retrieves(openwebui):
    vectors = openwebui_vectors(openwebui, PASSAGES * 20)
    assert len(vectors) == len(PASSAGES) * 20
    assert nearest(openwebui_vectors(openwebui, [QUESTION])[0], vectors[-len(PASSAGES):])[0] == PASSWORD


def openwebui_scores(settings, model):
    """The n-th score is taken for the n-th document, so that each must have one."""
    answer = http.post(settings["RAG_EXTERNAL_RERANKER_URL"], headers=openwebui_headers(settings["RAG_EXTERNAL_RERANKER_API_KEY"]),
                       timeout=int(settings["RAG_EXTERNAL_RERANKER_TIMEOUT"]),
                       json={"model": model, "query": QUESTION, "documents": PASSAGES, "top_n": len(PASSAGES)})
    results = sorted(answer.raise_for_status().json()["results"], key=lambda result: result["index"])
    assert [result["index"] for result in results] == list(range(len(PASSAGES)))
    return [result["relevance_score"] for result in results]


def test_open_webui_ranks(openwebui):
    scores = openwebui_scores(openwebui, openwebui["RAG_RERANKING_MODEL"])
    best = max(scores)
    assert PASSAGES[scores.index(best)] == PASSWORD
    assert best >= float(openwebui["RAG_RELEVANCE_THRESHOLD"])


def test_open_webui_can_set_a_threshold(openwebui):
    assert all(0 <= score <= 1 for score in openwebui_scores(openwebui, "random-reranker"))


def test_open_webui_compose_names_what_the_settings_do(openwebui):
    compose = yaml.safe_load((EXAMPLES / "openwebui/docker-compose.yml").read_text(encoding="utf-8"))
    values = dotenv.dotenv_values(EXAMPLES / "openwebui/quadrate.env")
    assert compose["services"]["openwebui"]["env_file"] == ["quadrate.env"]
    assert {value.split("/")[2].split(":")[0] for value in values.values() if "://" in value} == {"quadrate"}
    assert compose["services"]["quadrate"]["stop_grace_period"] == "307s"  # drain, requests in flight on a CPU, and 5 s


@pytest.fixture(scope="module")
def dify(server):
    """The models of each type, with this server's address."""
    models = yaml.safe_load((EXAMPLES / "dify/models.yaml").read_text(encoding="utf-8"))
    by_type = {model["model_type"]: {**model, "endpoint_url": model["endpoint_url"].replace("http://host.docker.internal:8000", server.url)} for model in models}
    assert set(by_type) == {"text-embedding", "rerank"}
    return by_type


def dify_post(model, path, keyless=False, **body):
    authorization = "" if keyless else f"Bearer {model['api_key']}"
    return http.post(model["endpoint_url"].rstrip("/") + path, headers={"Authorization": authorization}, timeout=60,
                     json={"model": model["model"], **body}).raise_for_status().json()


def dify_vectors(model, texts, **how):
    vectors, size = [], int(model["max_chunks"])
    for start in range(0, len(texts), size):
        answer = dify_post(model, "/embeddings", input=texts[start:start + size], encoding_format=model["encoding_format"], **how)
        assert answer["usage"]["total_tokens"] > 0 and answer["model"]
        vectors += [item["embedding"] for item in answer["data"]]
    return vectors


@pytest.mark.parametrize("keyless", [False, True])
def test_dify_adds_the_embedder(dify, keyless):
    answer = dify_post(dify["text-embedding"], "/embeddings", keyless, input="ping", encoding_format="float", user="abc")
    assert answer["model"] and len(answer["data"][0]["embedding"]) == 384


def test_dify_retrieves(dify):
    model = dify["text-embedding"]
    vectors = dify_vectors(model, PASSAGES * 20, user="abc")
    assert nearest(dify_vectors(model, [QUESTION])[0], vectors[-len(PASSAGES):])[0] == PASSWORD


# What is asked when the model is added, and later; no number of documents is said, or 0, as well.
@pytest.mark.parametrize("top_n", [3, 0, None])
def test_dify_ranks(dify, top_n):
    answer = dify_post(dify["rerank"], "/rerank", query="When does the canteen open?", documents=PASSAGES, top_n=top_n, return_documents=True)
    best = max(answer["results"], key=lambda result: result["relevance_score"])
    assert PASSAGES[best["index"]] == CAFETERIA
    assert best["document"]["text"] == CAFETERIA
    assert 0 <= best["relevance_score"] <= 1
