"""Containers outlive the gateway, or do not; the next process knows them; a reload changes only what it has to."""

import concurrent.futures

from engine import containers, docker, running, until, upstream
from gateway import LONG, MINILM, SMALL, SMALLER, managed, routing


def ids(name: str) -> dict[str, str]:
    return {upstream(c): c["Id"] for c in running(name)}


def test_killed_and_adopted(gateway, name):
    gw = gateway(routing(managed("a", MINILM), managed("b", SMALL)))
    assert [gw.embed(m).status for m in "ab"] == [200, 200]
    before, vector = ids(name), gw.embed("a").vector
    began = {c["Id"]: c["State"]["StartedAt"] for c in running(name)}
    gw.kill()
    assert ids(name) == before
    gw.start()
    first = gw.embed("a")
    print("after SIGKILL the first request:", first)
    assert first.status == 200 and first.vector == vector and first.seconds < 2
    assert gw.embed("b").status == 200
    assert ids(name) == before
    assert {c["Id"]: c["State"]["StartedAt"] for c in running(name)} == began, "none was restarted"
    assert gw.metric("starts_total") == 0
    # With another configuration of b, and a gone from it.
    gw.kill()
    gw.write(routing(managed("b", SMALL, env={"START_DELAY": 0}), managed("c", SMALL)))
    gw.start()
    assert gw.embed("b").status == 200
    until(lambda: "a" not in ids(name), 10, "the one that is not configured any more is removed")
    after = ids(name)
    print("adopted", before, "then replaced", after)
    assert set(after) == {"b"} and after["b"] != before["b"]
    assert len(containers(name)) == 1


def test_killed_and_what_is_there_is_broken(gateway, name):
    gw = gateway(routing(managed("dead", SMALL), managed("hangs", SMALL)))
    assert [gw.embed(m).status for m in ("dead", "hangs")] == [200, 200]
    before = ids(name)
    gw.kill()
    docker("kill", before["dead"])
    docker("pause", before["hangs"])
    gw.start()
    answers = gw.all([lambda: gw.embed("dead"), lambda: gw.embed("hangs")])
    print([str(a) for a in answers])
    assert [a.status for a in answers] == [200, 200]
    assert not set(before.values()) & set(ids(name).values())
    assert len(containers(name)) == 2


def test_killed_amid_a_start(gateway, name):
    gw = gateway(routing(managed("slow", SMALL, env={"START_DELAY": 2})))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        pool.submit(lambda: gw.embed("slow"))
        until(lambda: running(name), 10, "the container is there")
        gw.kill()
    gw.start()
    answer = gw.embed("slow")
    print(answer)
    assert answer.status == 200 and len(containers(name)) == 1


def test_stop_stops_and_leave_leaves(gateway, name):
    left = gateway(routing(managed("a", SMALL), on_shutdown="leave"))
    assert left.embed("a").status == 200
    before = ids(name)
    print(f"leave: the gateway ended in {left.stop():.1f} s")
    assert ids(name) == before
    next_one = gateway(routing(managed("a", SMALL)))
    first = next_one.embed("a")
    print("the next one's first request:", first)
    assert first.status == 200 and ids(name) == before and next_one.metric("starts_total") == 0
    print(f"stop: the gateway ended in {next_one.stop():.1f} s")
    assert containers(name) == []


def test_requests_in_flight_are_served_before_the_stop(gateway, name):
    gw = gateway(routing(managed("minilm", MINILM)))
    assert gw.embed("minilm").status == 200
    with concurrent.futures.ThreadPoolExecutor() as pool:
        slow = pool.submit(gw.embed, "minilm", *LONG)
        until(lambda: gw.container("minilm")["in_flight"] == 1, 5, "it is in flight")
        took = gw.stop()
        print(f"stopped in {took:.1f} s:", slow.result())
        assert slow.result().status == 200
    assert containers(name) == []


def test_stopped_amid_a_start(gateway, name):
    for wait, status in (("1s", 0), ("40s", 1)):  # 1: a request was still in flight after shutdown_timeout
        gw = gateway(routing(managed("deaf", SMALL, env={"NEVER_HEALTHY": 1}, start_wait=wait)), shutdown_timeout="2s")
        with concurrent.futures.ThreadPoolExecutor() as pool:
            waiting = pool.submit(gw.embed, "deaf")
            until(lambda: running(name), 10, "the container is there")
            took = gw.stop(status)
            print(f"stopped in {took:.1f} s with status {status}; who waited got {waiting.exception() or waiting.result()}")
            assert waiting.exception() or waiting.result().status == 503
        assert took < 10 and containers(name) == []


def test_a_reload_changes_only_what_changed(gateway, name):
    a, b, c = managed("a", SMALL), managed("b", SMALL), managed("c", SMALLER)
    gw = gateway(routing(a, b, c))
    assert [gw.embed(m).status for m in "abc"] == [200, 200, 200]
    before = ids(name)
    changed = managed("b", SMALL, memory_mb=300)
    kept = managed("a", SMALL, priority=5, idle_ttl="1h")  # says nothing of the container itself
    reloaded = gw.reload(routing(kept, changed, managed("d", SMALL)))
    print("reload:", reloaded.status, reloaded.body)
    assert reloaded.status == 200
    assert [gw.embed(m).status for m in "abd"] == [200, 200, 200]
    assert gw.embed("c").status == 404
    until(lambda: "c" not in ids(name), 10, "what is not configured any more is stopped")
    after = ids(name)
    print("before", before, "after", after)
    assert after["a"] == before["a"] and after["b"] != before["b"] and set(after) == {"a", "b", "d"}
    assert gw.container("a")["priority"] == 5
    (new,) = [c for c in running(name) if upstream(c) == "b"]
    assert new["HostConfig"]["Memory"] == 300 << 20


def test_a_reload_lets_requests_in_flight_end(gateway, name):
    gw = gateway(routing(managed("minilm", MINILM)))
    assert gw.embed("minilm").status == 200
    before = ids(name)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        slow = pool.submit(gw.embed, "minilm", *LONG)
        until(lambda: gw.container("minilm")["in_flight"] == 1, 5, "it is in flight")
        assert gw.reload(routing(managed("minilm", MINILM, memory_mb=500))).status == 200
        next_one = gw.embed("minilm")
        print("in flight:", slow.result(), "| the next:", next_one)
        assert (slow.result().status, next_one.status) == (200, 200)
    assert ids(name)["minilm"] != before["minilm"]
    assert gw.metric("crashes_total") == 0


def test_two_gateways_on_one_engine_do_not_meet(gateway, name):
    one, other = gateway(routing(managed("a", SMALL))), gateway(routing(managed("a", SMALL), instance=f"{name}-other"))
    assert (one.embed("a").status, other.embed("a").status) == (200, 200)
    before = ids(name)
    assert len(before) == len(running(f"{name}-other")) == 1
    other.kill()
    other.start()
    assert (one.embed("a").status, other.embed("a").status) == (200, 200)
    other.stop()
    assert containers(f"{name}-other") == [] and ids(name) == before
    assert one.embed("a").status == 200
