"""Redis and Prometheus beside the base stack, as their files start them; they are Debian's, in images made here.
rerank exports a model before it serves, from a stand-in of the hub."""

import subprocess
import sys
import time

import pytest
from conftest import BASE, FOLDER, HERE, ROOT, Stack, ask

sys.path.insert(0, str(ROOT / "test/image"))
from hub import Hub  # noqa: E402

RERANKER = "BAAI/bge-reranker-v2-m3"

STACK = Stack(
    "quadrate-test-more",
    BASE, *(FOLDER / f"docker-compose.{name}.yml" for name in ("redis", "observability")), HERE / "limits.yml",
    REDIS_IMAGE="quadrate-played:redis", PROMETHEUS_IMAGE="quadrate-played:prometheus", PROMETHEUS_PORT="0",
    GRAFANA_PASSWORD="secret", LIMITS=str(HERE / "limits"), RERANK_FETCH=RERANKER,
)
QUESTION = {"model": "default", "query": "q", "documents": ["d"]}


@pytest.fixture(scope="module", autouse=True)
def up():
    STACK.down()
    host = subprocess.run(["docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"], capture_output=True, text=True, check=True, timeout=60)
    hub = Hub(host.stdout.strip(), {RERANKER: ROOT / "testdata/models/xlmr-rerank"})
    STACK.env["HF_ENDPOINT"] = hub.address
    try:  # also what did not come up is not left behind
        STACK.up("router", "rerank", "redis", "prometheus")
        yield
    finally:
        STACK.down()
        hub.close()


def inside(service: str, *command: str) -> str:
    done = subprocess.run(["docker", "exec", STACK.container(service)["Id"], *command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.removesuffix("\n")


def test_the_model_that_was_to_be_fetched_is_served():
    status, answer = ask(STACK.url("rerank") + "/v1/rerank", QUESTION | {"model": RERANKER})
    assert status == 200 and answer["model"] == RERANKER, answer


def test_limits_are_counted_in_redis_and_outlive_the_router():
    def until_refused() -> int:
        """How many are let in."""
        for count in range(20):
            status, answer = ask(STACK.url("router") + "/v1/rerank", QUESTION)
            if status != 200:
                assert status == 429 and answer["error"]["code"] == "rate_limit_exceeded", answer
                return count
        raise AssertionError("nothing is limited")

    started = time.monotonic()
    allowed = until_refused()
    assert allowed >= 3 and int(inside("redis", "redis-cli", "dbsize")) > 0
    STACK("restart", "--timeout", "70", "router")
    STACK.up("router")
    # One more every 20 s; had the router begun anew, three at once.
    assert allowed + until_refused() <= 4 + (time.monotonic() - started) / 20


@pytest.mark.parametrize(("service", "user"), [("redis", "999"), ("prometheus", "65534")])
def test_it_runs_without_rights(service, user):
    state = STACK.container(service)
    assert state["State"]["Health"]["Status"] == "healthy" and state["HostConfig"]["ReadonlyRootfs"]
    status = inside(service, "cat", "/proc/1/status")
    assert f"Uid:\t{user}\t{user}" in status and "CapEff:\t0000000000000000" in status, status


def test_redis_writes_nothing_and_holds_no_more_than_it_may():
    told = inside("redis", "redis-cli", "config", "get", "*").split("\n")  # the last may be empty
    settings = dict(zip(told[::2], told[1::2], strict=True))
    assert settings["save"] == "" and settings["appendonly"] == "no"
    assert settings["maxmemory"] == str(256 << 20) and settings["maxmemory-policy"] == "volatile-ttl"
    assert STACK.container("redis")["HostConfig"]["Memory"] == 512 << 20


def test_prometheus_reads_both_servers_and_the_alerts():
    prometheus = STACK.url("prometheus", 9090) + "/api/v1"
    deadline = time.monotonic() + 60
    while True:  # until each was scraped once
        targets = {one["labels"]["job"]: one["health"] for one in ask(prometheus + "/targets")[1]["data"]["activeTargets"]}
        if set(targets.values()) == {"up"}:
            break
        assert time.monotonic() < deadline, targets
        time.sleep(0.5)
    assert set(targets) == {"quadrate-router", "quadrate-rerank"}
    rules = [rule for group in ask(prometheus + "/rules")[1]["data"]["groups"] for rule in group["rules"]]
    assert len([rule for rule in rules if rule["type"] == "alerting"]) > 5
    assert not [rule["lastError"] for rule in rules if rule.get("lastError")]
