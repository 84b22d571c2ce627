"""QUADRATE_FETCH: a model that is absent is exported before the server starts, from a stand-in of the hub."""

import json
import shutil
import time
import uuid

import pytest
from conftest import ROOT, STRICT, docker
from hub import COMMIT, Hub

RERANKER, EMBEDDER = "BAAI/bge-reranker-v2-m3", "team/bert-mean"
FOREIGN = "testdata/foreign/bert"
TMP = ["--tmpfs", "/tmp"]
NOWHERE = ["--env", "HF_ENDPOINT=http://127.0.0.1:9"]


@pytest.fixture
def hub(tmp_path):
    """A hub whose models a test may change, where containers reach it."""
    models = {}
    for name, source in {RERANKER: "xlmr-rerank", EMBEDDER: "bert-mean"}.items():
        models[name] = tmp_path / source
        shutil.copytree(ROOT / "testdata/models" / source, models[name])
    address = docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
    made = Hub(address, models)
    yield made
    made.close()


@pytest.fixture
def volume():
    name = f"quadrate-test-fetch-{uuid.uuid4().hex[:8]}"
    docker("volume", "create", name)
    yield name
    # Its containers are removed after it, where a test asks for it last.
    for container in docker("ps", "--all", "--quiet", "--filter", f"volume={name}").split():
        docker("rm", "--force", container)
    docker("volume", "rm", name)


def options(volume: str, fetch: str, hub=None, mode: str = "") -> list[str]:
    where = NOWHERE if hub is None else ["--env", f"HF_ENDPOINT={hub.address}"]
    return [*STRICT, *TMP, "--volume", f"{volume}:/models{mode}", "--env", f"QUADRATE_FETCH={fetch}", *where]


def rerank(container, model: str = RERANKER) -> None:
    status, answer = container.ask("/v1/rerank", {"model": model, "query": "a", "documents": ["b", "c"]})
    assert status == 200 and len(answer["results"]) == 2, answer


def shell(container, script: str) -> str:
    return docker("exec", container.id, "sh", "-c", script)


def test_what_is_absent_is_fetched_and_served(run, hub, volume):
    container = run(*options(volume, f"{RERANKER},{EMBEDDER}", hub)).wait_ready()
    rerank(container)
    # The configuration names the first only; the second is served by its name and its folder's.
    for name in (EMBEDDER, "bert-mean"):
        status, answer = container.ask("/v1/embeddings", {"model": name, "input": "hello"})
        assert status == 200 and answer["data"][0]["embedding"], answer
    assert container.ask("/v1/embeddings", {"model": "default", "input": "hello"})[0] == 200
    assert "Uid:\t10001\t10001" in shell(container, "cat /proc/1/status")
    assert shell(container, "tr '\\0' ' ' </proc/1/cmdline").startswith("/usr/local/bin/quadrate")
    assert "10001" in shell(container, "stat -c %u /models/bge-reranker-v2-m3/quadrate.json")
    assert not shell(container, "find /models/.cache -name '*.safetensors'"), "what was fetched is in the way"
    assert docker("exec", container.id, "/usr/local/bin/quadrate", "healthcheck") == "ready"
    lines = [json.loads(line) for line in container.logs().splitlines()]
    assert all({"time", "level", "msg"} <= set(line) for line in lines)
    assert any(line.get("model") == EMBEDDER and "fp32" in line["msg"] for line in lines), lines


def test_what_is_there_is_left_as_it_is_without_a_hub(run, hub, volume):
    first = run(*options(volume, RERANKER, hub)).wait_ready()
    made = shell(first, "stat -c %Y.%i /models/bge-reranker-v2-m3/*")
    first.remove()
    again = run(*options(volume, RERANKER)).wait_ready()
    assert shell(again, "stat -c %Y.%i /models/bge-reranker-v2-m3/*") == made
    assert "is left as it is" in again.logs()
    rerank(again)
    again.remove()
    rerank(run(*options(volume, RERANKER, mode=":ro")).wait_ready())


def test_a_commit_is_held_to_and_a_cache_of_ones_own_is_kept(run, hub, volume):
    own = ["--env", "HF_HOME=/models/hf"]
    first = run(*options(volume, f"{EMBEDDER}@{COMMIT}", hub), *own).wait_ready()
    assert json.loads(shell(first, "cat /models/bert-mean/quadrate.json"))["revision"] == COMMIT
    assert shell(first, "find /models/hf -name '*.safetensors'")
    first.remove()
    again = run(*options(volume, f"{EMBEDDER}@{COMMIT}"), *own).wait_ready()
    assert "is left as it is" in again.logs()
    again.remove()
    other = run(*options(volume, f"{EMBEDDER}@{'f' * 40}", hub), *own)
    assert other.wait_ended() == 1 and "has no revision" in other.logs(), other.logs()


def test_a_damaged_one_is_made_anew(run, hub, volume):
    first = run(*options(volume, RERANKER, hub)).wait_ready()
    shell(first, "truncate -s 1000 /models/bge-reranker-v2-m3/model.onnx* && mkdir -p /models/.bge-reranker-v2-m3-ab12cd34/x /models/.bge-reranker-v2-m3-mine")
    first.remove()
    again = run(*options(volume, RERANKER, hub)).wait_ready()
    rerank(again)
    assert "damaged" in again.logs() or "wrote" in again.logs(), again.logs()
    left = shell(again, "ls -a /models").split()
    assert ".bge-reranker-v2-m3-ab12cd34" not in left and ".bge-reranker-v2-m3-mine" in left


def test_a_hub_that_cannot_be_reached_is_said_with_what_to_do(run, volume):
    container = run(*options(volume, RERANKER))
    assert container.wait_ended() == 1
    log = container.logs()
    for word in (RERANKER, "http://127.0.0.1:9", "HF_ENDPOINT", "HTTPS_PROXY", "scripts/export_onnx.sh", "QUADRATE_FETCH"):
        assert word in log, log
    assert "Traceback" not in log
    assert json.loads(log.splitlines()[-1])["level"] == "ERROR"


def test_it_goes_on_after_it_was_killed_half_way(run, hub, volume):
    hub.pause = 1.0
    first = run(*options(volume, EMBEDDER, hub))
    first.wait_log("still at work")
    progress = [json.loads(line) for line in first.logs().splitlines() if "still at work" in line]
    assert progress[0]["model"] == EMBEDDER and progress[0]["fetched_mib"] >= 0 and progress[0]["seconds"] >= 4
    docker("kill", first.id)
    hub.pause = 0
    again = run(*options(volume, EMBEDDER, hub)).wait_ready()
    assert again.ask("/v1/embeddings", {"model": EMBEDDER, "input": "hello"})[0] == 200


def test_a_signal_ends_it_at_once(run, hub, volume):
    hub.pause = 1.0
    container = run(*options(volume, EMBEDDER, hub))
    container.wait_log("still at work")
    started = time.monotonic()
    docker("stop", "--time", "60", container.id)
    assert time.monotonic() - started < 5
    assert container.inspect()["State"]["ExitCode"] == 128 + 15, container.logs()


def test_two_on_one_volume_do_the_work_once(run, hub, volume):
    hub.pause = 0.1
    both = [run(*options(volume, EMBEDDER, hub)) for _ in range(2)]
    for container in both:
        container.wait_ready()
        assert container.ask("/v1/embeddings", {"model": EMBEDDER, "input": "hello"})[0] == 200
    assert hub.downloads("model-00001-of-00002.safetensors") == 1, hub.seen
    waited = [container for container in both if "another is exporting" in container.logs()]
    assert len(waited) == 1 and "is left as it is" in waited[0].logs()


def test_one_that_waits_is_ended_by_a_signal(run, hub, volume):
    hub.pause = 5.0
    run(*options(volume, EMBEDDER, hub)).wait_log("looking for")
    waiting = run(*options(volume, EMBEDDER, hub))
    waiting.wait_log("another is exporting")
    docker("stop", "--time", "60", waiting.id)
    assert waiting.inspect()["State"]["ExitCode"] == 128 + 15


@pytest.mark.parametrize(("fetch", "word"), [
    ("team/unknown", "knows no model team/unknown"),
    ("one two/three/four", "is no model of the hub"),
    ("a/same,b/same", "would both be /models/same"),
])
def test_what_cannot_be_meant_is_named(run, hub, volume, fetch, word):
    container = run(*options(volume, fetch, hub))
    assert container.wait_ended() == 1
    assert word in container.logs() and "Traceback" not in container.logs()


def test_a_model_for_pytorch_is_refused_with_the_way_to_have_it(run, hub, volume):
    config = hub.models[EMBEDDER] / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"model_type": "modernbert"}))
    container = run(*options(volume, EMBEDDER, hub))
    assert container.wait_ended() == 1
    assert "needs PyTorch, which is not in this image" in container.logs()


def test_a_folder_of_others_is_neither_replaced_nor_fetched(run, hub, volume):
    keeper = run(*STRICT, "--volume", f"{volume}:/models").wait_ready()
    shell(keeper, "mkdir /models/bert-mean && echo notes >/models/bert-mean/readme.txt")
    container = run(*options(volume, EMBEDDER, hub))
    assert container.wait_ended() == 1
    assert "is neither empty nor a model's folder" in container.logs()
    assert shell(keeper, "cat /models/bert-mean/readme.txt") == "notes" and not hub.seen


def test_an_onnx_file_of_others_is_served_as_it_is(run, hub, volume):
    keeper = run("--volume", f"{volume}:/models").wait_ready()
    docker("cp", f"{ROOT / FOREIGN}/.", f"{keeper.id}:/models/bert-mean")
    container = run(*options(volume, EMBEDDER)).wait_ready()
    assert container.ask("/v1/embeddings", {"model": EMBEDDER, "input": "hello"})[0] == 200
    assert "that others made is there" in container.logs()


def test_without_a_writable_tmp_it_says_what_to_add(run, hub, volume):
    common = [*STRICT, "--volume", f"{volume}:/models", "--env", f"HF_ENDPOINT={hub.address}"]
    container = run(*common, "--env", f"QUADRATE_FETCH={RERANKER}").wait_ready()
    rerank(container)
    container.remove()
    container = run(*common, "--env", f"QUADRATE_FETCH={EMBEDDER}").wait_ready()
    warning = json.loads(next(line for line in container.logs().splitlines() if "does not name all" in line))
    assert warning["models"] == [{"name": EMBEDDER, "path": "/models/bert-mean", "aliases": ["bert-mean"]}]
    assert container.ask("/v1/embeddings", {"model": EMBEDDER, "input": "hello"})[0] == 404


def test_it_is_never_done_as_root(run, hub, volume):
    container = run("--user", "0", "--volume", f"{volume}:/models", "--env", f"QUADRATE_FETCH={RERANKER}", "--env", f"HF_ENDPOINT={hub.address}")
    assert container.wait_ended() == 1
    assert "not exported as root" in container.logs() and not hub.seen


@pytest.mark.parametrize("arguments", [("version",), ("-check",), ("serve", "-h")])
def test_other_commands_fetch_nothing(run, volume, arguments):
    container = run(*options(volume, RERANKER), arguments=arguments)
    assert container.wait_ended() == 0, container.logs()
    assert "looking for" not in container.logs()


def test_the_smaller_image_says_that_it_has_no_exporter(run, volume):
    assert run(*STRICT, variant="-slim").wait_ready().ask("/v1/models")[0] == 200
    container = run(*options(volume, RERANKER), variant="-slim")
    assert container.wait_ended() == 1 and "this image has no exporter" in container.logs()


def test_the_export_image_as_the_chart_runs_it(run, hub, volume):
    arguments = (RERANKER, "--out", "/models/bge-reranker-v2-m3", "--if-absent", "--variant", "fp32,fp16")
    environment = ["--env", f"HF_ENDPOINT={hub.address}"]
    common = [*STRICT, *TMP, "--volume", f"{volume}:/models"]
    first = run(*common, *environment, arguments=arguments, variant="-export")
    assert first.wait_ended() == 0, first.logs()
    assert "fp32, fp16" in first.logs()
    again = run(*common, *NOWHERE, arguments=arguments, variant="-export")
    assert again.wait_ended() == 0 and "is left as it is" in again.logs(), again.logs()
    served = run(*common).wait_ready()
    rerank(served)
    assert not shell(served, "find /models/.cache -name '*.safetensors'"), "what was fetched is in the way"
    root = run("--user", "0", *environment, arguments=arguments, variant="-export")
    assert root.wait_ended() == 1 and "not exported as root" in root.logs()
