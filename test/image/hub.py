"""A stand-in for the hub in a container's network: what a download asks for, as slow as a test wants."""

import hashlib
import json
import pathlib
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CHUNK = 1 << 14


class Hub:
    """Serves the folders of models by their names. pause: seconds before each chunk of a file."""

    def __init__(self, host: str, models: dict[str, pathlib.Path]):
        self.models, self.pause, self.seen = models, 0.0, []
        hub = self

        class Handler(_Handler):
            served = hub

        self._server = ThreadingHTTPServer((host, 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://{host}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def downloads(self, name: str) -> int:
        """How often a file was sent to its end."""
        return self.seen.count(name)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    served: Hub

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = self.path.split("?")[0]
        for name, folder in self.served.models.items():
            if path.startswith(tuple(f"/api/models/{name}/{kind}/{COMMIT}" for kind in ("tree", "paths-info"))):
                return self._json(_entries(folder))
            if path in (f"/api/models/{name}", f"/api/models/{name}/revision/main", f"/api/models/{name}/revision/{COMMIT}"):
                return self._json({"id": name, "sha": COMMIT, "private": False, "siblings": [{"rfilename": one["path"]} for one in _entries(folder)]})
            if path.startswith(f"/{name}/resolve/{COMMIT}/"):
                return self._file(folder / path.removeprefix(f"/{name}/resolve/{COMMIT}/"))
            if path.startswith((f"/api/models/{name}/", f"/{name}/resolve/")):
                return self._answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        self._answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def _json(self, content) -> None:
        self._answer(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _file(self, file: pathlib.Path) -> None:
        if not file.is_file():
            return self._answer(404, b"{}", {"X-Error-Code": "EntryNotFound"})
        data = file.read_bytes()
        start = int(re.sub(r"bytes=(\d+)-.*", r"\1", self.headers.get("Range", "bytes=0-")))
        headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": COMMIT}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self._answer(206 if start else 200, data[start:], headers)
        if self.command == "GET":
            self.served.seen.append(file.name)

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        try:
            self._send(status, body, headers)
        except ConnectionError:
            pass  # a container that was stopped

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        for start in range(0, len(body) if self.command == "GET" else 0, CHUNK):
            time.sleep(self.served.pause)
            self.wfile.write(body[start : start + CHUNK])

    def log_message(self, *_):
        pass


def _entries(folder: pathlib.Path) -> list[dict]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [
        {"type": "file", "path": path.relative_to(folder).as_posix(), "size": path.stat().st_size,
         "oid": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in files
    ]
