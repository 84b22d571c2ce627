"""benchmark.sh: with a stand-in for quadrate-bench, and for real between bin/quadrate-bench and
bin/quadrate."""

import json
import os
import signal
import subprocess
import time

import pytest
from conftest import ROOT, TIMEOUT_S, closed_port

SCRIPT = "benchmark.sh"


def result(model, workload="W3", requests=10, errors=None, first_error=""):
    latency = {"mean": 2.5, "p50": 2, "p95": 4, "p99": 8.125, "min": 1, "max": 9}
    return {"model": model, "workload": workload, "concurrency": 1, "requests": requests, "latency_ms": latency, "errors": errors or {},
            "throughput": {"requests_per_second": 400.04}, "first_error": first_error}


@pytest.fixture
def measured(bench, web):
    """A server that is ready, and a quadrate-bench that gives the results that its state has."""
    web.answer = lambda method, path, body: (200 if path == "/health/ready" else 404, [""])
    machine = {"cores": 8, "arch": "amd64", "instruction_set": ["avx2", "avx512f"]}
    played = bench.fake("play_bench", "quadrate bench").set(
        results=[result("a/embedder"), result("a/reranker", "W1")],
        servers=[{"url": "http://here", "version": "v1", "runtime": "ONNX Runtime 1", "machine": machine}])
    bench.env |= {"BENCHMARK_PROGRAM": str(bench.commands / "quadrate bench")}
    played.out = bench.folder / "the result.json"
    played.run = lambda *arguments: bench.run(SCRIPT, "--url", web.url, "--out", played.out, *arguments)
    return played


def test_measures_every_model_and_prints_a_table(measured, web):
    done = measured.run()
    assert done.returncode == 0, done.stderr
    server, head, first, second, written = done.stdout.splitlines()
    assert server == "http://here, version v1, ONNX Runtime 1, 8 cores of amd64 (avx2 avx512f)"
    assert head.split() == "model workload at once requests p50 ms p95 ms p99 ms mean ms requests/s errors".split()
    assert first.split() == ["a/embedder", "W3", "1", "10", "2.00", "4.00", "8.12", "2.50", "400.0", "0"]
    assert second.split()[:2] == ["a/reranker", "W1"] and written == f"written: {measured.out}"
    assert [r["model"] for r in json.loads(measured.out.read_text())["results"]] == ["a/embedder", "a/reranker"]
    (call,) = measured.calls()
    assert call[:5] == ["-url", web.url, "-all", "-duration", "10s"]


def test_the_default_file_is_ignored_by_git():
    done = subprocess.run(["git", "check-ignore", "-q", "scripts/benchmark_result.json"], cwd=ROOT)
    assert done.returncode == 0


def test_options_go_to_quadrate_bench(measured):
    done = measured.run("--model", "a model", "--key-file=my key", "--duration", "3s", "--", "-workload", "W4", "-concurrency", "8")
    assert done.returncode == 0, done.stderr
    (call,) = measured.calls()
    assert call[2:-2] == ["-model", "a model", "-duration", "3s", "-key-file", "my key", "-workload", "W4", "-concurrency", "8"]


def test_a_dry_run_measures_nothing(measured, bench):
    done = measured.run("--dry-run", "--report", bench.folder / "page.html")
    assert done.returncode == 0 and measured.calls() == [] and not measured.out.exists()
    assert "would run: " in done.stdout and "-all" in done.stdout and f"would write: {measured.out} and" in done.stdout
    away = bench.run(SCRIPT, "--dry-run", "--url", f"http://127.0.0.1:{closed_port()}")
    assert away.returncode == 0


def test_the_page_is_kept_when_asked_for(measured, bench):
    assert measured.run("--report", bench.folder / "page.html").returncode == 0
    assert (bench.folder / "page.html").read_text() == "a page"
    assert sorted(path.name for path in bench.folder.iterdir()) == ["page.html", "the result.json"]


def test_a_model_without_a_good_answer_fails(measured):
    measured.set(results=[result("good"), result("bad", requests=0, errors={"503": 4}, first_error="503 model_loading")])
    done = measured.run()
    assert done.returncode == 1
    assert "bad gave no good answer: 503 model_loading" in done.stderr and "not every model was measured" in done.stderr
    assert done.stdout.splitlines()[3].split() == ["bad", "W3", "1", "0", "-", "-", "-", "-", "-", "4"]


def test_a_server_that_does_not_say_what_it_is(measured):
    measured.set(servers=[{"url": "http://tei"}], results=[{**result("a"), "concurrency": None}])
    server, _, row, _ = measured.run().stdout.splitlines()
    assert server == "http://tei" and row.split()[:3] == ["a", "W3", "-"]


def test_what_was_left_out_is_told(measured):
    measured.set(says="skipped: b/absent: it is unavailable")
    assert measured.run().stdout.startswith("skipped: b/absent: it is unavailable\n")


def test_a_failure_keeps_the_result_of_before(measured):
    measured.run()
    before = measured.out.read_text()
    measured.set(status=1, says="quadrate-bench: there is nothing to measure", results=[])
    done = measured.run()
    assert done.returncode == 1 and "nothing to measure" in done.stderr and "exit status 1" in done.stderr
    assert measured.out.read_text() == before


def test_ctrl_c_keeps_the_result_of_before(measured, bench, web):
    measured.out.write_text("before")
    measured.set(slow=True)
    process = bench.start(SCRIPT, "--url", web.url, "--out", measured.out)
    until = time.monotonic() + TIMEOUT_S
    while not measured.calls() and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130 and "is as it was" in err and measured.out.read_text() == "before"


def test_what_is_missing_is_named(measured, bench, web):
    url = f"http://127.0.0.1:{closed_port()}"
    assert f"no server that is ready answers at {url}" in bench.run(SCRIPT, "--url", url).stderr
    web.answer = lambda *_: (503, [""])
    assert "no server that is ready" in measured.run().stderr
    assert "there is no folder /nowhere" in bench.run(SCRIPT, "--out", "/nowhere/x.json").stderr
    assert "make bench-client" in bench.run(SCRIPT, BENCHMARK_PROGRAM="/nowhere").stderr
    for command in ("curl", "python3"):
        bench.without(command)
        assert f"there is no command '{command}' here" in bench.run(SCRIPT).stderr
    assert measured.calls() == []


def test_for_real(bench):
    for program in ("quadrate", "quadrate-bench"):
        assert (ROOT / "bin" / program).exists(), f"bin/{program} is made by make build bench-client"
    port = closed_port()
    models = bench.folder / "models"  # with MiniLM alone, whatever else this machine has
    models.mkdir()
    (models / "all-MiniLM-L6-v2").symlink_to(ROOT / "var/models/all-MiniLM-L6-v2")
    bench.env |= {
        "QUADRATE_MODELS_DIR": str(models),
        "QUADRATE_SERVER_HOST": "127.0.0.1", "QUADRATE_SERVER_PORT": str(port), "QUADRATE_SERVER_DRAIN_DELAY": "0s",
        "START_ALL_STATE": str(bench.folder / "state"),
    }
    try:
        started = bench.run("start-all.sh", "--only-server", "--timeout", "25")
        assert started.returncode == 0, started.stderr
        out = bench.folder / "real.json"
        done = bench.run(SCRIPT, "--url", f"http://127.0.0.1:{port}", "--duration", "1s", "--out", out)
        assert done.returncode == 0, done.stderr
        (only,) = json.loads(out.read_text())["results"]
        assert only["requests"] > 0 and only["model"] == "sentence-transformers/all-MiniLM-L6-v2"
        assert "sentence-transformers/all-MiniLM-L6-v2  W3" in done.stdout
        assert "skipped: BAAI/bge-reranker-v2-m3" in done.stdout
        assert f"http://127.0.0.1:{port}, version " in done.stdout and ", ONNX Runtime " in done.stdout and " cores of " in done.stdout
    finally:
        bench.run("start-all.sh", "stop", "--stop-timeout", "10")
