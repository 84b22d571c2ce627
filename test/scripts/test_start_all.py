"""start-all.sh: a stand-in for docker and for the server, a real HTTP server for Ollama and TEI; the
last tests start bin/quadrate itself."""

import os
import pathlib
import signal
import subprocess
import time
import urllib.request

import pytest
import yaml
from conftest import ROOT, TIMEOUT_S, closed_port

SCRIPT = "start-all.sh"
BASE = ["deploy/compose/docker-compose.yml", "deploy/compose/docker-compose.gpu.yml"]


class Stage:
    """All that start-all.sh meets."""

    def __init__(self, bench, web):
        self.bench, self.web = bench, web
        web.answer = lambda method, path, body: (200 if path in ("/api/version", "/health") else 404, ["{}"])
        self.docker = bench.fake("play_docker", "docker").set(services=["router", "tei", "vllm", "redis"], address=web.address)
        self.server = bench.fake("play_server", "the server")
        self.state = bench.folder / "the state"
        bench.env |= {
            "OLLAMA_BASE_URL": web.url, "START_ALL_STATE": str(self.state),
            "START_ALL_PROGRAM": str(bench.commands / "the server"),
        }
        self.compose_file = bench.folder / "compose file.yml"
        self.compose_file.write_text("services: {}\n")

    def run(self, *arguments, **env):
        return self.bench.run(SCRIPT, *arguments, **env)

    def with_compose(self, *arguments, **env):
        return self.run("--compose-file", self.compose_file, *arguments, **env)

    def ups(self):
        return [call[call.index("--wait-timeout") + 2 :] for call in self.docker.calls("compose") if "up" in call]

    def starts(self):
        return [call for call in self.server.calls() if call != ["stopped"]]

    def lives(self):
        process = self.server.get().get("process")
        try:
            state = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(") ", 1)[1][0]
        except OSError:
            return False
        return state != "Z"


@pytest.fixture
def stage(bench, web):
    made = Stage(bench, web)
    yield made
    if made.lives():
        os.kill(made.server.get()["process"], signal.SIGKILL)


def wait_for(condition):
    until = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < until, "it did not come to this"
        time.sleep(0.05)


def test_starts_everything_once_and_stops_it(stage):
    first = stage.with_compose()
    assert first.returncode == 0, first.stderr
    assert stage.ups() == [["tei", "vllm"]] and stage.starts() == [[]] and stage.lives()
    for line in (f"ollama: answers at {stage.web.url}", f"tei: ready at {stage.web.url}", "server: ready"):
        assert line in first.stdout
    again = stage.with_compose()
    assert again.returncode == 0 and stage.ups() == [["tei", "vllm"]] and stage.starts() == [[]]
    assert "tei: runs already" in again.stdout and "server: runs already" in again.stdout
    assert "is told TEI_BASE_URL" in first.stdout and "is told" not in again.stdout
    assert stage.with_compose("status").returncode == 0
    stop = stage.run("stop")
    assert stop.returncode == 0 and "server: stopped" in stop.stdout
    assert not stage.lives() and stage.server.calls("stopped") and stage.docker.get()["up"] == []
    assert "nothing to stop" in stage.run("stop").stdout
    status = stage.run("status")
    assert status.returncode == 1 and "server: was not started here" in status.stdout


def test_the_server_is_told_where_its_upstreams_are(stage):
    assert stage.with_compose().returncode == 0
    url = stage.web.url
    assert stage.server.get()["told"] == {"OLLAMA_BASE_URL": url, "TEI_BASE_URL": url, "VLLM_BASE_URL": url}
    stage.run("stop")
    assert stage.with_compose(TEI_BASE_URL="http://mine").returncode == 0
    assert stage.server.get()["told"]["TEI_BASE_URL"] == "http://mine"
    stage.run("stop")
    assert stage.with_compose("--keep-routing", "--services", "tei").returncode == 0
    assert stage.server.get()["told"] == {"OLLAMA_BASE_URL": url}  # as this test's environment has it


def test_the_repositorys_stack_is_the_default_and_its_ports_are_published(stage):
    for variant in ("gpu", "cpu"):
        files = [yaml.safe_load((ROOT / f"deploy/compose/docker-compose{part}.yml").read_text()) for part in ("", f".{variant}")]
        stage.docker.set(services=sorted(set().union(*(file["services"] for file in files))))
        result = stage.run("--variant", variant, "--dry-run")
        assert result.returncode == 0, result.stderr
        for file in ("docker-compose.yml", f"docker-compose.{variant}.yml"):
            assert f"--file={ROOT}/deploy/compose/{file}" in result.stdout
        for service in ("tei", "vllm"):
            assert f"--file={ROOT}/scripts/lib/ports-{service}.yml" in result.stdout
        assert "--wait-timeout 1800 tei vllm\n" in result.stdout


def test_a_gpu_is_looked_for(stage):
    stage.bench.without("nvidia-smi")  # this machine may have one
    assert "docker-compose.cpu.yml" in stage.run("--dry-run").stdout
    smi = stage.bench.commands / "nvidia-smi"
    smi.write_text("#!/bin/sh\n")
    smi.chmod(0o755)
    assert "docker-compose.gpu.yml" in stage.run("--dry-run").stdout


def test_a_dry_run_does_nothing(stage):
    result = stage.with_compose("--dry-run", "--config", "my config.yaml")
    assert result.returncode == 0
    assert "would run: docker compose --file=" in result.stdout
    assert "--profile \\* up --detach --wait --wait-timeout 1800 tei vllm" in result.stdout
    assert f"the\\ server -config {str(stage.bench.folder).replace(' ', chr(92) + ' ')}/my\\ config.yaml" in result.stdout
    assert stage.ups() == [] and stage.starts() == [] and not stage.state.exists()
    assert stage.with_compose().returncode == 0
    stop = stage.run("stop", "--dry-run")
    assert "would run: kill -TERM" in stop.stdout and "rm --stop --force tei vllm" in stop.stdout
    assert stage.lives() and stage.docker.get()["up"] == ["tei", "vllm"]


def test_a_dry_run_needs_nothing_of_what_a_run_needs(stage):
    """Neither Docker, Ollama, the server's program nor curl; what is missing is told."""
    (stage.bench.commands / "docker").unlink()
    stage.bench.without("docker", "curl", "nvidia-smi")
    (stage.bench.commands / "the server").unlink()
    result = stage.run("--dry-run")
    assert result.returncode == 0, result.stderr
    for words in ("there is no command 'docker' here", "there is no command 'curl' here", "there is no ", "Ollama does not answer"):
        assert f"a run would end here: {words}" in result.stderr
    assert "command not found" not in result.stderr
    assert "up --detach --wait --wait-timeout 1800 tei vllm\n" in result.stdout and "would run: " in result.stdout.splitlines()[-1]
    assert "up --detach --wait --wait-timeout 1800 tei\n" in stage.run("--dry-run", "--services", "tei").stdout
    assert not stage.state.exists() and stage.run().returncode == 1


def test_a_dry_run_tells_of_an_engine_that_is_away(stage):
    stage.docker.set(away=True)
    result = stage.with_compose("--dry-run")
    assert result.returncode == 0 and "a run would end here: the container engine does not answer" in result.stderr


def test_services_that_ran_before_are_left_running(stage):
    stage.docker.set(up=["vllm"])
    assert stage.with_compose().returncode == 0
    assert stage.ups() == [["tei"]]
    assert stage.run("stop").returncode == 0
    assert stage.docker.get()["up"] == ["vllm"]


def test_only_the_server(stage):
    result = stage.run("--only-server", OLLAMA_BASE_URL=f"http://127.0.0.1:{closed_port()}")
    assert result.returncode == 0 and stage.docker.calls() == [] and stage.starts() == [[]]


def test_ctrl_c_while_services_start_stops_them(stage):
    stage.docker.set(slow_up=True)
    process = stage.bench.start(SCRIPT, "--compose-file", stage.compose_file)
    wait_for(stage.ups)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130 and "interrupted: stopping what was started" in err
    assert stage.docker.get()["up"] == [] and stage.starts() == []
    assert "nothing to stop" in stage.run("stop").stdout


def test_who_ends_the_script_ends_the_start_of_services(stage):
    """By a signal to it alone, as service managers send it, and not when Compose is done."""
    stage.docker.set(slow_up=True)
    process = stage.bench.start(SCRIPT, "--compose-file", stage.compose_file)
    wait_for(stage.ups)
    process.terminate()
    _, err = process.communicate(timeout=TIMEOUT_S)  # Compose would take longer
    assert process.returncode == 143 and "told to end: stopping what was started" in err
    assert stage.docker.get()["up"] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_server_is_ready_stops_it_and_the_services(stage, number):
    stage.server.set(never=True)
    stage.docker.set(up=["vllm"])
    process = stage.bench.start(SCRIPT, "--compose-file", stage.compose_file)
    wait_for(lambda: stage.server.get().get("process"))
    os.killpg(process.pid, number)
    process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 128 + number
    assert not stage.lives() and stage.server.calls("stopped") and stage.docker.get()["up"] == ["vllm"]


def test_in_the_foreground_ctrl_c_stops_it_all(stage):
    process = stage.bench.start(SCRIPT, "--foreground", "--compose-file", stage.compose_file)
    stage.bench.line(process, "Ctrl-C stops it all")
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=TIMEOUT_S) == 130
    assert not stage.lives() and stage.docker.get()["up"] == []


def test_in_the_foreground_the_servers_end_is_the_end(stage):
    process = stage.bench.start(SCRIPT, "--foreground", "--compose-file", stage.compose_file)
    stage.bench.line(process, "Ctrl-C stops it all")
    os.kill(stage.server.get()["process"], signal.SIGKILL)
    _, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 137 and "the server ended (exit status 137)" in err
    assert stage.docker.get()["up"] == []


def test_a_server_that_does_not_stop_is_killed(stage):
    stage.server.set(deaf=True)
    assert stage.run("--only-server").returncode == 0
    result = stage.run("stop", "--stop-timeout", "1")
    assert result.returncode == 0 and "did not stop within 1 s, and is killed" in result.stderr
    wait_for(lambda: not stage.lives())


def test_a_number_that_is_another_process_now_is_left_alone(stage):
    with subprocess.Popen(["sleep", "60"]) as other:
        stage.state.mkdir()
        (stage.state / "server").write_text(f"{other.pid} 1\n")
        assert "nothing to stop" in stage.run("stop").stdout
        assert other.poll() is None
        other.kill()


def failing(stage, *arguments, **env):
    result = stage.with_compose(*arguments, **env)
    assert result.returncode == 1 and stage.starts() == [] and not stage.docker.get().get("up")
    return result.stderr


def test_what_is_missing_is_named(stage):
    url = f"http://127.0.0.1:{closed_port()}"
    assert f"Ollama does not answer at {url}: start it (ollama serve)" in failing(stage, OLLAMA_BASE_URL=url)
    assert "there is no /nowhere: make build" in failing(stage, START_ALL_PROGRAM="/nowhere")
    assert "there is no service cache, but: router tei vllm redis" in failing(stage, "--services", "tei,cache")
    stage.docker.set(services=["router"])
    assert "there is neither a service tei nor vllm, but: router" in failing(stage)
    stage.docker.set(services=["tei"], invalid="yaml: line 3: mapping values are not allowed")
    assert "compose file.yml: yaml: line 3" in failing(stage)
    stage.docker.set(invalid="", away=True)
    assert "the container engine does not answer: Cannot connect" in failing(stage)
    stage.docker.set(away=False, compose=False)
    assert "docker has no Compose" in failing(stage)
    stage.compose_file.unlink()
    assert "there is no" in (error := failing(stage)) and "--no-compose" in error


@pytest.mark.parametrize("command", ["docker", "curl", "flock", "setsid"])
def test_a_missing_command_is_named(stage, command):
    (stage.bench.commands / command).unlink(missing_ok=True)
    stage.bench.without(command)
    assert f"there is no command '{command}' here" in stage.with_compose().stderr
    assert stage.starts() == []


def test_services_that_fail_are_stopped_again(stage):
    stage.docker.set(fails_up=True)
    error = failing(stage)
    assert "out of memory" in error and "did not come up" in error


def test_a_service_without_a_port_is_told(stage):
    stage.docker.set(unpublished=["vllm"])
    assert "vllm runs, but publishes no port" in failing(stage)


def test_a_service_that_is_never_healthy_is_told(stage):
    stage.web.answer = lambda method, path, body: (200 if path == "/api/version" else 503, [""])
    assert f"tei did not answer {stage.web.url}/health within 1 s" in failing(stage, "--timeout", "1")


def test_a_service_that_ends_before_it_is_healthy_is_told(stage):
    def answer(method, path, body):
        if path == "/health":
            stage.docker.set(up=["vllm"])
        return 200 if path == "/api/version" else 503, [""]

    stage.web.answer = answer
    error = failing(stage)
    assert "tei ended before it was healthy" in error and "out of memory" in error


def test_a_port_that_is_taken_can_be_changed(stage):
    stage.docker.set(fails_up=True)
    result = stage.run("--variant", "cpu", "--services", "tei")
    assert result.returncode == 1 and "START_ALL_TEI_PORT" in result.stderr and "within 1800 s" in result.stderr
    assert "START_ALL_TEI_PORT" not in failing(stage)


def test_a_server_that_ends_is_told_with_its_last_lines(stage):
    stage.server.set(fails=True)
    result = stage.run("--only-server")
    assert result.returncode == 1 and "address already in use" in result.stderr
    assert "ended before it was ready" in result.stderr


def test_a_server_that_is_never_ready_is_stopped(stage):
    stage.server.set(never=True)
    result = stage.run("--only-server", "--timeout", "1")
    assert result.returncode == 1 and "was not ready within 1 s" in result.stderr and not stage.lives()


def test_another_server_at_the_address_is_told(stage):
    stage.server.set(ready=True)
    result = stage.run("--only-server")
    assert result.returncode == 1 and "another server answers" in result.stderr and stage.starts() == []


def test_one_start_at_a_time(stage):
    stage.server.set(never=True)
    process = stage.bench.start(SCRIPT, "--only-server")
    wait_for(lambda: stage.server.get().get("process"))
    assert "another start or stop is at work" in stage.run("--only-server").stderr
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=TIMEOUT_S)


def test_wrong_words(stage):
    assert "'stop' after 'start'" in stage.run("start", "stop").stderr
    assert "gpu or cpu" in stage.run("--variant", "tpu").stderr


@pytest.fixture
def real(bench):
    """bin/quadrate itself with MiniLM, on a port of its own."""
    assert (ROOT / "bin/quadrate").exists(), "make build makes bin/quadrate"
    port = closed_port()
    bench.env |= {
        "QUADRATE_SERVER_HOST": "127.0.0.1", "QUADRATE_SERVER_PORT": str(port), "QUADRATE_SERVER_DRAIN_DELAY": "0s",
        "START_ALL_STATE": str(bench.folder / "state"),
    }
    yield bench, f"http://127.0.0.1:{port}"
    bench.run(SCRIPT, "stop", "--stop-timeout", "10")


def test_the_real_server_starts_serves_and_stops(real):
    bench, url = real
    result = bench.run(SCRIPT, "--only-server", "--timeout", "120")
    assert result.returncode == 0, result.stderr
    with urllib.request.urlopen(f"{url}/health/ready") as answer:
        assert answer.status == 200
    assert "runs already" in bench.run(SCRIPT, "--only-server").stdout
    assert "server: stopped" in bench.run(SCRIPT, "stop").stdout
    with pytest.raises(OSError):
        urllib.request.urlopen(f"{url}/health/ready")
