"""What an operator expects of the image: it serves as it is, without rights, and stops cleanly."""

import base64
import json
import time

import numpy
from conftest import ROOT, STRICT, docker

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
TOLERANCE = 1e-5  # between unit vectors, fp32 on the CPU


def golden() -> list[dict]:
    return json.loads((ROOT / "testdata/golden/minilm.json").read_text())["items"]


def test_bare_run_answers_what_the_reference_answers(served):
    items = golden()
    status, answer = served.ask("/v1/embeddings", {"model": MODEL, "input": [item["text"] for item in items]})
    assert status == 200, answer
    for item, data in zip(items, answer["data"], strict=True):
        want = numpy.frombuffer(base64.b64decode(item["vector"]), "<f4")
        difference = numpy.abs(numpy.array(data["embedding"], "f4") - want).max()
        assert difference <= TOLERANCE, f"{item['name']}: {difference}"


def test_rerank_and_the_models_that_are_not_there(served):
    status, answer = served.ask("/v1/rerank", {
        "model": "default", "query": "How do I reset my password?",
        "documents": ["The cafeteria opens at nine.", "Choose Security, then Forgot password."]})
    assert status == 200 and [r["index"] for r in answer["results"]] == [1, 0]
    status, answer = served.ask("/v1/rerank", {"model": "bge-reranker-v2-m3", "query": "q", "documents": ["d"]})
    assert status == 404 and "export_onnx.sh BAAI/bge-reranker-v2-m3" in answer["error"]["message"], answer


def test_runs_without_rights(served):
    state = served.inspect()
    assert state["Config"]["User"] == "10001:10001"
    assert "Uid:\t10001\t10001" in docker("exec", served.id, "cat", "/proc/1/status")
    assert "CapEff:\t0000000000000000" in docker("exec", served.id, "cat", "/proc/1/status")


def test_healthcheck_turns_healthy(run):
    container = run("--health-interval", "1s").wait_ready()
    deadline = time.monotonic() + 30
    while (status := container.inspect()["State"]["Health"]["Status"]) != "healthy":
        assert time.monotonic() < deadline, status
        time.sleep(0.2)


def test_stop_is_clean_and_quick(run):
    container = run(*STRICT).wait_ready()
    started = time.monotonic()
    docker("stop", "--time", "30", container.id)
    took = time.monotonic() - started
    assert container.inspect()["State"]["ExitCode"] == 0, container.logs()
    assert took < 10, f"{took:.1f} s"  # the drain delay is 2 s


def test_memory_limit_and_cpu_limit_are_honoured(run):
    container = run(*STRICT, "--memory", "512m", "--cpus", "1").wait_ready()
    texts = ["a document of some length " * 20] * 64
    status, answer = container.ask("/v1/embeddings", {"input": texts, "model": "default"})
    assert status == 200, answer
    assert not container.inspect()["State"]["OOMKilled"]


def test_a_folder_in_the_volume_is_served(run, tmp_path):
    config = tmp_path / "server.yaml"
    config.write_text("models_dir: /models\nlog: {format: json}\nmodels:\n  - {name: small, path: bert-cls, tasks: [embed]}\n")
    for path in (tmp_path, config):
        path.chmod(0o755)
    models = ROOT / "var/testmodels"
    container = run(*STRICT, "--volume", f"{models}:/models:ro", "--volume", f"{config}:/etc/quadrate/server.yaml:ro").wait_ready()
    status, answer = container.ask("/v1/embeddings", {"model": "small", "input": "hello"})
    assert status == 200 and len(answer["data"][0]["embedding"]) > 0


def test_a_wrong_setting_ends_the_container_with_a_clear_line(run):
    container = run("--env", "QUADRATE_SERVER_PORT=banana")
    deadline = time.monotonic() + 30
    while container.inspect()["State"]["Running"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert container.inspect()["State"]["ExitCode"] != 0
    assert "QUADRATE_SERVER_PORT" in container.logs() and "banana" in container.logs(), container.logs()


def test_both_programs_are_there(served):
    assert "quadrate" in docker("exec", served.id, "/usr/local/bin/quadrate", "version")
    out = docker("exec", "--workdir", "/tmp", served.id, "/usr/local/bin/quadrate-bench", "-h", check=False)
    assert "no such file" not in out
    answer = docker("exec", served.id, "/usr/local/bin/quadrate", "healthcheck")
    assert answer == "ready"
