"""LlamaIndex: its OpenAI-like embeddings, and its clients of TEI for embeddings and reranking."""

import asyncio

import llama_index.core.schema as schema
import numpy as np
import openai
import pytest
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.embeddings.text_embeddings_inference import TextEmbeddingsInference
from llama_index.postprocessor.tei_rerank import TextEmbeddingInference

from servers import MODEL

# More than one of its batches of ten, with a line break and a blank text.
TEXTS = [f"Text number {i} of a small\ncollection." for i in range(22)] + [" "]
QUERY = "What is the capital of the United States?"
DOCUMENTS = [
    "Carson City is the capital city of the American state of Nevada.",
    "Washington, D.C. is the capital of the United States.",
    "Cats sleep most of the day.",
]


def expected(server, texts):
    with openai.OpenAI(base_url=server.url + "/v1", api_key="unused") as client:
        return np.array([item.embedding for item in client.embeddings.create(model=MODEL, input=texts).data])


def like(server, **options):
    return OpenAILikeEmbedding(model_name=MODEL, api_base=server.url + "/v1", api_key="unused", **options)


def tei(server):
    return TextEmbeddingsInference(model_name=MODEL, base_url=server.url)


def test_openai_like_in_batches(server):
    got = np.array(like(server).get_text_embedding_batch(TEXTS))
    assert np.allclose(got, expected(server, [text.replace("\n", " ") for text in TEXTS]), rtol=0, atol=1e-6)


def test_openai_like_query_sync_and_async(server):
    wanted = expected(server, [QUERY])[0]
    assert np.allclose(like(server).get_query_embedding(QUERY), wanted, rtol=0, atol=1e-6)
    assert np.allclose(asyncio.run(like(server).aget_query_embedding(QUERY)), wanted, rtol=0, atol=1e-6)


def test_openai_like_error_classes(server):
    with pytest.raises(openai.NotFoundError):
        OpenAILikeEmbedding(model_name="no-such-model", api_base=server.url + "/v1", api_key="unused", max_retries=0).get_text_embedding("x")
    with pytest.raises(openai.BadRequestError):
        like(server, dimensions=4096, max_retries=0).get_text_embedding("x")


def test_tei_embeddings(server):
    got = np.array(tei(server).get_text_embedding_batch(TEXTS))
    assert np.allclose(got, expected(server, TEXTS), rtol=0, atol=1e-6)
    assert np.allclose(tei(server).get_query_embedding(QUERY), expected(server, [QUERY])[0], rtol=0, atol=1e-6)


def test_tei_rerank(server):
    nodes = [schema.NodeWithScore(node=schema.TextNode(text=text)) for text in DOCUMENTS]
    ranked = TextEmbeddingInference(base_url=server.url, top_n=2).postprocess_nodes(nodes, query_str=QUERY)
    assert [node.text for node in ranked] == [DOCUMENTS[1], DOCUMENTS[0]]
    assert 1 >= ranked[0].score > ranked[1].score
