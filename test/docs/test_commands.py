"""Every command of the documents is run here, is run by another test, or is marked with what it needs.

A block of commands (```sh) that needs what a test does not have says so in a comment on the
line before it: <!-- needs Docker -->, or "a GPU", "a cluster", "the internet". Every other
command runs here, document by document and in their order, before a server with the default
configuration, or is named in ELSEWHERE with the file that runs it. A block of JSON that follows
a block at once is its answer. Of commands in sentences and tables, those of `bin/quadrate`, curl and jq
run, and make's targets and the scripts have to be there. What Helm is told is rendered.
"""

import json
import math
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import cohere
import openai
import pytest
from blocks import DOCUMENTS, ROOT, TRANSLATIONS, Block, blocks, commands, prose

from servers import MINILM, free_port, quadrate

# Commands that another file runs: the document, the command, the file, and what it says of it.
ELSEWHERE = [
    (r".*", r"make ", "Makefile", r"(?m)^help:"),  # and test_targets_are_there
    (r".*", r"(bin/)?quadrate-enginebench ", "cmd/enginebench/run_cgo_test.go", r'"-sweep"'),
    (r".*", r"scripts/benchmark\.sh", "test/scripts/test_benchmark.py", r"benchmark\.sh"),
    (r"docs/configuration\.md", r"quadrate -config /etc/", "test/clients/servers.py", r'"-config"'),
    (r"docs/releases\.md", r"", "test/release/test_release.py", r"docs/releases\.md"),
    (r"CONTRIBUTING\.md", r"npm run (check|format)", "scripts/test.sh", r"npm run --silent check && npm run --silent test"),
]
# The drills, by their headings; the sixth runs here, with fewer requests.
DRILLS = r"Drills|Drill [1-57-9]"
DRILLS_RUN_BY = ROOT / "test/k8s/test_docs.py"

# What a mark may say, and what a block that says it has to hold.
NEEDS = {"a GPU": r"cuda|--gpus", "a cluster": r"\b(kubectl|helm)\b", "Docker": r"\bdocker\b", "the internet": r"export_onnx\.sh [\w-]+/|MODEL"}

# What the commands do in earnest, in short: an answer that is an error fails, measuring ends soon
# (the last of an option's values holds), and the playground's server serves until it has answered.
PRELUDE = """set -euo pipefail
curl() { command curl --fail-with-body "$@"; }
quadrate-bench() { command quadrate-bench -url "$SERVER" "$@" -documents 4 -tokens 32 -duration 100ms -warmup 0 -rounds 1; }
bin/quadrate-bench() { quadrate-bench "$@"; }
npm() {
  setsid npm "$@" -- --port "$FREE_PORT" --strictPort &
  local answered=1
  for _ in $(seq 100); do
    if command curl -sf "localhost:$FREE_PORT/playground/" "localhost:$FREE_PORT/v1/models"; then answered=0 && break; fi
    sleep 0.2
  done
  kill -- "-$!"
  wait "$!" || return "$answered"
}
"""
SHORTER = [("-soak 200000", "-soak 200"), ("'word ' * 120", "'word ' * 12"), ("range(200)", "range(90)")]
SHOWN = {  # by what the block holds: where no JSON follows, and something is to be seen
    "range(30)": [r"quadrate_queue_seconds\{", r"\b200: [1-9]", r"\(429, 'queue_full'\): [1-9]"],
    "npm run dev": [r"<!doctype html>", r'"id": ?"sentence-transformers/all-MiniLM-L6-v2"'],
    "quadrate_(model_ready|": [r'"status":"ready"', r"quadrate_model_ready\{.*\} 1", r"quadrate_errors_total\{.*deadline_exceeded"],
    "jq -c": [r'"time":"20.*"status":504,"code":"deadline_exceeded".*"model":"sentence-transformers/all-MiniLM-L6-v2","error":"'],
    "key new": [r"- name: ", r"team-search-2027"],
}

ALL = [block for document in DOCUMENTS for block in blocks(document)]
# What translations say is what README.md says: test_translations.py.
SCRIPTS = [block for block in ALL if block.language == "sh" and block.document not in TRANSLATIONS]
RUN = [block for block in SCRIPTS if not block.mark and not re.match(DRILLS, block.heading)]


def elsewhere(document: str, command: str):
    """The file that runs the command, with what it says of it, or None."""
    found = [(file, word) for where, what, file, word in ELSEWHERE if re.fullmatch(where, document) and re.match(what, command)]
    return found[0] if found else None


def out_of_time(address):
    """Sends a request whose time is over when the model is asked. It goes out in one piece: a
    body that comes behind its header may be too late already, and such a request names no model."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(b'POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\nConnection: close\r\n'
                           b'X-Request-Timeout: 0.000001\r\n\r\n{"input": "a"}')
        assert connection.makefile("rb").readline().split()[1] == b"504"


@pytest.fixture(scope="session")
def default(tmp_path_factory):
    """The server as `make run` starts it, but for its port and its host."""
    log = tmp_path_factory.mktemp("default") / "server.log"
    env = {"PATH": os.environ["PATH"], "QUADRATE_SERVER_PORT": "0", "QUADRATE_SERVER_HOST": "127.0.0.1",
           "QUADRATE_SERVER_DRAIN_DELAY": "0s", "QUADRATE_LOG_FORMAT": "json"}
    with open(log, "w", encoding="utf-8") as out:
        process = subprocess.Popen(["bin/quadrate"], cwd=ROOT, env=env, stdout=out, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 60
    while not (ready := re.search(r'"msg":"ready".*"address":"([^"]+)"', log.read_text(encoding="utf-8"))):
        assert process.poll() is None and time.monotonic() < deadline, log.read_text(encoding="utf-8")
        time.sleep(0.05)
    out_of_time(ready[1])  # an error for those who look for errors
    yield ready[1], log
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0


@pytest.fixture(scope="session")
def other(tmp_path_factory):
    """A second server, which is compared with the first, and lets few texts wait."""
    model = {**MINILM, "aliases": ["default", "other/name"], "batcher": {"max_queued_items": 100}}
    server = quadrate(tmp_path_factory.mktemp("other"), [model])
    yield server.url.removeprefix("http://")
    server.stop()


@pytest.fixture(scope="module")
def clones(tmp_path_factory):
    """A folder for each document that looks like the repository, where commands may write."""
    made = {}

    def clone(document: str) -> pathlib.Path:
        if document not in made:
            made[document] = tmp_path_factory.mktemp("clone")
            for path in ROOT.iterdir():
                (made[document] / path.name).symlink_to(path)
        return made[document]

    return clone


@pytest.fixture
def shell(default, other, clones):
    address, log = default

    def run(document: str, script: str) -> str:
        folder = clones(document)
        if not (folder / "server.log").exists():
            (folder / "server.log").symlink_to(log)
        for long, short in [*SHORTER, ("localhost:8000", address), ("localhost:8080", other), ("127.0.0.1:18001", other)]:
            script = script.replace(long, short)
        host, port = address.rsplit(":", 1)
        env = {"PATH": f"{ROOT}/bin:{ROOT}/var/tools:{os.environ['PATH']}", "HOME": str(folder), "SERVER": f"http://{address}",
               "FREE_PORT": str(free_port()), "QUADRATE_SERVER_HOST": host, "QUADRATE_SERVER_PORT": port}
        done = subprocess.run(["bash", "-c", PRELUDE + script], cwd=folder, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{script}\nended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout

    return run


def same(told, got, at="$"):
    """Holds what a document shows against an answer: names and texts are equal, numbers nearly, ids have one form."""
    if isinstance(told, dict):
        assert isinstance(got, dict) and told.keys() == got.keys(), f"{at}: {told} is told, {got} answered"
        for key in told:
            same(told[key], got[key], f"{at}.{key}")
    elif isinstance(told, list):
        assert isinstance(got, list) and len(told) == len(got), f"{at}: {told} is told, {got} answered"
        for i, (a, b) in enumerate(zip(told, got)):
            same(a, b, f"{at}[{i}]")
    elif isinstance(told, float):
        assert math.isclose(told, got, rel_tol=1e-3, abs_tol=1e-3), f"{at}: {told} is told, {got} answered"
    elif at.endswith(".id"):
        assert re.sub(r"\w", "x", told) == re.sub(r"\w", "x", got), at
    else:
        assert told == got, f"{at}: {told!r} is told, {got!r} answered"


@pytest.mark.parametrize("block", RUN, ids=str)
def test_commands_run(block: Block, shell):
    here = [command for command in commands(block.text) if not elsewhere(block.document, command)]
    try:
        shown = shell(block.document, "\n".join(here)) if here else ""
    except AssertionError as failed:
        raise AssertionError(f"{block}: {failed}\nMend it, name the test that runs it in ELSEWHERE, or mark the block: {', '.join(NEEDS)}") from None
    if block.answer:
        same(json.loads(block.answer), json.loads(shown))
    for pattern in [pattern for part, patterns in SHOWN.items() if part in block.text for pattern in patterns]:
        assert re.search(pattern, shown), f"{block}: {pattern} is not in\n{shown}"


def test_releases_render(shell):
    """What `helm upgrade` is told where there is a cluster, Helm renders without one."""
    rendered = []
    for block in SCRIPTS:
        for command in commands(block.text) if block.mark == "needs a cluster" else []:
            local = re.sub(r"^helm upgrade (--install )?(\S+)", r"helm template --kube-version 1.37.0 \2", command).replace(" --reuse-values", "")
            if not local.startswith("kubectl "):
                rendered.append(shell(block.document, local))
    assert sum("kind: Deployment" in text for text in rendered) == 2
    assert "quadrate-auth" in rendered[-1]


@pytest.mark.parametrize("block", [block for block in ALL if block.language == "python"], ids=str)
def test_clients_run(block: Block, default):
    text = block.text.replace("localhost:8000", default[0])
    assert text != block.text
    for line in text.splitlines():
        answer = eval(line, {"openai": openai, "cohere": cohere})  # one expression a line, as the documents have them
        assert getattr(answer, "data", None) or answer.results


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_in_sentences_run(document, shell):
    named = re.findall(r"`((?:bin/)?quadrate (?:version|healthcheck|completion|key new|-check)[^`…]*|bin/quadrate -[^`…]*|(?:jq|curl) -[^`…]*)`", prose(document))
    for command in dict.fromkeys(named):
        if not re.search(r"\b[A-Z]{3,}\b", command):  # FILE, CLASS: to be filled in
            assert shell(document, command) or "healthcheck" in command


def test_targets_are_there():
    """Every make target and script that is named, wherever it is, marked or not."""
    text = "\n".join([*(prose(document) for document in DOCUMENTS), *(f"`{c}`" for block in SCRIPTS for c in commands(block.text))])
    targets = {target for named in re.findall(r"`make ([a-z0-9 -]+)", text) for target in named.split() if target != "alone"}
    assert len(targets) > 20
    done = subprocess.run(["make", "-n", *sorted(targets)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    paths = set(re.findall(r"[` =](?:\./)?((?:scripts|deploy|examples|configs)/[\w./-]*\w\.(?:sh|py|yaml|yml|example))\b", text))
    assert len(paths) > 20
    made = {"scripts/benchmark_result.json"}
    assert not [path for path in sorted(paths - made) if not (ROOT / path).exists()]


def test_what_is_run_elsewhere_is():
    for where, what, file, word in ELSEWHERE:
        assert re.search(word, (ROOT / file).read_text(encoding="utf-8")), f"{file} does not run {what}: it lacks {word}"
        assert [block for block in RUN for c in commands(block.text) if re.fullmatch(where, block.document) and re.match(what, c)], what
    assert "test_the_drills_show_what_they_say" in DRILLS_RUN_BY.read_text(encoding="utf-8")
    assert {block.document for block in SCRIPTS if re.match(DRILLS, block.heading)} == {"docs/runbook.md"}


@pytest.mark.parametrize("block", [block for block in ALL if block.mark], ids=str)
def test_marks_are_true(block: Block):
    for need in re.split(r" and ", block.mark.removeprefix("needs ")):
        assert need in NEEDS, f"{block}: a mark names {', '.join(NEEDS)}"
        assert re.search(NEEDS[need], block.text), f"{block} is marked as needing {need}, and nothing in it does"


def test_blocks_name_their_language():
    """A block of commands cannot hide: `sh` is run, and what is no code is `text`."""
    known = {"sh", "json", "yaml", "python", "text"}
    assert not [f"{block}: {block.language or 'no language'}" for block in ALL if block.language not in known]
