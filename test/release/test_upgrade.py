"""An upgrade and a rollback under load: two servers of models behind a router that stands, one at a
time, without a failed request; and the router's own restart, with its gap measured."""

import collections
import dataclasses
import itertools
import subprocess
import threading
import time

import httpx
import pytest

from servers import MINILM, ROOT, Server, free_port, quadrate, route, upstream

CLIENTS = 4
QUERY = "How do I reset my password?"
DOCUMENTS = ["The cafeteria opens at nine.", "Choose Security, then Forgot password."]


@dataclasses.dataclass
class Load:
    """Clients that ask one after the other, each with texts of its own, and what became of it."""

    url: str
    statuses: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    wrong: list = dataclasses.field(default_factory=list)
    pause: float = 0.0  # the longest time between two answers, in seconds

    def __enter__(self):
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.answered = time.monotonic()
        self.numbers = itertools.count()
        self.threads = [threading.Thread(target=self.client) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def client(self):
        with httpx.Client(timeout=60) as http:
            while not self.stop.is_set():
                self.note(*self.ask(http))

    def ask(self, http):
        documents = [f"{text} ({next(self.numbers)})" for text in DOCUMENTS]  # no answer that was kept
        try:
            answer = http.post(self.url + "/v1/rerank", json={"model": "default", "query": QUERY, "documents": documents})
        except httpx.TransportError as error:
            return type(error).__name__, None
        return answer.status_code, answer

    def note(self, status, answer):
        with self.lock:
            self.statuses[status] += 1
            if status != 200:
                return
            if [r["index"] for r in answer.json()["results"]] != [1, 0]:
                self.wrong.append(answer.text)
            now = time.monotonic()
            self.pause, self.answered = max(self.pause, now - self.answered), now

    def wait(self, more: int) -> None:
        """Waits until so many more have been answered."""
        goal = self.statuses[200] + more
        deadline = time.monotonic() + 60
        while self.statuses[200] < goal:
            assert time.monotonic() < deadline, self.statuses
            time.sleep(0.02)


def until_routed(router: Server, server: Server) -> None:
    """Waits until the router sends requests to a server that has come back."""
    deadline = time.monotonic() + 60
    line = f'quadrate_upstream_endpoint_ready{{endpoint="{server.url}",upstream="rerank"}} 1'
    while line not in httpx.get(router.url + "/metrics").text:
        assert time.monotonic() < deadline, f"the router does not find {server.url}"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def programs():
    """The old and the new version, beside the program that users build: they find the libraries from there."""
    made = {version: ROOT / "bin" / f"quadrate-{version}" for version in ("v1.0.0", "v1.1.0")}
    for version in made:
        subprocess.run(["go", "build", "-ldflags", f"-X main.version={version}", "-o", made[version], "./cmd/server"], cwd=ROOT, check=True)
    yield made
    for program in made.values():
        program.unlink()


@pytest.fixture
def site(tmp_path, programs):
    """start(name, version) starts a server of models, or the router, on a port that stays its own."""
    ports = {name: free_port() for name in ("a", "b", "router")}
    routing = {"upstreams": [upstream("rerank", "quadrate", *(f"http://127.0.0.1:{ports[name]}" for name in "ab"))], "models": [route("default", "rerank")]}
    running = {}

    def start(name: str, version: str) -> Server:
        server = {"port": ports[name], "drain_delay": "1s"}
        if name == "router":
            running[name] = quadrate(tmp_path / name, routing=routing, program=programs[version], **server)
        else:
            running[name] = quadrate(tmp_path / name, [MINILM], program=programs[version], **server)
        assert httpx.get(running[name].url + "/health").json()["version"] == version
        return running[name]

    yield start
    for server in running.values():
        if server.process.poll() is None:
            server.process.kill()


def test_upgrade_and_rollback_lose_no_request(site):
    servers = {name: site(name, "v1.0.0") for name in "ab"}
    router = site("router", "v1.0.0")
    with Load(router.url) as load:
        load.wait(20)
        for version in ("v1.1.0", "v1.0.0"):
            for name in "ab":
                servers[name].stop()  # drains, and ends with status 0
                load.wait(20)
                servers[name] = site(name, version)
                until_routed(router, servers[name])
                load.wait(20)
    print(f"upgrade and rollback: {dict(load.statuses)}, longest pause {load.pause:.2f} s")
    assert set(load.statuses) == {200} and not load.wrong, (load.statuses, load.wrong)
    assert load.statuses[200] >= 180
    for server in (router, *servers.values()):
        server.stop()


def test_the_routers_own_restart_has_a_gap_that_is_known(site):
    servers = [site(name, "v1.0.0") for name in "ab"]
    router = site("router", "v1.0.0")
    with Load(router.url) as load:
        load.wait(20)
        router.stop()
        router = site("router", "v1.1.0")
        load.wait(20)
    print(f"restart of the router: {dict(load.statuses)}, gap {load.pause:.2f} s")
    # What was in flight is answered; what comes while nobody listens is refused at once, or told to come again.
    assert set(load.statuses) <= {200, 503, "ConnectError"}, load.statuses
    assert load.pause < 30 and not load.wrong
    for server in (router, *servers):
        server.stop()
