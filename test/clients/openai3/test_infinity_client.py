"""Infinity's own client, which checks the whole shape of answers."""

import infinity_client
from infinity_client.api.default import rerank
from infinity_client.models import RerankInput, ReRankResult

from servers import MODEL

DOCUMENTS = ["The capital of France is Paris.", "Cats sleep.", "Berlin is the capital of Germany."]


def test_rerank(server):
    with infinity_client.Client(base_url=server.url) as client:
        answer = rerank.sync(client=client, body=RerankInput(query="capital of Germany", documents=DOCUMENTS, model=MODEL))
    assert isinstance(answer, ReRankResult)
    assert [result.index for result in answer.results] == [2, 0, 1]
    assert answer.model == MODEL
    assert answer.usage.total_tokens >= answer.usage.prompt_tokens > 0


def test_rerank_of_an_unknown_model(server):
    with infinity_client.Client(base_url=server.url) as client:
        answer = rerank.sync_detailed(client=client, body=RerankInput(query="x", documents=["y"], model="no-such-model"))
    assert answer.status_code == 404
