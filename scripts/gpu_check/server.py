"""One server with one model, started for a measurement and stopped by SIGTERM."""

import json
import os
import signal
import subprocess
import threading
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

_START_TIMEOUT_S = 1800  # building TensorRT engines takes minutes
_STOP_TIMEOUT_S = 60


class CheckError(Exception):
    """What went wrong, for the report."""


@dataclass(frozen=True)
class Tools:
    """Where the programs and the library are."""

    bench: Path
    enginebench: Path
    program: Path
    library: Path

    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("QUADRATE_", "RERANK_", "GATEWAY_"))}
        return kept | {"QUADRATE_ORT_LIBRARY": str(self.library)}


class Server:
    """A running server; a context manager that ends it."""

    def __init__(self, tools: Tools, model: Path, task: str, provider: str, variant: str, work: Path):
        self.log = work / f"server-{model.name}-{provider}-{variant}.log"
        config = work / f"server-{model.name}-{provider}-{variant}.yaml"
        config.write_text(json.dumps({
            "models_dir": str(model.parent),
            "log": {"format": "json"},
            "server": {"host": "127.0.0.1", "port": 0, "drain_delay": "0s", "request_timeout": "600s"},
            "runtime": {"provider": provider, "tensorrt_cache": str(work / "trt")},
            "models": [{"name": model.name, "aliases": ["default"], "path": model.name, "tasks": [task], "variant": variant}],
        }), encoding="utf-8")  # JSON is YAML
        started = time.monotonic()
        self.process = subprocess.Popen(
            [tools.program, "-config", config], env=tools.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.events: list[dict] = []
        self.url = self._wait_ready()
        self.start_seconds = time.monotonic() - started
        threading.Thread(target=lambda: [self._keep(line) for line in self.process.stdout], daemon=True).start()

    def _keep(self, line: str) -> dict:
        with self.log.open("a", encoding="utf-8") as out:
            out.write(line)
        event = json.loads(line) if line.startswith("{") else {}
        self.events.append(event)
        return event

    def _wait_ready(self) -> str:
        timer = threading.Timer(_START_TIMEOUT_S, self.process.kill)
        timer.start()
        try:
            for line in self.process.stdout:
                event = self._keep(line)
                if event.get("msg") == "ready":
                    return f"http://{event['address']}"
        finally:
            timer.cancel()
        last = next((e for e in reversed(self.events) if e.get("error") or e.get("level") == "ERROR"), {})
        raise CheckError(f"the server did not start: {last.get('error') or last.get('msg') or self.log}")

    def loaded(self) -> dict:
        """What the server said when the model was loaded."""
        return next((e for e in self.events if e.get("msg") == "model loaded"), {})

    def ask(self, path: str, body: dict) -> dict:
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=900) as answer:
            return json.load(answer)

    def terminate(self) -> tuple[int, float]:
        """Exit status and seconds that SIGTERM took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise CheckError(f"SIGTERM did not end the server within {_STOP_TIMEOUT_S} s") from None
        return status, time.monotonic() - started

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
