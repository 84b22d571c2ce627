"""Starts real servers for the clients' tests: bin/quadrate, and players of other servers."""

import dataclasses
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading

import httpx

ROOT = pathlib.Path(__file__).resolve().parents[2]
QUADRATE = ROOT / "bin/quadrate"
MODEL = "sentence-transformers/all-MiniLM-L6-v2"
START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 60

# One for all: each client reads the system's certificates when it is made, which takes long.
http = httpx.Client()

MINILM = {"name": MODEL, "aliases": ["default", "minilm"], "path": "all-MiniLM-L6-v2", "tasks": ["embed", "rerank"]}
ABSENT = {"name": "absent/model", "path": "no-such-folder", "tasks": ["embed", "rerank"], "optional": True}


@dataclasses.dataclass
class Server:
    url: str
    process: subprocess.Popen

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=STOP_TIMEOUT_S) == 0


def first(process: subprocess.Popen, log: pathlib.Path, find) -> str:
    """Reads lines until find says something, and the rest in the background to the log."""
    file = open(log, "w", encoding="utf-8")
    timer = threading.Timer(START_TIMEOUT_S, process.kill)
    timer.start()
    found = None
    for line in process.stdout:
        file.write(line)
        if found := find(line):
            break
    timer.cancel()
    if not found:
        file.close()
        raise AssertionError(f"{process.args[0]} did not start; {log} ends with: {log.read_text(encoding='utf-8')[-2000:]}")
    # The pipe is read to its end, so that the server never waits for a reader.
    threading.Thread(target=lambda: [file.write(line) for line in process.stdout], daemon=True).start()
    return found


def free_port() -> int:
    """A port of loopback that nothing listens on, for a server that has to come back on it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ready(line: str) -> str | None:
    event = json.loads(line) if line.startswith("{") else {}
    return event["address"] if event.get("msg") == "ready" else None


def quadrate(folder: pathlib.Path, models=(), routing=None, auth="", limits=None, program=QUADRATE, **server) -> Server:
    """Starts bin/quadrate with what its files are to hold; auth is YAML, the rest JSON, which is YAML, too."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {"routing": json.dumps(routing or {}), "auth": auth or "{}", "rate_limits": json.dumps(limits or {})}
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    config = folder / "server.yaml"
    config.write_text(json.dumps({
        "models_dir": str(ROOT / "var/models"),
        "log": {"format": "json"},
        "server": {"host": "127.0.0.1", "port": 0, "drain_delay": "0s", **server},
        "files": {name: str(folder / f"{name}.yaml") for name in files},
        "models": list(models),
    }), encoding="utf-8")
    prefixes = ("QUADRATE_", "ROUTER_", "RERANK_", "GATEWAY_", "QWEN3_", "OLLAMA_", "TEI_", "VLLM_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    process = subprocess.Popen([program, "-config", config], cwd=folder, env=env, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    return Server("http://" + first(process, folder / "server.log", ready), process)


def upstream(name: str, kind: str, *urls: str, **more) -> dict:
    return {"name": name, "type": kind, "urls": list(urls), **more}


def route(name: str, upstream: str, *tasks: str, **more) -> dict:
    return {"name": name, "upstream": upstream, "tasks": list(tasks) or ["embed", "rerank"], **more}


class Fake:
    """Another model server, played by proxy/upstreamtest/serve; its routes /_fake/ script it."""

    def __init__(self, program: pathlib.Path, folder: pathlib.Path, kind: str, *options: str):
        folder.mkdir(parents=True, exist_ok=True)
        process = subprocess.Popen([program, "-type", kind, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.server = Server(first(process, folder / f"{kind}.log", lambda line: line.strip() if line.startswith("http") else None), process)
        self.url = self.server.url

    def fail(self, name: str, **how) -> None:
        http.post(f"{self.url}/_fake/fail", json={"name": name, **how}).raise_for_status()

    def reset(self) -> None:
        for what in ("clear", "reset"):
            http.post(f"{self.url}/_fake/{what}").raise_for_status()

    def requests(self) -> list[dict]:
        return http.get(f"{self.url}/_fake/requests").raise_for_status().json()
