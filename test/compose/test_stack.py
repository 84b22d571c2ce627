"""The base stack, brought up with images that were built here."""

import concurrent.futures
import json

import pytest
from conftest import BASE, HERE, Stack, ask

STACK = Stack("quadrate-test", BASE, HERE / "stand-in.yml", STAND_IN=str(HERE / "stand-in"))


@pytest.fixture(scope="module")
def up():
    STACK.down()
    try:  # also what did not come up is not left behind
        STACK.up()
        yield
    finally:
        STACK.down()


def test_the_router_serves_both_back_ends(up):
    router, rerank = STACK.url("router"), STACK.url("rerank")
    asked = {"query": "How do I reset my password?", "documents": ["The cafeteria opens at nine.", "Choose Security, then Forgot password."]}
    status, answer = ask(router + "/v1/rerank", {"model": "default", **asked})
    assert status == 200 and [r["index"] for r in answer["results"]] == [1, 0], answer
    direct = ask(rerank + "/v1/rerank", {"model": "default", **asked})[1]
    assert answer["results"] == direct["results"]
    status, answer = ask(router + "/v1/embeddings", {"model": "bge-m3", "input": ["a", "b"]})
    assert status == 200 and len(answer["data"]) == 2, answer
    upstreams = {u["name"]: u["state"] for u in ask(router + "/health")[1]["upstreams"]}
    assert upstreams == {"rerank": "ready", "infinity": "ready"}


def test_a_model_that_is_not_there_says_how_to_get_it(up):
    status, answer = ask(STACK.url("router") + "/v1/rerank", {"model": "BAAI/bge-reranker-v2-m3", "query": "q", "documents": ["d"]})
    assert status in (404, 502, 503) and "export_onnx.sh" in json.dumps(answer), answer


def test_a_restart_of_rerank_is_borne(up):
    """While rerank restarts, requests are answered by a clear refusal or well; none hangs, and all is well afterwards."""
    router = STACK.url("router")

    def one(_):
        return ask(router + "/v1/rerank", {"model": "default", "query": "q", "documents": ["d"]})[0]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        stopping = pool.submit(STACK, "restart", "--timeout", "70", "rerank")
        seen = set()
        while not stopping.done():
            seen |= set(pool.map(one, range(2)))
        stopping.result()
    assert seen <= {200, 502, 503}, seen
    STACK.up()
    assert one(0) == 200


def test_a_stop_is_clean(up):
    STACK("stop")
    for service in ("router", "rerank"):
        states = [json.loads(line) for line in STACK("ps", "--all", "--format", "json", service).stdout.splitlines()]
        assert [state["ExitCode"] for state in states] == [0], states
