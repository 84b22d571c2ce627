"""Keys and limits: what each kind of key may do with a model of the server and with a routed one."""

import time

import cohere
import openai
import pytest

from conftest import ROUTED
from servers import MODEL

DOCUMENTS = ["a document", "another one"]


def embed(server, key, model, headers=None, **options):
    with openai.OpenAI(base_url=server.url + "/v1", api_key=key, **{"max_retries": 0, **options}) as client:
        return client.embeddings.with_raw_response.create(model=model, input="one", extra_headers=headers)


def rerank(server, key, model, retries=0):
    client = cohere.ClientV2(base_url=server.url, api_key=key)
    return client.rerank(model=model, query="one", documents=DOCUMENTS, request_options={"max_retries": retries})


@pytest.mark.parametrize("model", [MODEL, ROUTED])
@pytest.mark.parametrize("name", ["right", "narrow"])
def test_allowed(guarded, keys, name, model):
    assert len(embed(guarded, keys[0][name], model).parse().data) == 1
    assert len(rerank(guarded, keys[0][name], model).results) == 2


@pytest.mark.parametrize("model", [MODEL, ROUTED])
@pytest.mark.parametrize("name", ["wrong", "expired", "disabled"])
def test_401(guarded, keys, name, model):
    key = keys[0].get(name, keys[0]["right"] + "x")
    with pytest.raises(openai.AuthenticationError) as failure:
        embed(guarded, key, model)
    assert failure.value.code == "invalid_api_key"
    with pytest.raises(cohere.UnauthorizedError) as failure:
        rerank(guarded, key, model)
    assert failure.value.body["error"]["code"] == "invalid_api_key"
    assert key not in str(failure.value.body)


@pytest.mark.parametrize("model", [MODEL, ROUTED])
def test_401_without_a_key(guarded, model):
    with pytest.raises(openai.AuthenticationError) as failure:
        embed(guarded, "unused", model, headers={"Authorization": ""})
    assert failure.value.code == "invalid_api_key"


@pytest.mark.parametrize("model", [MODEL, ROUTED])
def test_403(guarded, keys, model):
    with pytest.raises(openai.PermissionDeniedError) as failure:
        embed(guarded, keys[0]["other"], model)
    assert failure.value.code == "model_not_allowed"
    with pytest.raises(cohere.ForbiddenError) as failure:
        rerank(guarded, keys[0]["other"], model)
    assert failure.value.body["error"]["code"] == "model_not_allowed"


def test_models_are_those_that_the_key_may_use(guarded, keys):
    def listed(name):
        with openai.OpenAI(base_url=guarded.url + "/v1", api_key=keys[0][name]) as client:
            return {model.id for model in client.models.list()}

    assert {MODEL, ROUTED} <= listed("narrow")
    assert not listed("other")


@pytest.mark.parametrize("model", [MODEL, ROUTED])
def test_429_openai(guarded, keys, model):
    key = keys[0][f"slow-openai-{model}-1"]
    first = embed(guarded, key, model)
    assert first.headers["x-ratelimit-remaining-requests"] == "0"
    with pytest.raises(openai.RateLimitError) as failure:
        embed(guarded, key, model)
    assert failure.value.code == "rate_limit_exceeded"
    assert failure.value.response.headers["retry-after"] == "1"


@pytest.mark.parametrize("model", [MODEL, ROUTED])
def test_429_cohere(guarded, keys, model):
    key = keys[0][f"slow-cohere-{model}-1"]
    rerank(guarded, key, model)
    with pytest.raises(cohere.TooManyRequestsError) as failure:
        rerank(guarded, key, model)
    assert failure.value.body["error"]["code"] == "rate_limit_exceeded"
    assert failure.value.headers["retry-after"] == "1"


@pytest.mark.parametrize("model", [MODEL, ROUTED])
def test_one_retry_is_enough_for_who_obeys_retry_after(guarded, keys, model):
    for client, ask in (("openai", lambda key: embed(guarded, key, model, max_retries=1)), ("cohere", lambda key: rerank(guarded, key, model, retries=1))):
        key = keys[0][f"slow-{client}-{model}-2"]
        ask(key)
        start = time.monotonic()
        ask(key)
        assert time.monotonic() - start > 0.5, client
