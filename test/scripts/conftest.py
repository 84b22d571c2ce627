"""Runs the scripts as an operator would, with stand-ins for what is not on this machine.

Commands (docker, apt-get, systemctl and so on) are played by programs on PATH, whose state is a file
that the tests read and write; HTTP servers are real ones on loopback, asked by the real curl.
"""

import http.server
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SCRIPTS = ROOT / "scripts"
TIMEOUT_S = 30
SYSTEM_PATH = ("/usr/bin", "/bin")


class Bench:
    """A working folder with a blank in its name, a folder of stand-ins on PATH, and the scripts."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder / "a folder"
        self.commands = folder / "commands"
        for made in (self.folder, self.commands):
            made.mkdir()
        self.path = [str(self.commands), *SYSTEM_PATH]
        self.env = {"HOME": str(folder), "LANG": "C.UTF-8", "QUADRATE_PYTHON": sys.executable}

    def fake(self, player: str, *names: str) -> "Played":
        """Has a program of this folder play commands; it finds its state in the variable PLAYED_<player>."""
        state = self.commands / f"{player}.json"
        for name in names:
            (self.commands / name).write_text(f'#!/bin/sh\nPLAYED="{state}" exec "{sys.executable}" -S "{HERE / player}.py" "{name}" "$@"\n')
            (self.commands / name).chmod(0o755)
        return Played(state)

    def without(self, *names: str) -> None:
        """Takes commands off PATH: what is left of the system's is linked into one folder."""
        kept = pathlib.Path(tempfile.mkdtemp(prefix="kept-", dir=self.commands.parent))
        for folder in SYSTEM_PATH:
            for file in pathlib.Path(folder).iterdir():
                if file.name not in names and not (kept / file.name).exists():
                    (kept / file.name).symlink_to(file)
        self.path = [str(self.commands), str(kept)]

    def start(self, script: str, *arguments, **env) -> subprocess.Popen:
        """Starts a script in a process group of its own, as a terminal does. Where the tests run in the
        background SIGINT is ignored, and a shell could not trap what it was told to ignore."""
        return subprocess.Popen(
            [SCRIPTS / script, *map(str, arguments)], cwd=self.folder, text=True, start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            env={"PATH": ":".join(self.path), **self.env, **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def line(self, process: subprocess.Popen, words: str) -> None:
        """Reads what a script says up to a line with these words; a script that does not say them is ended."""
        timer = threading.Timer(TIMEOUT_S, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        seen = []
        for line in process.stdout:
            seen.append(line)
            if words in line:
                break
        timer.cancel()
        assert seen and words in seen[-1], "".join(seen)

    def run(self, script: str, *arguments, **env) -> subprocess.CompletedProcess:
        process = self.start(script, *arguments, **env)
        try:
            out, err = process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


class Played:
    """The state of a stand-in: what it is to do, and the calls that it has had."""

    def __init__(self, path: pathlib.Path):
        self._path = path
        self.set()

    def get(self) -> dict:
        return json.loads(self._path.read_text()) if self._path.exists() else {}

    def set(self, **values) -> "Played":
        self._path.write_text(json.dumps(self.get() | values))
        return self

    def calls(self, *beginning: str) -> list[list[str]]:
        """The calls so far whose words begin so."""
        log = self._path.with_suffix(".calls")
        calls = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return [call for call in calls if call[: len(beginning)] == list(beginning)]

    def forget(self) -> None:
        self._path.with_suffix(".calls").unlink(missing_ok=True)


class Web:
    """An HTTP server on loopback; answer(method, path, body) gives (status, chunks of the body)."""

    def __init__(self):
        self.seen: list[tuple[str, str, str]] = []
        self.headers: list[dict] = []
        self.answer = lambda method, path, body: (404, ["{}"])
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                web.seen.append((self.command, self.path, body))
                web.headers.append(dict(self.headers))
                status, chunks = web.answer(self.command, self.path, body)
                self.send_response(status)
                self.end_headers()
                try:
                    for chunk in chunks:
                        self.wfile.write(chunk.encode())
                        self.wfile.flush()
                except OSError:
                    pass

            do_POST = do_GET

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.address}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.fixture
def web():
    server = Web()
    yield server
    server.close()


def closed_port() -> int:
    """A port on loopback where nothing listens."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
