"""Starts the gateway as a process on this machine, and asks it as clients do."""

import concurrent.futures
import dataclasses
import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

from engine import ROOT, TEI, VLLM, until

PROGRAM = ROOT / "bin/quadrate-gateway"
MINILM = "sentence-transformers/all-MiniLM-L6-v2"
# Models of few weights, which start in less than a second.
SMALL, SMALLER, RERANKER = "played/bert-cls", "played/bert-mean", "played/xlmr-rerank"
# Takes MiniLM seconds; all are different, as equal ones are computed once.
LONG = [f"{i} is a number, and here is a text of some length. " + "And more. " * 80 for i in range(40)]
MODELS = f"{ROOT}/var/testmodels:/models:ro"
START_TIMEOUT_S = 20
STOP_TIMEOUT_S = 40

# As little waiting as the tests can do with.
QUICK = {"start_wait": "40s", "start_timeout": "30s", "min_residency": "0s", "drain_timeout": "10s", "stop_timeout": "3s",
         "check_interval": "1s", "idle_ttl": "0s", "pull": "never"}


def managed(name: str, model: str, kind: str = "tei", env: dict | None = None, upstream: dict | None = None, **more) -> dict:
    """An upstream that is a container; more are keys of managed, upstream those beside it."""
    image = {"image": {"tei": TEI, "vllm": VLLM}[kind], "model": model, "volumes": [MODELS],
             "env": [{"name": key, "value": str(value)} for key, value in (env or {}).items()]}
    return {"name": name, "type": kind, "managed": {**QUICK, **image, **more}, **(upstream or {})}


def route(name: str, *tasks: str, upstream: str = "", model: str = "", **more) -> dict:
    return {"name": name, "upstream": upstream or name, "tasks": list(tasks) or ["embed"], **({"upstream_model": model} if model else {}), **more}


def routing(*upstreams: dict, routes=None, **containers) -> dict:
    """A routing.yaml; without routes each upstream is one, by its name."""
    if routes is None:
        routes = [route(u["name"], model=u["managed"]["model"]) for u in upstreams]
    return {"upstreams": list(upstreams), "models": routes, "containers": containers}


@dataclasses.dataclass
class Answer:
    status: int
    body: dict
    headers: dict
    seconds: float
    at: float

    @property
    def error(self) -> dict:
        return self.body.get("error", {})

    @property
    def vector(self) -> list[float]:
        return self.body["data"][0]["embedding"]

    def __str__(self) -> str:
        said = "answered" if self.status == 200 else json.dumps(self.error)
        return f"{self.status} after {self.seconds:.2f} s: {said}"


def ask(url: str, body: dict | None = None, key: str = "", timeout: float = 90, **headers: str) -> Answer:
    """Sends a GET, or a POST of body; headers have _ for -."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if key:
        sent["Authorization"] = f"Bearer {key}"
    if body is not None:
        sent["Content-Type"] = "application/json"
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), sent)
    begun = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=timeout) as got:
            status, text, fields = got.status, got.read(), dict(got.headers)
    except urllib.error.HTTPError as error:
        status, text, fields = error.code, error.read(), dict(error.headers)
    now = time.monotonic()
    parsed = json.loads(text) if "json" in fields.get("Content-Type", "") else {"text": text.decode()}
    return Answer(status, parsed, fields, now - begun, now)


class Gateway:
    """bin/quadrate-gateway with a configuration in a folder; instance tells its containers."""

    def __init__(self, folder, instance: str, config: dict, env: dict | None = None, **server):
        self.folder, self.instance = folder, config.get("containers", {}).get("instance", instance)
        self.key, hashed = new_key()
        self.write(config)
        (folder / "auth.yaml").write_text(json.dumps({"keys": [{"name": "admin", "hash": hashed, "models": ["*"], "admin": True}]}))
        files = {name: str(folder / f"{name}.yaml") for name in ("routing", "auth")} | {"rate_limits": ""}
        (folder / "server.yaml").write_text(json.dumps({
            "log": {"format": "json", "level": "debug"}, "models": [], "files": files,
            "server": {"host": "127.0.0.1", "port": 0, "drain_delay": "0s", "request_timeout": "60s", "shutdown_timeout": "20s", **server}}))
        self.env = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "DOCKER_HOST")} | (env or {})
        self.log: list[str] = []
        self.start()

    def write(self, config: dict) -> None:
        containers = {"instance": self.instance, **config.get("containers", {})}
        (self.folder / "routing.tmp").write_text(json.dumps({**config, "containers": containers}))
        (self.folder / "routing.tmp").rename(self.folder / "routing.yaml")

    def start(self) -> "Gateway":
        self.process = subprocess.Popen([PROGRAM, "-config", self.folder / "server.yaml"], cwd=self.folder, env=self.env,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        begun = len(self.log)
        self.reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self.reader.start()
        ready = until(lambda: self.said("ready", begun) or self.process.poll() is not None, START_TIMEOUT_S, "the gateway is ready")
        assert self.process.poll() is None, "the gateway did not start:\n" + "\n".join(self.log[begun:])
        self.url = "http://" + ready[0]["address"]
        return self

    def _read(self, pipe) -> None:
        with open(self.folder / "gateway.log", "a", encoding="utf-8") as file:
            for line in pipe:
                self.log.append(line.rstrip())
                file.write(line)

    def said(self, message: str, begun: int = 0) -> list[dict]:
        """The log's events of a message."""
        events = [json.loads(line) for line in self.log[begun:] if line.startswith("{")]
        return [e for e in events if e.get("msg") == message]

    def stop(self, status: int = 0) -> float:
        """Stops it as an operator does, and returns how long that took; status is what it has to end with."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=STOP_TIMEOUT_S) == status
        return time.monotonic() - begun

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def ask(self, path: str, body: dict | None = None, **how) -> Answer:
        return ask(self.url + path, body, **how)

    def embed(self, model: str, *texts: str, **how) -> Answer:
        return self.ask("/v1/embeddings", {"model": model, "input": list(texts) or ["hello"]}, **how)

    def rerank(self, model: str, query: str, documents: list[str], **how) -> Answer:
        return self.ask("/v1/rerank", {"model": model, "query": query, "documents": documents}, **how)

    def all(self, calls) -> list[Answer]:
        """What calls, functions of the gateway, get when all are made at once."""
        with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
            return [f.result() for f in [pool.submit(call) for call in calls]]

    def admin(self, path: str, body: dict | None = None, **how) -> Answer:
        return self.ask("/admin" + path, body, key=self.key, **how)

    def load(self, model: str) -> Answer:
        return self.admin(f"/models/{model}/load", {})

    def unload(self, model: str) -> Answer:
        return self.admin(f"/models/{model}/unload", {})

    def reload(self, config: dict) -> Answer:
        self.write(config)
        return self.admin("/reload", {})

    def container(self, model: str) -> dict:
        """What an admin sees of a model's container."""
        listed = self.admin("/models").body["models"]
        return next(m["container"] for m in listed if m["name"] == model)

    def state(self, model: str) -> str:
        """What everybody sees of a model."""
        return next(m["state"] for m in self.ask("/v1/models").body["data"] if m["id"] == model)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's values that have these labels."""
        total = 0.0
        for line in self.ask("/metrics").body["text"].splitlines():
            if (found := re.fullmatch(r"quadrate_container_(\w+?)(?:\{(.*)\})? (\S+)", line)) and found[1] == name:
                has = dict(re.findall(r'(\w+)="([^"]*)"', found[2] or ""))
                total += float(found[3]) if labels.items() <= has.items() else 0
        return total


def new_key() -> tuple[str, str]:
    """An admin's key and its hash."""
    printed = subprocess.run([PROGRAM, "key", "new", "-admin"], check=True, capture_output=True, text=True).stdout
    return printed.splitlines()[0], re.search(r"hash: (\S+)", printed)[1]
