"""The command line and the hub, with a stand-in for the hub on this machine."""

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from quadrate_export import source
from small_models import TESTDATA

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODEL = TESTDATA / "models" / "bert-mean"


def run(*arguments, cwd=None, script=False, **environment):
    """Runs the exporter in a clean environment, as the script or as the module."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LD_LIBRARY_PATH") if key in os.environ}
    command = [str(SCRIPTS / "export_onnx.sh")] if script else [sys.executable, "-m", "quadrate_export"]
    return subprocess.run(
        [*command, *map(str, arguments)],
        env=kept | {"PYTHONPATH": str(SCRIPTS), "QUADRATE_PYTHON": sys.executable} | environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_help_shows_examples():
    result = run("--help", script=True)
    assert result.returncode == 0
    words = ("examples:", "BAAI/bge-reranker-v2-m3", "--variant", "--random", "QUADRATE_MODELS_DIR")
    for word in (*words, "packed", "trt", "--outputs", "all "):
        assert word in result.stdout


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "MODEL"),
        (["a", "--random", "b"], "MODEL"),
        (["a", "--variant", "fp8"], "fp8"),
        (["a", "--variant", ","], "choose from"),
        (["a", "--outputs", "words"], "words"),
        (["a", "--pooling", "best"], "best"),
        (["a", "--max-length", "many"], "many"),
        (["a", "--tokenizer", "b"], "--tokenizer"),
        (["a", "--name", "x/y"], "--name"),
        (["a", "--seed", "-1"], "--seed"),
        (["a", "--nonsense"], "--nonsense"),
        (["--random", "a", "--revision", "b"], "--revision"),
    ],
)
def test_wrong_usage_exits_2(arguments, word):
    result = run(*arguments)
    assert result.returncode == 2
    assert word in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize("model", ["./nothing", "/nothing/here", "~/nothing", "a/b/c", "a b"])
def test_failures_are_one_line_and_exit_1(tmp_path, model):
    result = run(model, cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1 and "there is no directory" in result.stderr
    assert "Traceback" in run(model, "--debug", cwd=tmp_path).stderr


def test_a_missing_python_is_explained(tmp_path):
    result = run("--help", script=True, QUADRATE_PYTHON=str(tmp_path / "python"))
    assert result.returncode == 1 and "make setup" in result.stderr


def test_export_below_the_models_folder(tmp_path):
    settings = {"QUADRATE_MODELS_DIR": str(tmp_path / "models")}
    result = run(MODEL, "--variant", "fp32,int8", cwd=tmp_path, script=True, **settings)
    assert result.returncode == 0, result.stderr
    assert list(read(tmp_path / "models/bert-mean")["variants"]) == ["fp32", "int8"]
    again = run(MODEL, "--variant", "fp32", "--variant", "int8", cwd=tmp_path, **settings)
    assert again.returncode == 0 and "nothing to do" in again.stdout


def test_all_variants_and_the_states_of_tokens(tmp_path):
    out = tmp_path / "out"
    first = run(MODEL, "--variant", "all", "--outputs", "tokens", "--out", out)
    assert first.returncode == 0, first.stderr
    content = read(out)
    assert list(content["variants"]) == ["fp32", "fp16", "int8", "packed", "trt"]
    assert all("tokens" in entry for entry in content["variants"].values())
    again = run(MODEL, "--variant", "all", "--outputs", "tokens", "--out", out)
    assert again.returncode == 0 and "nothing to do" in again.stdout and "trt tokens" in again.stdout


def test_a_cross_encoder_has_no_states_to_serve(tmp_path):
    result = run(TESTDATA / "models/xlmr-rerank", "--outputs", "tokens", "--out", tmp_path / "out")
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert "xlmr-rerank is a cross-encoder" in result.stderr and not (tmp_path / "out").exists()


def test_the_default_folder_is_the_repositorys_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.delenv("QUADRATE_MODELS_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    assert source.default_folder("team/small") == SCRIPTS.parent / "var/models/small"


def test_another_models_export_is_not_replaced(tmp_path):
    assert run(MODEL, "--out", tmp_path / "out").returncode == 0
    other = run(MODEL, "--out", tmp_path / "out", "--source", "team/other")
    assert other.returncode == 1
    assert "holds an export of bert-mean: name another folder with --out, or replace it with --force" in other.stderr
    assert read(tmp_path / "out")["source"] == "bert-mean"
    assert run(MODEL, "--out", tmp_path / "out", "--source", "team/other", "--force").returncode == 0
    assert read(tmp_path / "out")["source"] == "team/other"


def test_a_file_is_no_model():
    result = run(MODEL / "config.json")
    assert result.returncode == 1 and "is a file; MODEL is a directory or a Hugging Face id" in result.stderr


def test_onnx_runtime_reports_to_nobody(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    assert run(MODEL, "--out", tmp_path / "out", HOME=str(home), XDG_CACHE_HOME=str(home / "cache")).returncode == 0
    assert not [path for path in home.rglob("*") if "onnxruntime" in str(path).lower()]


def test_names_and_folders(tmp_path):
    run(MODEL, "--name", "mine", "--source", "team/mine", QUADRATE_MODELS_DIR=str(tmp_path / "models"))
    assert read(tmp_path / "models/mine")["source"] == "team/mine"
    run(MODEL, "--out", tmp_path / "exact", QUADRATE_MODELS_DIR=str(tmp_path / "models"))
    assert read(tmp_path / "exact")["source"] == "bert-mean"


def test_random_model(tmp_path):
    out = tmp_path / "out"
    result = run("--random", MODEL / "config.json", "--seed", 3, "--tokenizer", MODEL, "--out", out)
    assert result.returncode == 0, result.stderr
    assert read(out)["source"] == "random/config" and (out / "tokenizer.json").is_file()


def read(out):
    return json.loads((out / "quadrate.json").read_text(encoding="utf-8"))


class Hub(http.server.BaseHTTPRequestHandler):
    """The few answers of the hub that a download needs, for one repository."""

    directory: Path
    token: str | None = None
    seen: list[str]

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.seen.append(self.path)
        path = self.path.split("?")[0]
        files = [file for file in sorted(self.directory.rglob("*")) if file.is_file()]
        names = [file.relative_to(self.directory).as_posix() for file in files]
        if self.token and self.headers.get("Authorization") != f"Bearer {self.token}":
            self.answer(401, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif path.startswith(("/api/models/team/small/tree/", "/api/models/team/small/paths-info/")):
            entries = [self.entry(name, file) for name, file in zip(names, files, strict=True)]
            self.answer(200, json.dumps(entries).encode())
        elif path.startswith("/api/models/team/small"):
            info = {"id": "team/small", "sha": COMMIT, "siblings": [{"rfilename": name} for name in names]}
            self.answer(200, json.dumps(info | {"private": False}).encode())
        elif path.startswith(f"/team/small/resolve/{COMMIT}/") and path.split("/", 5)[-1] in names:
            data = (self.directory / path.split("/", 5)[-1]).read_bytes()
            self.answer(200, data, {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": COMMIT})
        else:
            self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def entry(self, name, file):
        data = file.read_bytes()
        return {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha256(data).hexdigest()}

    def answer(self, status, body, headers=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(tmp_path):
    """Starts a hub; returns its address, its handler class and the settings to reach it."""
    handler = type("OneHub", (Hub,), {"directory": MODEL, "seen": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    handler.settings = {
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_XET": "1",
    }
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_hub_model_is_downloaded_once_and_then_served_from_the_cache(tmp_path, hub):
    result = run("team/small", cwd=tmp_path, QUADRATE_MODELS_DIR=str(tmp_path / "models"), **hub.settings)
    assert result.returncode == 0, result.stderr
    content = read(tmp_path / "models/small")
    assert content["source"] == "team/small" and content["revision"] == COMMIT
    offline = run("team/small", "--out", tmp_path / "again", HF_HUB_OFFLINE="1", **hub.settings)
    assert offline.returncode == 0, offline.stderr
    assert read(tmp_path / "again")["revision"] == COMMIT


def test_files_that_are_not_needed_are_not_downloaded(tmp_path, hub):
    copy = tmp_path / "repository"
    subprocess.run(["cp", "-r", MODEL, copy], check=True)
    (copy / "onnx").mkdir()
    for name in ("onnx/model.json", "pytorch_model.bin", "picture.png"):
        (copy / name).write_bytes(b"{}")
    hub.directory = copy
    result = run("team/small", "--out", tmp_path / "out", **hub.settings)
    assert result.returncode == 0, result.stderr
    fetched = [path for path in hub.seen if "/resolve/" in path]
    assert fetched and not any(word in path for path in fetched for word in ("onnx", ".bin", ".png"))


def test_the_token_is_sent(tmp_path, hub):
    hub.token = "hf_secret"
    denied = run("team/small", "--out", tmp_path / "out", **hub.settings)
    assert denied.returncode == 1 and denied.stderr.count("\n") == 1
    assert "HF_TOKEN" in denied.stderr and "team/small" in denied.stderr
    allowed = run("team/small", "--out", tmp_path / "out", HF_TOKEN="hf_secret", **hub.settings)
    assert allowed.returncode == 0, allowed.stderr


def test_an_unknown_model_is_named(tmp_path, hub):
    result = run("team/unknown", cwd=tmp_path, **hub.settings)
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert "knows no model team/unknown" in result.stderr


def test_an_unreachable_hub_says_what_was_tried_and_what_to_do(tmp_path):
    settings = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "hf")}
    result = run("team/small", cwd=tmp_path, **settings)
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    for word in ("team/small", "http://127.0.0.1:9", str(tmp_path / "hf"), "Without a connection"):
        assert word in result.stderr
    offline = run("team/small", cwd=tmp_path, HF_HUB_OFFLINE="1", **settings)
    assert offline.returncode == 1 and "HF_HUB_OFFLINE is set" in offline.stderr
    assert offline.stderr.count("\n") == 1
