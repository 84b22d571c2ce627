"""The live server against its own OpenAPI document: schemathesis makes up requests by it, and
checks every answer's status, content type, headers and body, that none is a server error, that
methods which a route does not have are refused with those it has, and that admins' routes want a key.

Requests are the same in each run. With SCHEMATHESIS_ARGS others are made: "--seed 7 --max-examples
500" for one.
"""

import os
import pathlib
import shlex
import subprocess
import sys

import pytest

from servers import MINILM, QUADRATE, ROOT, Fake, http, quadrate, route, upstream

HERE = pathlib.Path(__file__).resolve().parent
CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance", "response_schema_conformance",
          "unsupported_method", "ignored_auth"]
# To load a model takes seconds, and one that was unloaded is answered with 503 from then on.
# api's tests hold these routes against the document.
EXCLUDED = "/(load|unload)$"
TIMEOUT_S = 900


@pytest.fixture(scope="module")
def key():
    """An admin's key, and auth.yaml."""
    printed = subprocess.run([QUADRATE, "key", "new", "-name", "admin", "-admin"], check=True, capture_output=True, text=True).stdout
    return printed.splitlines()[0], "anonymous: {enabled: false}\nkeys:\n" + printed[printed.index("  - name:"):]


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Players of TEI, one for each task."""
    folder = tmp_path_factory.mktemp("played")
    program = folder / "serve"
    subprocess.run(["go", "build", "-o", program, "./proxy/upstreamtest/serve"], cwd=ROOT, check=True, env={**os.environ, "CGO_ENABLED": "0"})
    options = {"embed": [], "rerank": [], "classify": ["-labels", "good,bad"]}
    fakes = {task: Fake(program, folder / task, "tei", "-task", task, *more) for task, more in options.items()}
    yield fakes
    for fake in fakes.values():
        fake.server.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory, key, played):
    """A server with models of its own and an upstream's for every task."""
    models = ROOT / "var/testmodels"
    running = quadrate(tmp_path_factory.mktemp("server"), [
        MINILM,
        {"name": "BAAI/bge-reranker-v2-m3", "path": str(models / "xlmr-rerank"), "tasks": ["rerank"]},
        {"name": "sentiment", "path": str(models / "bert-classify"), "tasks": ["classify"]},
        {"name": "tokens", "path": str(models / "bert-mean"), "tasks": ["embed"]},
    ], auth=key[1], routing={
        "upstreams": [upstream(task, "tei", fake.url) for task, fake in played.items()],
        "models": [route(f"routed/{task}", task, task) for task in played],
    })
    yield running
    running.stop()


def test_server_keeps_to_its_document(server, key, tmp_path):
    command = [
        pathlib.Path(sys.executable).parent / "st", "run", server.url + "/openapi.json",
        "--header", f"Authorization: Bearer {key[0]}",
        "--checks", ",".join(CHECKS), "--exclude-path-regex", EXCLUDED,
        "--phases", "examples,coverage,fuzzing", "--warnings", "off",
        "--output-sanitize", "false", "--no-color", "--continue-on-failure",
        *shlex.split(os.environ.get("SCHEMATHESIS_ARGS", "--max-examples 25 --generation-deterministic")),
    ]
    env = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE), "DO_NOT_TRACK": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=TIMEOUT_S)
    print(done.stdout[-20000:], done.stderr[-5000:])
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-5000:]
    assert http.get(server.url + "/health/ready").status_code == 200
