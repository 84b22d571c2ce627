"""The official Cohere clients, v1 and v2, against a server's own models and the same ones behind a router."""

import concurrent.futures

import cohere
import cohere.core.api_error
import pytest

from servers import MODEL

QUERY = "What is the capital of the United States?"
DOCUMENTS = [
    "Carson City is the capital city of the American state of Nevada.",
    "Washington, D.C. is the capital of the United States.",
    "Capital punishment has existed in the United States since before it was a country.",
    "Cats sleep most of the day.",
]


def v2(server) -> cohere.ClientV2:
    return cohere.ClientV2(base_url=server.url, api_key="unused")


def v1(server) -> cohere.Client:
    return cohere.Client(base_url=server.url, api_key="unused")


def test_v2_rerank(server):
    answer = v2(server).rerank(model=MODEL, query=QUERY, documents=DOCUMENTS)
    assert answer.results[0].index == 1
    assert answer.results[-1].index == 3
    scores = [result.relevance_score for result in answer.results]
    assert scores == sorted(scores, reverse=True)
    assert sorted(result.index for result in answer.results) == [0, 1, 2, 3]


def test_v2_top_n(server):
    assert len(v2(server).rerank(model=MODEL, query=QUERY, documents=DOCUMENTS, top_n=2).results) == 2
    assert len(v2(server).rerank(model=MODEL, query=QUERY, documents=DOCUMENTS, top_n=99).results) == 4


def test_v1_rerank_returns_documents(server):
    answer = v1(server).rerank(model=MODEL, query=QUERY, documents=[{"text": text} for text in DOCUMENTS], return_documents=True)
    assert answer.results[0].document.text == DOCUMENTS[1]


def test_documents_only_when_asked(server):
    answer = v1(server).rerank(model=MODEL, query=QUERY, documents=DOCUMENTS)
    assert answer.results[0].document is None


def test_400(server):
    with pytest.raises(cohere.BadRequestError) as failure:
        v2(server).rerank(model=MODEL, query=QUERY, documents=[])
    assert "documents" in failure.value.body["message"]


def test_404(server):
    with pytest.raises(cohere.NotFoundError) as failure:
        v2(server).rerank(model="no-such-model", query=QUERY, documents=DOCUMENTS)
    assert "no-such-model" in failure.value.body["message"]


def test_404_absent_model(server):
    with pytest.raises(cohere.NotFoundError) as failure:
        v2(server).rerank(model="absent/model", query=QUERY, documents=DOCUMENTS)
    assert "export_onnx.sh" in failure.value.body["message"]


def overload(server, error: type[Exception]) -> list[Exception]:
    """Sends many long documents at once and returns the refusals, all of one class."""
    def send(i):
        documents = [f"{i} {j} " + "many long documents to be ranked " * 60 for j in range(2)]
        try:
            v2(server).rerank(model=MODEL, query=QUERY, documents=documents, request_options={"max_retries": 0})
            return None
        except error as failure:
            return failure

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        return [failure for failure in pool.map(send, range(32)) if failure is not None]


@pytest.mark.limits(batcher={"max_items": 1, "max_queued_items": 10})
def test_429_queue_full(small_server):
    refusals = overload(small_server, cohere.TooManyRequestsError)
    assert {failure.body["error"]["code"] for failure in refusals} == {"queue_full"}
    assert all(int(failure.headers["retry-after"]) >= 1 for failure in refusals)


@pytest.mark.limits(batcher={"max_items": 1, "queue_timeout": "50ms"})
def test_503_queue_timeout(small_server):
    refusals = overload(small_server, cohere.ServiceUnavailableError)
    assert {failure.body["error"]["code"] for failure in refusals} == {"queue_timeout"}
    assert all(int(failure.headers["retry-after"]) >= 1 for failure in refusals)


@pytest.mark.limits(body_limit="64KiB")
def test_413(small_server):
    with pytest.raises(cohere.core.api_error.ApiError) as failure:
        v2(small_server).rerank(model=MODEL, query=QUERY, documents=["x" * 100_000])
    assert failure.value.status_code == 413


def test_504(server):
    documents = [f"{i} " + "many long documents to be ranked " * 100 for i in range(400)]
    with pytest.raises(cohere.errors.GatewayTimeoutError):
        v2(server).rerank(model=MODEL, query=QUERY, documents=documents,
                          request_options={"max_retries": 0, "additional_headers": {"X-Request-Timeout": "0.2"}})
