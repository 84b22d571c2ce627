"""Models make room for each other: one at a time in a group, and within a budget of memory."""

import itertools
import threading
import time

from engine import docker, running, until, upstream
from gateway import LONG, MINILM, SMALL, SMALLER, managed, routing


def grouped(*models: str, **more) -> dict:
    names = "abcdefgh"[:len(models)]
    return routing(*[managed(n, model, group="g", **more) for n, model in zip(names, models, strict=True)])


def compressed(names: list[str]) -> str:
    return " ".join(f"{name}×{len(list(run))}" for name, run in itertools.groupby(names))


def test_swapped_for_another_and_back(gateway, name, watch):
    gw = gateway(grouped(MINILM, SMALL))
    events = watch()
    seen = []
    for model in "abab":
        answer = gw.embed(model)
        assert answer.status == 200, answer
        assert [upstream(c) for c in running(name)] == [model]
        seen.append((model, round(answer.seconds, 2), len(answer.vector)))
    print("model, seconds, dimensions:", seen)
    assert seen[0][2] == seen[2][2] == 384 and seen[1][2] == seen[3][2] != 384
    print("starts:", events.starts(), "at once at most:", events.most_at_once())
    assert events.starts() == list("abab") and events.most_at_once() == 1
    assert gw.metric("swaps_total") == 3 and gw.metric("crashes_total") == 0
    assert gw.metric("swaps_total", **{"from": "a", "to": "b"}) == 2


def test_fifty_requests_to_three_models_in_a_group_of_one(gateway, name, watch):
    gw = gateway(grouped(SMALL, SMALLER, MINILM))
    events = watch()
    models = [model for model, _ in zip(itertools.cycle("abc"), range(50))]
    begun = time.monotonic()
    answers = gw.all([lambda m=m: gw.embed(m) for m in models])
    by_time = sorted(zip(answers, models, strict=True), key=lambda pair: pair[0].at)
    starts = events.starts()
    print(f"50 requests in {time.monotonic() - begun:.1f} s; statuses {compressed([str(a.status) for a, _ in by_time])}")
    print("answered in the order of", compressed([model for _, model in by_time]))
    print(f"starts: {' '.join(starts)}; swaps {gw.metric('swaps_total'):.0f}; at once at most {events.most_at_once()}")
    assert {a.status for a in answers} == {200}
    assert events.most_at_once() == 1
    assert sorted(set(starts)) == ["a", "b", "c"] and len(starts) <= 4
    assert gw.metric("swaps_total") == len(starts) - 1


def test_nobody_starves_beside_models_that_are_always_asked(gateway, name, watch):
    """Three models in a group of one, each asked by clients that ask again as soon as they are answered."""
    gw = gateway({**grouped(SMALL, SMALLER, SMALL, min_residency="2s"), "containers": {"max_wait": "2s"}})
    events = watch()
    stop = time.monotonic() + 16
    answered: dict[str, list] = {"a": [], "b": [], "c": []}
    lock = threading.Lock()

    def client(model: str):
        while time.monotonic() < stop:
            answer = gw.embed(model)
            with lock:
                answered[model].append(answer)
            time.sleep(0.02)

    gw.all([lambda m=m: client(m) for m in "abc" for _ in range(4)])
    starts = events.starts()
    for model, answers in answered.items():
        worst = max(a.seconds for a in answers)
        print(f"{model}: {len(answers)} answers, longest wait {worst:.1f} s, statuses {sorted({a.status for a in answers})}")
    print(f"starts: {' '.join(starts)}; at once at most {events.most_at_once()}")
    assert {a.status for answers in answered.values() for a in answers} == {200}
    assert events.most_at_once() == 1
    assert set(starts[:3]) == {"a", "b", "c"} and 4 <= len(starts) <= 8
    assert max(a.seconds for answers in answered.values() for a in answers) < 15


def test_a_budget_of_memory_is_kept(gateway, name, watch):
    gw = gateway(routing(*[managed(n, model, memory_mb=200) for n, model in zip("abc", (SMALL, SMALLER, SMALL), strict=True)], memory_mb=450))
    events = watch()
    answers = [gw.embed(model) for model in "abc"]
    assert {a.status for a in answers} == {200}, [str(a) for a in answers]
    print("starts:", events.starts(), "run now:", [upstream(c) for c in running(name)])
    assert [upstream(c) for c in running(name)] == ["b", "c"], "the one that was idle longest has made room"
    answers = gw.all([lambda m=m: gw.embed(m) for m in "abc" * 5])
    assert {a.status for a in answers} == {200}
    print("starts:", events.starts(), "at once at most:", events.most_at_once())
    assert events.most_at_once() == 2
    assert {c["HostConfig"]["Memory"] for c in running(name)} == {200 << 20}


def test_requests_in_flight_are_served_before_a_model_makes_room(gateway, name):
    gw = gateway({**grouped(MINILM, SMALL), "containers": {"max_wait": "100ms"}})
    assert gw.embed("a").status == 200
    (slow, other) = gw.all([lambda: gw.embed("a", *LONG), lambda: (time.sleep(0.2), gw.embed("b"))[1]])
    print("in flight:", slow, "- the other:", other)
    assert (slow.status, other.status) == (200, 200)
    assert len(slow.body["data"]) == len(LONG) and slow.at < other.at
    assert gw.metric("crashes_total") == 0


def test_a_request_that_outlasts_idle_ttl_keeps_its_model(gateway, name):
    gw = gateway(routing(managed("minilm", MINILM, idle_ttl="300ms")))
    answer = gw.embed("minilm", *LONG)
    print(answer, "starts:", gw.metric("starts_total"))
    assert answer.status == 200 and gw.metric("starts_total") == 1
    until(lambda: running(name) == [], 10, "it stops afterwards")


def test_idle_ones_stop_and_preloaded_ones_are_there(gateway, name):
    gw = gateway(routing(managed("idle", SMALL, idle_ttl="2s"), managed("early", SMALLER, preload=True), managed("pinned", SMALL, pinned=True)))
    for model in ("early", "pinned"):
        assert gw.load(model).status == 200  # joins the start that is under way
    assert sorted(upstream(c) for c in running(name)) == ["early", "pinned"]
    assert gw.metric("starts_total") == 2
    asked = gw.embed("idle")
    assert asked.status == 200
    stopped = time.monotonic()
    until(lambda: "idle" not in [upstream(c) for c in running(name)], 10, "the idle one stops")
    print(f"stopped {time.monotonic() - stopped:.1f} s after its last request")
    assert time.monotonic() - stopped > 1.5
    until(lambda: gw.state("idle") == "stopped", 5, "it says so")
    assert gw.embed("idle").status == 200
    assert sorted(upstream(c) for c in running(name)) == ["early", "idle", "pinned"]


def test_a_pinned_model_makes_room_for_nobody(gateway, name):
    config = routing(*[managed(n, SMALL, memory_mb=200, pinned=n == "a") for n in "abc"], memory_mb=450, max_wait="100ms")
    gw = gateway(config)
    answers = [gw.embed(model) for model in "abcb"]
    assert {a.status for a in answers} == {200}, [str(a) for a in answers]
    print("run now:", [upstream(c) for c in running(name)], "starts:", gw.metric("starts_total"))
    assert [upstream(c) for c in running(name)] == ["a", "b"]
    assert gw.metric("starts_total", upstream="a") == 1
    docker("kill", running(name)[0]["Id"])
    until(lambda: gw.metric("crashes_total", upstream="a") == 1, 10, "its end is noticed")
    until(lambda: gw.state("a") == "ready", 20, "it runs again without being asked")
