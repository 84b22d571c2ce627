"""LangChain: OpenAIEmbeddings as it is, which sends token ids, and its rerankers."""

import asyncio
import os
import pathlib

import cohere
import litellm
import numpy as np
import openai
import pytest

# The vocabulary that tiktoken would fetch: litellm brings a copy.
os.environ["TIKTOKEN_CACHE_DIR"] = str(pathlib.Path(litellm.__file__).parent / "litellm_core_utils/tokenizers")

from langchain_cohere import CohereRerank
from langchain_community.document_compressors import jina_rerank
from langchain_core.documents import Document
from langchain_openai import OpenAIEmbeddings

from servers import MODEL

TEXTS = ["The cat sleeps.", "고양이가 잔다.", "Кошка спит.", "", "<|endoftext|> is text 🐈", "x" * 3000, "long " * 400]
QUERY = "What is the capital of the United States?"
DOCUMENTS = [Document(page_content=text) for text in (
    "Carson City is the capital city of the American state of Nevada.",
    "Washington, D.C. is the capital of the United States.",
    "Cats sleep most of the day.",
)]


def embeddings(server, **options):
    return OpenAIEmbeddings(model=MODEL, base_url=server.url + "/v1", api_key="unused", **options)


def expected(server, texts):
    with openai.OpenAI(base_url=server.url + "/v1", api_key="unused") as client:
        return np.array([item.embedding for item in client.embeddings.create(model=MODEL, input=texts).data])


def test_token_ids_give_the_vectors_of_their_texts(server):
    got = np.array(embeddings(server).embed_documents(TEXTS))
    assert np.allclose(got, expected(server, TEXTS), rtol=0, atol=1e-6)


def test_ids_are_what_is_sent(server):
    sent = []
    counting = openai.OpenAI(base_url=server.url + "/v1", api_key="unused").embeddings

    class Recorder:
        def create(self, **request):
            sent.append(request["input"])
            return counting.create(**request)

    asked = embeddings(server)
    asked.client = Recorder()
    got = asked.embed_documents(["hello world", "test"])
    assert sent == [[[15339, 1917], [1985]]]
    assert np.allclose(got, expected(server, ["hello world", "test"]), rtol=0, atol=1e-6)


def test_plain_texts(server):
    got = embeddings(server, check_embedding_ctx_length=False).embed_documents(TEXTS)
    assert np.allclose(got, expected(server, TEXTS), rtol=0, atol=1e-6)


def test_query_sync_and_async(server):
    wanted = expected(server, [QUERY])[0]
    assert np.allclose(embeddings(server).embed_query(QUERY), wanted, rtol=0, atol=1e-6)
    assert np.allclose(asyncio.run(embeddings(server).aembed_query(QUERY)), wanted, rtol=0, atol=1e-6)


def test_many_texts_keep_their_order(server):
    texts = [f"text {i}" for i in range(300)]
    got = np.array(embeddings(server, chunk_size=128).embed_documents(texts))
    assert np.allclose(got, expected(server, texts), rtol=0, atol=1e-6)


def test_error_classes(server):
    with pytest.raises(openai.NotFoundError):
        OpenAIEmbeddings(model="no-such-model", base_url=server.url + "/v1", api_key="unused", max_retries=0).embed_query("x")
    with pytest.raises(openai.BadRequestError):
        embeddings(server, dimensions=4096, max_retries=0).embed_query("x")


def test_cohere_rerank(server):
    reranker = CohereRerank(model=MODEL, base_url=server.url, cohere_api_key="unused", top_n=2)
    ranked = reranker.compress_documents(DOCUMENTS, QUERY)
    assert [document.page_content for document in ranked] == [DOCUMENTS[1].page_content, DOCUMENTS[0].page_content]
    assert ranked[0].metadata["relevance_score"] > ranked[1].metadata["relevance_score"]


def test_cohere_rerank_error_class(server):
    with pytest.raises(cohere.NotFoundError):
        CohereRerank(model="no-such-model", base_url=server.url, cohere_api_key="unused").compress_documents(DOCUMENTS, QUERY)


def test_jina_rerank(server, monkeypatch):
    monkeypatch.setattr(jina_rerank, "JINA_API_URL", server.url + "/v1/rerank")
    ranked = jina_rerank.JinaRerank(model=MODEL, jina_api_key="unused", top_n=2).compress_documents(DOCUMENTS, QUERY)
    assert [document.page_content for document in ranked] == [DOCUMENTS[1].page_content, DOCUMENTS[0].page_content]
