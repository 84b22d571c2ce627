"""pull-ollama-models.sh, against a stand-in for Ollama that is asked by the real curl."""

import itertools
import json
import os
import pathlib
import signal
import threading
import time

import pytest
from conftest import TIMEOUT_S, closed_port

SCRIPT = "pull-ollama-models.sh"
NEW = "qwen3-embedding:0.6b"


class Ollama:
    """Ollama's two routes that matter here: show, which says what is there, and pull."""

    def __init__(self, web, *present):
        self.web, self.present, self.key = web, set(present), None
        self.pulls = {}  # lines in place of those of a pull that succeeds
        self.capabilities = ["embedding"]
        self.waiting = threading.Event()
        web.answer = self.answer

    def answer(self, method, path, body):
        if self.key and self.web.headers[-1].get("Authorization") != f"Bearer {self.key}":
            return 401, ['{"error":"unauthorized"}']
        model = json.loads(body)["model"] if body else ""
        if (method, path) == ("POST", "/api/show"):
            if model in self.present:
                return 200, [json.dumps({"details": {}, "capabilities": self.capabilities})]
            return 404, [json.dumps({"error": f"model '{model}' not found"})]
        if (method, path) == ("POST", "/api/pull"):
            return 200, self.pulling(model)
        return 404, ["404 page not found"]

    def pulling(self, model):
        yield '{"status":"pulling manifest"}\n'
        yield '{"status":"pulling 970aa74c0a90","digest":"sha256:970aa74c0a90","total":1000,"completed":10}\n'
        self.waiting.set()
        if model in self.pulls:
            yield from self.pulls[model]
            return
        self.present.add(model)
        yield '{"status":"verifying sha256 digest"}\n{"status":"success"}\n'

    def pulled(self):
        return [json.loads(body)["model"] for _, path, body in self.web.seen if path == "/api/pull"]


@pytest.fixture
def ollama(web):
    return Ollama(web, "bge-m3")


def test_pulls_what_is_absent_once(bench, ollama):
    result = bench.run(SCRIPT, "--url", ollama.web.url + "/", "bge-m3", NEW)
    assert result.returncode == 0, result.stderr
    assert f"bge-m3: there, at {ollama.web.url}" in result.stdout and f"{NEW}: pulled" in result.stdout
    assert ollama.pulled() == [NEW]
    again = bench.run(SCRIPT, "--url", ollama.web.url, "bge-m3", NEW)
    assert again.returncode == 0 and ollama.pulled() == [NEW]


def test_a_dry_run_pulls_nothing(bench, ollama):
    result = bench.run(SCRIPT, "--dry-run", f"--url={ollama.web.url}", "bge-m3", NEW)
    assert result.returncode == 0
    assert result.stdout.splitlines() == [f"bge-m3: there, at {ollama.web.url}", f"would pull {NEW} into {ollama.web.url}"]
    assert ollama.pulled() == []


def test_a_server_that_does_not_answer_is_named(bench):
    url = f"http://127.0.0.1:{closed_port()}"
    result = bench.run(SCRIPT, "bge-m3", OLLAMA_BASE_URL=url)
    assert result.returncode == 1
    assert f"Ollama does not answer at {url}" in result.stderr and "ollama serve" in result.stderr
    assert "1 of 1 models are not there" in result.stderr
    dry = bench.run(SCRIPT, "--dry-run", "bge-m3", OLLAMA_BASE_URL=url)
    assert dry.returncode == 0 and "would pull bge-m3" in dry.stdout and "does not answer" in dry.stdout


def test_a_server_of_another_kind_is_named(bench, web):
    web.answer = lambda *_: (404, ["Not Found"])
    result = bench.run(SCRIPT, "--url", web.url, "bge-m3")
    assert result.returncode == 1 and f"what answers at {web.url} is no Ollama" in result.stderr


@pytest.mark.parametrize(("lines", "reason"), [
    (['{"error":"pull model manifest: file does not exist"}\n'], "pull model manifest: file does not exist"),
    (['{"error":"Get \\"https://registry/v2\\": dial tcp: no such host"}\n'], "no such host"),
    ([], "ended after"),
])
def test_a_pull_that_fails_is_named_and_the_rest_go_on(bench, ollama, lines, reason):
    ollama.pulls["missing"] = lines
    result = bench.run(SCRIPT, "--url", ollama.web.url, "missing", NEW)
    assert result.returncode == 1
    assert "missing could not be pulled" in result.stderr and reason in result.stderr
    assert "1 of 2 models are not there" in result.stderr and f"{NEW}: pulled" in result.stdout


def test_a_pull_that_stalls_is_given_up(bench, ollama):
    done = threading.Event()

    def silence():
        done.wait(TIMEOUT_S)
        yield ""

    ollama.pulls[NEW] = silence()
    result = bench.run(SCRIPT, "--stall", "1", "--url", ollama.web.url, NEW)
    done.set()
    assert result.returncode == 1 and "nothing came for 1 s" in result.stderr


def test_ctrl_c_ends_the_pull(bench, ollama):
    done = threading.Event()

    def silence():
        done.wait(TIMEOUT_S)
        yield ""

    ollama.pulls[NEW] = silence()
    process = bench.start(SCRIPT, "--url", ollama.web.url, NEW)
    assert ollama.waiting.wait(TIMEOUT_S)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=TIMEOUT_S)
    done.set()
    assert process.returncode in (130, -signal.SIGINT) and "interrupted; Ollama keeps what came" in err, err


def lines_without_end(over, many):
    """More than a shell reads in time; many is set when it has some to read."""
    for number in itertools.count():
        if number == 200:
            many.set()
        if over.is_set():
            return
        yield '{"status":"pulling 970aa74c0a90","total":1000,"completed":10}\n'


def test_ctrl_c_while_lines_come_is_no_failure_after_which_the_next_is_pulled(bench, ollama):
    over = threading.Event()
    for _ in range(5):
        many = threading.Event()
        ollama.pulls["first"] = lines_without_end(over, many)
        process = bench.start(SCRIPT, "--url", ollama.web.url, "first", "second")
        assert many.wait(TIMEOUT_S)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode in (130, -signal.SIGINT) and "interrupted" in err, err
        assert "second" not in out
    over.set()


def calls_of(url):
    """The processes that talk with a server by curl."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended
        if words[0] == b"curl" and url.encode() + b"/api/pull" in words:
            found.append(process.name)
    return found


def test_who_ends_the_script_ends_the_pull(bench, ollama):
    """By a signal to it alone, as service managers send it."""
    over = threading.Event()

    def silence():
        over.wait(2 * TIMEOUT_S)
        yield ""

    ollama.pulls[NEW] = silence()
    process = bench.start(SCRIPT, "--url", ollama.web.url, NEW)
    assert ollama.waiting.wait(TIMEOUT_S) and calls_of(ollama.web.url)
    process.terminate()
    assert process.wait(timeout=TIMEOUT_S) in (143, -signal.SIGTERM)
    until = time.monotonic() + TIMEOUT_S
    while left := calls_of(ollama.web.url):
        assert time.monotonic() < until, left
        time.sleep(0.02)
    over.set()
    process.communicate()


@pytest.mark.parametrize("model", ["two words", 'quo"te', "new\nline", ""])
def test_what_is_no_name_is_refused(bench, ollama, model):
    result = bench.run(SCRIPT, "--url", ollama.web.url, model)
    assert result.returncode != 0 and "is no name of a model" in result.stderr
    assert ollama.web.seen == []


def test_a_model_that_does_not_embed_is_told(bench, ollama):
    ollama.capabilities = ["completion"]
    result = bench.run(SCRIPT, "--url", ollama.web.url, "bge-m3")
    assert result.returncode == 0 and "bge-m3 does not say that it is an embedding model" in result.stderr


def routing(bench, web, name="routing.yaml", more=""):
    path = bench.folder / name
    path.write_text(f"""
upstreams:
  - {{name: ollama, type: ollama, urls: ["{web.url}/v1"], api_key: "${{OLLAMA_KEY}}"}}
  - {{name: tei, type: tei, urls: [http://tei]}}
models:
  - {{name: embeddings, upstream: ollama, upstream_model: "{NEW}"}}
  - {{name: bge-m3, upstream: tei, fallback: [ollama]}}
  - {{name: "nomic-*", upstream: ollama}}
  - {{name: off, upstream: ollama, enabled: false}}
  - {{name: other, upstream: tei}}
{more}""")
    return path


def test_routing_says_which_models_where_and_with_which_key(bench, ollama):
    ollama.key = 'sk-\\1"'
    result = bench.run(SCRIPT, "--routing", routing(bench, ollama.web, "my routing.yaml"), OLLAMA_KEY=ollama.key)
    assert result.returncode == 0, result.stderr
    assert ollama.pulled() == [NEW] and "bge-m3: there" in result.stdout
    assert "nomic-*" in result.stderr and "is a pattern" in result.stderr
    assert "off" not in result.stdout and "other" not in result.stdout


def test_variables_are_read_as_the_server_reads_them(bench, ollama):
    """In addresses, too; $${ stands for ${ itself, and a key's file may end with a line break."""
    ollama.key = "sk-${x}"
    (bench.folder / "key").write_text("sk-${x}\r\n")
    path = routing(bench, ollama.web)
    for key in ("sk-$${x}", "file:${FILE}"):
        path.write_text(f"""
upstreams:
  - {{name: ollama, type: ollama, urls: ["http://${{OLLAMA_ADDRESS}}"], api_key: "{key}"}}
models: [{{name: bge-m3, upstream: ollama}}]
""")
        result = bench.run(SCRIPT, "--routing", path, OLLAMA_ADDRESS=ollama.web.address, FILE="key")
        assert result.returncode == 0 and "bge-m3: there" in result.stdout, result.stderr
    result = bench.run(SCRIPT, "--routing", path, FILE="key")
    assert result.returncode == 1 and "urls of upstream ollama needs the environment variable OLLAMA_ADDRESS" in result.stderr


def test_the_key_is_on_no_command_line(bench, ollama):
    ollama.key = "sk-1"
    (bench.commands / "curl").write_text('#!/bin/sh\necho "$@" >>"$0.log"\nexec /usr/bin/curl "$@"\n')
    (bench.commands / "curl").chmod(0o755)
    result = bench.run(SCRIPT, "--routing", routing(bench, ollama.web), OLLAMA_KEY="sk-1")
    assert result.returncode == 0
    log = (bench.commands / "curl.log").read_text()
    assert "/api/pull" in log and "sk-1" not in log


def test_a_refused_key_is_told(bench, ollama):
    ollama.key = "right"
    result = bench.run(SCRIPT, "--routing", routing(bench, ollama.web), OLLAMA_KEY="wrong")
    assert result.returncode == 1 and "refused us (401)" in result.stderr


def test_a_key_that_is_not_set_is_told(bench, ollama):
    result = bench.run(SCRIPT, "--routing", routing(bench, ollama.web))
    assert result.returncode == 1 and "environment variable OLLAMA_KEY, which is not set" in result.stderr
    assert ollama.web.seen == []


def test_the_servers_own_file_is_read_by_default(bench, ollama):
    (bench.folder / "configs").mkdir()
    routing(bench, ollama.web, "configs/routing.yaml")
    result = bench.run(SCRIPT, OLLAMA_KEY="")
    assert result.returncode == 0 and ollama.pulled() == [NEW]


def test_the_environment_wins_and_a_dot_env_file_counts(bench, ollama):
    (bench.folder / ".env").write_text(f"# comment\nexport OLLAMA_MODELS='one, two'\nOLLAMA_BASE_URL={ollama.web.url} # here\n")
    empty = bench.folder / "empty.yaml"
    empty.write_text("")
    result = bench.run(SCRIPT, "--routing", empty)
    assert result.returncode == 0, result.stderr
    assert ollama.pulled() == ["one", "two"]
    bench.run(SCRIPT, "--routing", empty, OLLAMA_MODELS="three")
    assert ollama.pulled() == ["one", "two", "three"]


def test_nothing_to_pull_is_no_failure(bench):
    empty = bench.folder / "empty.yaml"
    empty.write_text("")
    result = bench.run(SCRIPT, "--routing", empty)
    assert result.returncode == 0 and "nothing to pull" in result.stdout


@pytest.mark.parametrize(("text", "words"), [("a: [", "routing.yaml: "), ("- a", "is no mapping"), ("models: 3", "is no list of entries")])
def test_a_file_that_cannot_be_read_is_told_in_a_line(bench, text, words):
    (bench.folder / "routing.yaml").write_text(text)
    result = bench.run(SCRIPT, "--routing", "routing.yaml")
    assert result.returncode == 1 and words in result.stderr and result.stderr.count("\n") == 1
    absent = bench.run(SCRIPT, "--routing", "none.yaml")
    assert absent.returncode == 1 and absent.stderr == "pull-ollama-models: error: there is no none.yaml\n"


def test_a_missing_command_is_named(bench):
    bench.without("curl")
    result = bench.run(SCRIPT, "bge-m3")
    assert result.returncode == 1 and "there is no command 'curl' here" in result.stderr


def test_url_is_for_named_models(bench):
    result = bench.run(SCRIPT, "--url", "http://localhost:1")
    assert result.returncode == 2 and "--url is for MODELs that are named" in result.stderr
