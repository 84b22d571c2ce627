"""LiteLLM: each of its providers that can be sent to another address."""

import litellm
import numpy as np
import openai
import pytest

from servers import MODEL

TEXTS = ["The cat sleeps.", "고양이가 잔다.", "", "Кошка спит."]
QUERY = "What is the capital of the United States?"
DOCUMENTS = [
    "Carson City is the capital city of the American state of Nevada.",
    "Washington, D.C. is the capital of the United States.",
    "Cats sleep most of the day.",
]
EMBEDDERS = {"openai": "/v1", "hosted_vllm": "/v1", "infinity": "/v1", "jina_ai": "/v1", "openai_like": "/v1", "litellm_proxy": ""}
# Each provider's base, and whether it takes documents in the answer as objects, as Cohere has them.
RERANKERS = {"cohere": ("", True), "jina_ai": ("/v1", True), "hosted_vllm": ("/v1", True), "infinity": ("", False), "huggingface": ("", False), "litellm_proxy": ("", True)}


def embed(server, provider, model=MODEL, **options):
    return litellm.embedding(model=f"{provider}/{model}", input=TEXTS, api_base=server.url + EMBEDDERS[provider], api_key="unused", **options)


def rerank(server, provider, model=MODEL, **options):
    base, documents = RERANKERS[provider]
    if not documents:
        options["return_documents"] = False
    return litellm.rerank(model=f"{provider}/{model}", query=QUERY, documents=DOCUMENTS, api_base=server.url + base, api_key="unused", **options)


@pytest.mark.parametrize("provider", EMBEDDERS)
def test_embeddings(server, provider):
    with openai.OpenAI(base_url=server.url + "/v1", api_key="unused") as client:
        wanted = client.embeddings.create(model=MODEL, input=TEXTS)
    got = embed(server, provider)
    assert np.allclose([item["embedding"] for item in got.data], [item.embedding for item in wanted.data], rtol=0, atol=1e-6)
    assert got.usage.prompt_tokens == wanted.usage.prompt_tokens


@pytest.mark.parametrize("provider", RERANKERS)
def test_rerank(server, provider):
    ranked = rerank(server, provider, top_n=3).results
    assert [result["index"] for result in ranked] == [1, 0, 2]
    if RERANKERS[provider][1]:
        assert ranked[0]["document"]["text"] == DOCUMENTS[1]


@pytest.mark.parametrize("provider", EMBEDDERS)
def test_404(server, provider):
    with pytest.raises(litellm.NotFoundError) as failure:
        embed(server, provider, "no-such-model")
    assert "no-such-model" in str(failure.value)


# LiteLLM sends no dimensions to Infinity.
@pytest.mark.parametrize("provider", [provider for provider in EMBEDDERS if provider != "infinity"])
def test_400(server, provider):
    with pytest.raises(litellm.BadRequestError) as failure:
        embed(server, provider, dimensions=4096)
    assert "dimensions" in str(failure.value)


# What it sends to TEI names no model.
@pytest.mark.parametrize("provider", [provider for provider in RERANKERS if provider != "huggingface"])
def test_404_of_rerank(server, provider):
    with pytest.raises(litellm.NotFoundError) as failure:
        rerank(server, provider, "no-such-model")
    assert "no-such-model" in str(failure.value)
