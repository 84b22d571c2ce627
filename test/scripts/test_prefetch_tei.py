"""prefetch-tei-models.sh, with a stand-in for docker whose containers answer on a real port."""

import os
import signal
import time

import pytest
from conftest import ROOT, TIMEOUT_S

SCRIPT = "prefetch-tei-models.sh"
IMAGE = "registry:5000/tei:tei"


@pytest.fixture
def docker(bench, web):
    web.answer = lambda method, path, body: (200 if path == "/health" else 404, [""])
    volume = bench.commands.parent / "volume"  # without a blank: the player puts it into shell commands
    volume.mkdir()
    bench.env["PREFETCH_POLL"] = "0.05"
    return bench.fake("play_docker", "docker").set(address=web.address, volume=str(volume), images=[IMAGE])


def named(*more):
    return ["--image", IMAGE, "--volume", "tei-cache:/data", "BAAI/bge-m3", *more]


def test_fetches_verifies_and_then_leaves_alone(bench, docker):
    result = bench.run(SCRIPT, *named())
    assert result.returncode == 0, result.stderr
    first, second = docker.calls("run", "--detach")
    for call in (first, second):
        assert call[call.index("--volume") + 1] == "tei-cache:/data"
        assert call[call.index(IMAGE) :] == [IMAGE, "--model-id", "BAAI/bge-m3", "--port", "80"]
    # The second has no name server, so that nothing can be fetched.
    assert "--dns" not in first and second[second.index("--dns") + 1] == "127.0.0.1"
    assert docker.get()["containers"] == {}
    docker.forget()
    again = bench.run(SCRIPT, *named())
    assert again.returncode == 0 and "BAAI/bge-m3: there" in again.stdout
    assert docker.calls("run", "--detach") == []


def test_what_was_taken_out_of_the_volume_is_fetched_again(bench, docker):
    bench.run(SCRIPT, *named())
    (bench.commands.parent / "volume/models--BAAI--bge-m3/snapshots").rmdir()
    docker.forget()
    assert bench.run(SCRIPT, *named()).returncode == 0
    assert len(docker.calls("run", "--detach")) == 2


def test_another_image_and_force_fetch_again(bench, docker):
    bench.run(SCRIPT, *named("--no-verify"))
    docker.forget()
    bench.run(SCRIPT, *named("--force", "--no-verify"))
    assert len(docker.calls("run", "--detach")) == 1
    other = bench.run(SCRIPT, "--image", "other:tei", "--volume", "tei-cache:/data", "BAAI/bge-m3", "--no-verify")
    assert other.returncode == 0 and len(docker.calls("run", "--detach")) == 2


def test_a_dry_run_starts_nothing(bench, docker):
    result = bench.run(SCRIPT, "--dry-run", *named())
    assert result.returncode == 0
    assert "would run: docker run --rm --volume tei-cache:/data registry:5000/tei:tei --model-id BAAI/bge-m3 --port 80" in result.stdout
    assert docker.calls("run", "--detach") == [] and not list((bench.commands.parent / "volume").iterdir())
    docker.set(away=True)
    away = bench.run(SCRIPT, "--dry-run", *named())
    assert away.returncode == 0 and "would run" in away.stdout and "does not answer" in away.stderr


def test_a_dry_run_needs_no_docker(bench, docker):
    (bench.commands / "docker").unlink()
    bench.without("docker", "curl")
    result = bench.run(SCRIPT, "--dry-run", *named())
    assert result.returncode == 0 and "would run: docker run --rm --volume tei-cache:/data" in result.stdout
    assert result.stderr.splitlines() == [
        "prefetch-tei-models: a run would end here: there is no command 'docker' here. scripts/setup-wsl-docker.sh sets it up in WSL2; docs.docker.com/engine/install says how elsewhere.",
        "prefetch-tei-models: a run would end here: there is no command 'curl' here. Debian and Ubuntu: apt-get install curl."]


def test_routing_says_what_to_fetch_where(bench, docker):
    docker.set(images=[])
    result = bench.run(SCRIPT, "--routing", ROOT / "configs/examples/containers-routing.yaml", "--dry-run")
    assert result.returncode == 0, result.stderr
    lines = [line for line in result.stdout.splitlines() if line.startswith("would run")]
    assert [line.split(" until ")[1] for line in lines] == [
        "BAAI/bge-m3 is ready", "BAAI/bge-reranker-v2-m3 is ready", "sentence-transformers/all-MiniLM-L6-v2 is ready"]
    assert all("tei-cache:/data" in line for line in lines)
    assert "device=0" in lines[0] and "gpus" not in lines[2] and "vllm" not in result.stdout


ROUTING = """
upstreams:
  - name: gated
    type: tei
    managed:
      image: registry:5000/tei:tei
      volumes: ["/srv/my models:/data"]
      args: [--pooling, "last token"]
      env: [{name: SECRET, value: "${OWN}"}]
  - {name: open, type: tei, managed: {image: "registry:5000/tei:tei", model: a/b, volumes: ["c:/data"]}}
models:
  - {name: alias, upstream: gated, upstream_model: team/gated}
"""


def test_arguments_with_blanks_and_secrets_by_name_only(bench, docker):
    (bench.folder / "routing.yaml").write_text(ROUTING)
    result = bench.run(SCRIPT, "--no-verify", "--routing", "routing.yaml", OWN="hush", HF_TOKEN="hf_hush")
    assert result.returncode == 0, result.stderr
    gated, other = docker.calls("run", "--detach")
    assert "/srv/my models:/data" in gated and gated[-2:] == ["--pooling", "last token"]
    assert [gated[i + 1] for i, word in enumerate(gated) if word == "--env"] == ["SECRET", "HF_TOKEN"]
    assert "SECRET" not in other
    assert not any("hush" in word for call in docker.calls() for word in call)


def test_the_environment_names_image_and_models(bench, docker):
    (bench.folder / "routing.yaml").write_text("upstreams:\n  - {name: tei, type: tei, managed: {image: old, volumes: ['v:/data']}}\n")
    result = bench.run(SCRIPT, "--dry-run", "--routing", "routing.yaml", TEI_DOCKER_IMAGE="new:tei", TEI_MODELS="a/b, c/d")
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("new:tei") == 2 and "a/b" in result.stdout and "c/d" in result.stdout


@pytest.mark.parametrize("volume", ["tei-cache:/models", "tei-cache:/data:ro"])
def test_a_volume_that_would_not_keep_it_is_refused(bench, docker, volume):
    result = bench.run(SCRIPT, "--image", IMAGE, "--volume", volume, "BAAI/bge-m3")
    assert result.returncode == 1 and "mounts no writable volume at /data" in result.stderr
    assert docker.calls("run", "--detach") == []


def test_a_container_that_ends_is_told_with_its_last_lines(bench, docker):
    docker.set(ends=True)
    result = bench.run(SCRIPT, *named())
    assert result.returncode == 1
    assert "BAAI/bge-m3 could not be fetched: the container ended: Error: Could not download" in result.stderr
    assert docker.get()["containers"] == {}


def test_a_start_that_needs_the_network_after_all_is_a_failure(bench, docker):
    docker.set(offline_fails=True)
    result = bench.run(SCRIPT, *named())
    assert result.returncode == 1 and "does not start without the network" in result.stderr
    assert "BAAI/bge-m3: there" not in bench.run(SCRIPT, *named()).stdout


def test_an_image_that_cannot_be_pulled_is_told(bench, docker):
    docker.set(pull_fails=True)
    result = bench.run(SCRIPT, *named())
    assert result.returncode == 1 and "manifest unknown" in result.stderr


def test_not_ready_in_time(bench, docker, web):
    web.answer = lambda *_: (503, [""])
    result = bench.run(SCRIPT, "--timeout", "1", *named())
    assert result.returncode == 1 and "was not ready within 1 s" in result.stderr
    assert docker.get()["containers"] == {}


def test_ctrl_c_removes_the_container(bench, docker, web):
    web.answer = lambda *_: (503, [""])
    process = bench.start(SCRIPT, *named())
    until = time.monotonic() + TIMEOUT_S
    while not docker.calls("port") and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130 and "interrupted" in err
    assert docker.get()["containers"] == {}


def test_who_ends_the_script_ends_the_fetching_of_an_image(bench, docker):
    """By a signal to it alone, as service managers send it."""
    docker.set(slow_run=True)
    process = bench.start(SCRIPT, *named())
    until = time.monotonic() + TIMEOUT_S
    while not docker.calls("run", "--detach") and time.monotonic() < until:
        time.sleep(0.05)
    process.terminate()
    process.communicate(timeout=TIMEOUT_S)  # the image would take longer
    assert process.returncode == 143 and docker.get()["containers"] == {}


def test_no_engine_and_no_docker_are_named(bench, docker):
    docker.set(away=True)
    result = bench.run(SCRIPT, *named())
    assert result.returncode == 1 and "the container engine does not answer: Cannot connect" in result.stderr
    (bench.commands / "docker").unlink()
    bench.without("docker")
    result = bench.run(SCRIPT, *named())
    assert result.returncode == 1 and "there is no command 'docker' here" in result.stderr


@pytest.mark.parametrize(("arguments", "words"), [
    (["BAAI/bge-m3"], "need --image and --volume"), (["--image", "x"], "are for MODELs that are named"),
])
def test_what_belongs_together(bench, arguments, words):
    result = bench.run(SCRIPT, *arguments)
    assert result.returncode == 2 and words in result.stderr


def test_nothing_to_fetch_is_no_failure(bench, docker):
    (bench.folder / "routing.yaml").write_text("upstreams: [{name: tei, type: tei, urls: [http://tei]}]")
    result = bench.run(SCRIPT, "--routing", "routing.yaml")
    assert result.returncode == 0 and "nothing to fetch" in result.stdout
