"""Runs the load client and the in-process benchmark, and reads their JSON."""

import json
import subprocess
import threading
import time
from pathlib import Path

from . import machine
from .parity import inputs
from .server import CheckError, Server, Tools

def over_http(tools: Tools, server: Server, workloads: str, concurrency: int, seconds: float, out: Path) -> list[dict]:
    """Results of quadrate-bench, one for each workload."""
    out.mkdir(parents=True, exist_ok=True)
    _run([tools.bench, "-url", server.url, "-model", "default", "-workload", workloads, "-concurrency", concurrency,
          "-duration", f"{seconds}s", "-timeout", "10m", "-out", out], tools)
    return json.loads((out / "benchmark_result.json").read_text(encoding="utf-8"))["results"]


def in_process(tools: Tools, model: Path, provider: str, variant: str, arguments: list[str], seconds: float, out: Path) -> dict:
    """What quadrate-enginebench measured."""
    out.parent.mkdir(parents=True, exist_ok=True)
    _run([tools.enginebench, "-model", model, "-provider", provider, "-variant", variant,
          "-duration", f"{seconds}s", "-json", out, *arguments], tools)
    return json.loads(out.read_text(encoding="utf-8"))


def _run(command: list, tools: Tools) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(words, env=tools.environment(), capture_output=True, text=True, timeout=3600, check=False)
    if done.returncode != 0:
        raise CheckError(f"{Path(words[0]).name} failed: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")


class Memory:
    """Watches a server's memory while something runs; a context manager."""

    def __init__(self, server: Server):
        self._pid, self._stop = server.process.pid, threading.Event()
        self.device = self.resident = self.highest = 0.0
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while True:
            self.device = max(self.device, machine.device_memory(self._pid) or 0.0)
            self.resident, self.highest = machine.host_memory(self._pid)
            if self._stop.wait(0.5):
                return

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()


def terminate_under_load(server: Server, rerank: bool) -> tuple[int, int, int, float]:
    """Sends SIGTERM while 16 requests run: (answered, failed, exit status, seconds)."""
    results: list[bool] = []
    texts = inputs(32, 128)
    body = {"model": "default", "query": "way", "documents": texts} if rerank else {"model": "default", "input": texts}

    def one() -> None:
        try:
            server.ask("/v1/rerank" if rerank else "/v1/embeddings", body)
            results.append(True)
        except OSError:
            results.append(False)

    threads = [threading.Thread(target=one) for _ in range(16)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    status, seconds = server.terminate()
    for thread in threads:
        thread.join()
    return results.count(True), results.count(False), status, seconds
