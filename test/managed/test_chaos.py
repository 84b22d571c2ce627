"""Everything at once: requests to models that have to share, while containers and the gateway are killed."""

import collections
import os
import random
import threading
import time

from engine import containers, docker, running, until, upstream
from gateway import MINILM, SMALL, SMALLER, managed, route, routing

SECONDS = float(os.environ.get("CHAOS_SECONDS", "25"))
# What a client may be told; what else there is, is a fault.
EXPECTED = {"model_loading", "model_unavailable", "upstream_error", "shutting_down", "queue_timeout", "deadline_exceeded"}
GROUP = {"a": MINILM, "b": SMALL, "c": SMALLER}
BUDGET = {"d": SMALL, "e": SMALLER}


def configuration(memory_of_d: int = 200) -> dict:
    how = {"start_timeout": "20s", "min_residency": "1s", "drain_timeout": "3s"}
    ups = [managed(n, m, group="g", **how) for n, m in GROUP.items()]
    ups += [managed(n, m, memory_mb=memory_of_d if n == "d" else 200, **how) for n, m in BUDGET.items()]
    return routing(*ups, routes=[route(n, model=m) for n, m in (GROUP | BUDGET).items()], max_wait="2s", memory_mb=300)


class Clients:
    """Ask for models at random, and keep what they are told."""

    def __init__(self, gw, expected: dict, seed: int):
        self.gw, self.expected = gw, expected
        self.said, self.faults = collections.Counter(), []
        self.end = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(random.Random(seed + i),)) for i in range(6)]
        for thread in self.threads:
            thread.start()

    def run(self, dice) -> None:
        while not self.end.wait(0.05):
            model = dice.choice(list(self.expected))
            try:
                answer = self.gw.embed(model, X_Request_Timeout=str(dice.choice((1, 5, 15))))
            except OSError:
                self.said["gateway away"] += 1
                continue
            said = "answered" if answer.status == 200 else answer.error.get("code") or answer.status
            self.said[said] += 1
            if answer.status == 200 and answer.vector != self.expected[model]:
                self.faults.append(f"{model}: another model's answer")
            elif answer.status != 200 and said not in EXPECTED:
                self.faults.append(f"{model}: {answer}")

    def stop(self) -> None:
        self.end.set()
        for thread in self.threads:
            thread.join()


def disturb(gw, name: str, dice) -> str:
    victims = running(name)
    what = dice.choice(["kill", "kill", "remove", "pause", "unload", "reload", "gateway"])
    if what in ("kill", "remove", "pause"):
        if not victims:
            return "nothing runs"
        victim = dice.choice(victims)
        docker(*{"kill": ["kill"], "remove": ["rm", "--force", "--volumes"], "pause": ["pause"]}[what], victim["Id"], check=False)
        return f"{what} {upstream(victim)}"
    if what == "unload":
        model = dice.choice(list(GROUP | BUDGET))
        return f"unload {model} {gw.unload(model).status}"
    if what == "reload":
        return f"reload {gw.reload(configuration(dice.choice((150, 200)))).status}"
    gw.kill()
    gw.start()
    return "gateway killed"


def test_chaos(gateway, name, watch):
    seed = int(os.environ.get("CHAOS_SEED", time.time()))
    dice, gw, events = random.Random(seed), gateway(configuration()), watch()
    expected = {model: gw.embed(model).vector for model in GROUP | BUDGET}
    clients, done = Clients(gw, expected, seed), []
    stop = time.monotonic() + SECONDS
    try:
        while time.monotonic() < stop:
            time.sleep(dice.uniform(0.2, 2))
            done.append(disturb(gw, name, dice))
    finally:
        clients.stop()
    print(f"seed {seed}: {', '.join(done)}")
    print("clients were told:", dict(clients.said), "faults:", clients.faults[:5])
    quiet = watch()
    for model in expected:
        # By hand, as one that was killed often is not started for a while.
        until(lambda m=model: gw.load(m).status == 200, 60, f"{model} serves when it is quiet again")
        answer = gw.embed(model)
        assert answer.vector == expected[model]
    starts = collections.Counter(events.starts())
    print(f"starts {dict(starts)}; at once at most {events.most_at_once(*GROUP)} of the group and {events.most_at_once(*BUDGET)} within the budget")
    assert clients.faults == []
    assert clients.said["answered"] > 0
    assert len(quiet.starts()) <= 2 * len(expected), "nothing is started for nobody"
    assert events.most_at_once(*GROUP) == 1 and events.most_at_once(*BUDGET) == 1
    gw.stop()
    assert containers(name) == []
