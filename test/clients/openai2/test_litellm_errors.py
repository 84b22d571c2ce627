"""What LiteLLM makes of each error, of a server's own models and of routed ones."""

import litellm
import pytest

from conftest import ROUTED
from servers import MODEL


def embed(server, model, key="unused"):
    return litellm.embedding(model=f"openai/{model}", input=["one", "two"], api_base=server.url + "/v1", api_key=key)


def rerank(server, model, key="unused", **options):
    return litellm.rerank(model=f"cohere/{model}", query="one", documents=["one", "two"], api_base=server.url, api_key=key, **options)


@pytest.mark.parametrize("model", [MODEL, ROUTED])
@pytest.mark.parametrize("ask", [embed, rerank])
def test_401(guarded, keys, ask, model):
    with pytest.raises(litellm.AuthenticationError):
        ask(guarded, model, keys[0]["expired"])


@pytest.mark.parametrize("model", [MODEL, ROUTED])
def test_403(guarded, keys, model):
    with pytest.raises(litellm.PermissionDeniedError):
        rerank(guarded, model, keys[0]["other"])
    # LiteLLM has no class for this one of OpenAI's.
    with pytest.raises(litellm.APIError) as failure:
        embed(guarded, model, keys[0]["other"])
    assert failure.value.status_code == 403


@pytest.mark.parametrize("model", [MODEL, ROUTED])
def test_429(guarded, keys, model):
    key = keys[0][f"slow-litellm-{model}-1"]
    rerank(guarded, model, key)
    with pytest.raises(litellm.RateLimitError) as failure:
        rerank(guarded, model, key)
    assert "rate_limit_exceeded" in str(failure.value)
    # It tries embeddings again by itself, when it was told to.
    embed(guarded, model, key)


@pytest.mark.parametrize("fault, error, code", [
    ("internal_error", litellm.BadGatewayError, "upstream_error"),
    ("truncated", litellm.BadGatewayError, "upstream_error"),
    ("overloaded", litellm.RateLimitError, "queue_full"),
])
def test_upstream_fails(patient, played, reset, fault, error, code):
    played["cohere", "rerank"].fail(fault)
    with pytest.raises(error) as failure:
        rerank(patient, "cohere/rerank")
    assert code in str(failure.value)


def test_upstream_fails_embeddings(patient, played, reset):
    played["cohere", "embed"].fail("internal_error")
    with pytest.raises(litellm.BadGatewayError) as failure:
        embed(patient, "cohere/embed")
    assert "upstream_error" in str(failure.value)


def test_upstream_credentials(patient):
    with pytest.raises(litellm.BadGatewayError) as failure:
        rerank(patient, "cohere/rerank/keyless")
    assert "upstream_credentials" in str(failure.value)


def test_upstream_that_is_not_there_yet(patient):
    with pytest.raises(litellm.ServiceUnavailableError) as failure:
        rerank(patient, "vllm/absent")
    assert "model_loading" in str(failure.value)


def test_deadline(patient, played, reset):
    played["cohere", "rerank"].fail("slow_header", wait="5s")
    with pytest.raises(litellm.Timeout) as failure:
        rerank(patient, "cohere/rerank", headers={"X-Request-Timeout": "0.1"})
    assert "deadline_exceeded" in str(failure.value)
