"""A registry of images that has one image, of one program without libraries, and is slow on request."""

import contextlib
import hashlib
import http.server
import io
import json
import os
import pathlib
import tarfile
import threading
import time

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Registry:
    """Serves the image at reference; seconds is how long a pull of its layer takes."""

    def __init__(self, program: pathlib.Path, seconds: float):
        layer = tarred({"serve": program.read_bytes(), "noise": os.urandom(4 << 20)})
        config = json.dumps({
            "architecture": "amd64" if os.uname().machine == "x86_64" else "arm64", "os": "linux",
            "config": {"Entrypoint": ["/serve"], "User": "10001:10001"}, "rootfs": {"type": "layers", "diff_ids": [digest(layer)]}}).encode()
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(config), "digest": digest(config)},
            "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": len(layer), "digest": digest(layer)}]}).encode()
        self.blobs = {digest(config): config, digest(layer): layer}
        self.seconds, self.layer = seconds, digest(layer)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        self.reference = f"{self.address}/played/tei:1"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def handler(self) -> type:
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.rsplit("/", 1)[-1]
                if self.path == "/v2/":
                    self.answer("application/json", b"{}")
                elif "/manifests/" in self.path and name in ("1", digest(registry.manifest)):
                    self.answer(MANIFEST, registry.manifest)
                elif name in registry.blobs:
                    self.answer("application/octet-stream", registry.blobs[name], registry.seconds if name == registry.layer else 0)
                else:
                    self.answer("application/json", b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}', status=404)

            do_HEAD = do_GET

            def answer(self, kind: str, content: bytes, seconds: float = 0, status: int = 200):
                self.send_response(status)
                for field, value in (("Content-Type", kind), ("Content-Length", str(len(content))), ("Docker-Content-Digest", digest(content))):
                    self.send_header(field, value)
                self.end_headers()
                pieces = 20 if seconds else 1
                size = len(content) // pieces + 1
                with contextlib.suppress(ConnectionError):  # of a pull that is given up
                    for at in range(0, len(content) if self.command == "GET" else 0, size):
                        self.wfile.write(content[at:at + size])
                        time.sleep(seconds / pieces)

            def log_message(self, *_):
                pass

        return Handler


def tarred(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()
