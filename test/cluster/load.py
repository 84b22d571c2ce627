"""Clients that ask through a Service, one request after the other, and what became of each."""

import collections
import itertools
import threading
import time

import httpx

QUERY = "How do I reset my password?"
DOCUMENTS = ["The cafeteria opens at nine.", "Choose Security, then Forgot password."]


class Load:
    """Half of the clients keep their connection, as programs with a pool do; the others take a new one for each
    request, which the Service leads to any pod."""

    def __init__(self, url: str, clients: int = 4, pause: float = 0.05):
        self.url, self.clients, self.between = url, clients, pause
        self.statuses: collections.Counter = collections.Counter()
        self.failed: list[str] = []
        self.gap = 0.0  # the longest time between two answers, in seconds

    def __enter__(self):
        self.stop, self.lock, self.numbers = threading.Event(), threading.Lock(), itertools.count()
        self.began = self.answered = time.monotonic()
        self.threads = [threading.Thread(target=self.client, args=(number % 2 == 0,)) for number in range(self.clients)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def client(self, keep: bool) -> None:
        http = httpx.Client(timeout=60, verify=False, trust_env=False)
        while not self.stop.is_set():
            self.note(*ask(http, self.url, next(self.numbers)))
            if not keep:
                http.close()
                http = httpx.Client(timeout=60, verify=False, trust_env=False)
            time.sleep(self.between)
        http.close()

    def note(self, status, said: str) -> None:
        with self.lock:
            self.statuses[status] += 1
            now = time.monotonic()
            if status == 200:
                self.gap, self.answered = max(self.gap, now - self.answered), now
            else:
                self.failed.append(f"{now - self.began:.1f} s: {status} {said[:300]}")

    def wait(self, more: int) -> None:
        """Waits until so many more have been answered."""
        goal, deadline = self.statuses[200] + more, time.monotonic() + 120
        while self.statuses[200] < goal:
            assert time.monotonic() < deadline, self.failed[-5:]
            time.sleep(0.05)

    def told(self) -> str:
        return f"{dict(self.statuses)} in {time.monotonic() - self.began:.0f} s, longest pause {self.gap:.2f} s, failed: {self.failed[:8]}"


def ask(http: httpx.Client, url: str, number: int):
    """A status and what was said, or an error's name; each request has texts of its own, so that no answer is a kept one."""
    documents = [f"{text} ({number})" for text in DOCUMENTS]
    try:
        answer = http.post(url + "/v1/rerank", json={"model": "default", "query": QUERY, "documents": documents})
    except httpx.TransportError as error:
        return type(error).__name__, str(error)
    if answer.status_code == 200 and [r["index"] for r in answer.json()["results"]] != [1, 0]:
        return "wrong", answer.text
    return answer.status_code, answer.text
