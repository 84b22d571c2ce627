"""Starts the real server, bin/quadrate with all-MiniLM-L6-v2, for the clients' tests."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = "sentence-transformers/all-MiniLM-L6-v2"
START_TIMEOUT_S = 120

CONFIG = """
models_dir: {models}
log: {{format: json}}
server: {{host: 127.0.0.1, port: 0, drain_delay: 0s, body_limit: {body_limit}}}
models:
  - name: {model}
    aliases: [default, minilm]
    path: all-MiniLM-L6-v2
    tasks: [embed, rerank]
    batcher: {batcher}
  - name: absent/model
    path: no-such-folder
    tasks: [embed, rerank]
    optional: true
"""


@dataclasses.dataclass
class Server:
    url: str
    process: subprocess.Popen


def start(folder: pathlib.Path, batcher: str = "{}", body_limit: str = "64MiB") -> Server:
    config = folder / "server.yaml"
    config.write_text(CONFIG.format(models=ROOT / "var/models", model=MODEL, batcher=batcher, body_limit=body_limit))
    env = {name: value for name, value in os.environ.items() if not name.startswith(("QUADRATE_", "RERANK_", "GATEWAY_"))}
    log = open(folder / "server.log", "w", encoding="utf-8")
    process = subprocess.Popen([ROOT / "bin/quadrate", "-config", config], cwd=ROOT, env=env, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    timer = threading.Timer(START_TIMEOUT_S, process.kill)
    timer.start()
    address = None
    for line in process.stdout:
        log.write(line)
        event = json.loads(line) if line.startswith("{") else {}
        if event.get("msg") == "ready":
            address = event["address"]
            break
    timer.cancel()
    assert address, f"the server did not start; see {log.name}"
    # The pipe is read to its end, so that the server never waits for a reader.
    threading.Thread(target=lambda: [log.write(line) for line in process.stdout], daemon=True).start()
    return Server(f"http://{address}", process)


def stop(server: Server) -> None:
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=60) == 0


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    running = start(tmp_path_factory.mktemp("server"))
    yield running
    stop(running)


@pytest.fixture()
def small_server(tmp_path, request):
    """A server with the batcher and body limit of the test's `limits` mark."""
    running = start(tmp_path, **request.node.get_closest_marker("limits").kwargs)
    yield running
    stop(running)
