"""The same model, asked directly and through a router that takes its server for one of each type."""

import cohere
import numpy as np
import openai
import pytest

from conftest import TYPES, behind
from servers import MODEL

QUERY = "What is the capital of the United States?"
TEXTS = [
    "Carson City is the capital city of the American state of Nevada.",
    "Washington, D.C. is the capital of the United States.",
    "",
    "고양이가 잔다.",
    "Capital punishment has existed in the United States since before it was a country.",
    "Washington, D.C. is the capital of the United States.",
    "long " * 400,
]


def embed(server, model, **options):
    with openai.OpenAI(base_url=server.url + "/v1", api_key="unused") as client:
        answer = client.embeddings.create(model=model, input=TEXTS, **options)
    return np.array([item.embedding for item in answer.data]), answer.usage


def rerank(server, model, **options):
    return cohere.ClientV2(base_url=server.url, api_key="unused").rerank(model=model, query=QUERY, documents=TEXTS, **options)


@pytest.mark.parametrize("kind", TYPES)
def test_embeddings_and_usage_are_the_models_own(local, router, kind):
    wanted, used = embed(local, MODEL)
    got, counted = embed(router, behind(kind))
    assert got.shape == (len(TEXTS), 384)
    assert np.abs(got - wanted).max() <= 1e-6
    assert (counted.prompt_tokens, counted.total_tokens) == (used.prompt_tokens, used.total_tokens)


@pytest.mark.parametrize("kind", TYPES)
def test_numbers_are_those_of_base64(router, kind):
    coded, plain = embed(router, behind(kind))[0], embed(router, behind(kind), encoding_format="float")[0]
    assert np.array_equal(coded.astype(np.float32), plain.astype(np.float32))


@pytest.mark.parametrize("kind", TYPES)
def test_ranking_is_the_models_own(local, router, kind):
    wanted, got = rerank(local, MODEL), rerank(router, behind(kind))
    assert [result.index for result in got.results] == [result.index for result in wanted.results]
    scores = [[result.relevance_score for result in answer.results] for answer in (got, wanted)]
    assert np.allclose(*scores, rtol=0, atol=1e-6)
    assert len(rerank(router, behind(kind), top_n=2).results) == 2


@pytest.mark.parametrize("kind", TYPES)
def test_models_are_listed(router, kind):
    with openai.OpenAI(base_url=router.url + "/v1", api_key="unused") as client:
        assert behind(kind) in [model.id for model in client.models.list()]
        assert client.models.retrieve(behind(kind)).id == behind(kind)


def test_token_ids_reach_every_type_as_what_they_stand_for(local, router):
    with openai.OpenAI(base_url=local.url + "/v1", api_key="unused") as client:
        wanted = client.embeddings.create(model=MODEL, input=["hello world", "test"])
    with openai.OpenAI(base_url=router.url + "/v1", api_key="unused") as client:
        for kind in TYPES:
            got = client.embeddings.create(model=behind(kind), input=[[15339, 1917], [1985]])
            for one, other in zip(got.data, wanted.data, strict=True):
                assert np.allclose(one.embedding, other.embedding, rtol=0, atol=1e-6), kind
