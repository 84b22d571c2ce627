"""Fixtures: servers to retrieve with, a chat model's stand-in, and the programs of examples/."""

import dataclasses
import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import threading

import pytest

from servers import MINILM, QUADRATE, ROOT, quadrate

EXAMPLES = ROOT / "examples"
WATCH = pathlib.Path(__file__).resolve().parent / "watch"
TIMEOUT_S = 120

# A reranker with random weights: it orders passages as nothing else would.
RANDOM = {"name": "random-reranker", "path": str(ROOT / "var/testmodels/xlmr-rerank"), "tasks": ["rerank"]}
REPLY = "Choose Security, then Forgot password."


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    running = quadrate(tmp_path_factory.mktemp("server"), [MINILM, RANDOM])
    yield running
    running.stop()


@pytest.fixture(scope="session")
def key():
    """A caller's key, and auth.yaml."""
    printed = subprocess.run([QUADRATE, "key", "new", "-name", "search"], check=True, capture_output=True, text=True).stdout
    return printed.splitlines()[0], "anonymous: {enabled: false}\nkeys:\n" + printed[printed.index("  - name:"):]


@pytest.fixture(scope="session")
def guarded(tmp_path_factory, key):
    """A server that wants a key."""
    running = quadrate(tmp_path_factory.mktemp("guarded"), [MINILM, RANDOM], auth=key[1])
    yield running
    running.stop()


class Chat(http.server.ThreadingHTTPServer):
    """Answers every chat with REPLY, as no chat model is there; keeps what it was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), ChatHandler)
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        self.asked = []


class ChatHandler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.asked.append((self.path, self.headers["Authorization"], json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
        body = json.dumps({
            "id": "1", "object": "chat.completion", "created": 1, "model": "chat",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": REPLY}}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture()
def chat():
    running = Chat()
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


@dataclasses.dataclass
class Run:
    """How a program ended, and the sections that it printed: passages with their scores."""

    status: int
    stdout: str
    stderr: str

    def passages(self, title: str) -> list[tuple[float, str]]:
        section = re.search(rf"^{title}\n((?:  .*\n?)+)", self.stdout, re.MULTILINE)
        assert section, self.stdout + self.stderr
        return [(float(score), text) for score, text in re.findall(r"^  (-?\d+\.\d{3})  (.+)$", section[1], re.MULTILINE)]


@pytest.fixture(scope="session")
def go_program(tmp_path_factory):
    program = tmp_path_factory.mktemp("go") / "rag"
    env = {**os.environ, "CGO_ENABLED": "0"}
    subprocess.run(["go", "vet", "."], cwd=EXAMPLES / "go", env=env, check=True)
    subprocess.run(["go", "build", "-o", program, "."], cwd=EXAMPLES / "go", env=env, check=True)
    return program


@pytest.fixture(params=["langchain", "llamaindex", "haystack", "go", "curl"])
def program(request):
    """The command of each example, and where it is run."""
    if request.param == "go":
        return [request.getfixturevalue("go_program")], EXAMPLES / "go"
    if request.param == "curl":
        return ["examples/curl/rag.sh"], ROOT
    return [sys.executable, f"examples/{request.param}/rag.py"], ROOT


@pytest.fixture()
def run(program, tmp_path):
    """Runs the program with settings of its own only, and fails where it reaches for anything but this machine."""
    def run(*arguments: str, **settings: str) -> Run:
        watched = tmp_path / "watched"
        watched.write_text("")
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8", "PYTHONPATH": str(WATCH), "WATCH_LOG": str(watched), **settings}
        done = subprocess.run([*program[0], *arguments], cwd=program[1], env=env, capture_output=True, text=True, timeout=TIMEOUT_S)
        reached = set(watched.read_text().splitlines())
        assert reached <= {"127.0.0.1"}, reached
        # A program in Python that was not seen reaching the server was not watched.
        assert reached or program[0][0] != sys.executable
        return Run(done.returncode, done.stdout, done.stderr)
    return run
