"""An image that is not there is pulled from a registry, which is one of the test's own."""

import os
import subprocess

import pytest
from engine import ROOT, containers, docker, running, until
from gateway import SMALL, managed, routing
from registry import Registry

ARGS = ["-type", "tei", "-models", "{model}", "-listen", "0.0.0.0:80"]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """What plays TEI, as a program without libraries."""
    path = tmp_path_factory.mktemp("bin") / "serve"
    subprocess.run(["go", "build", "-o", path, "./proxy/upstreamtest/serve"], cwd=ROOT, check=True, env={**os.environ, "CGO_ENABLED": "0"})
    return path


@pytest.fixture
def registry(program):
    """registry(seconds) starts one whose layer takes so long."""
    made = []

    def start(seconds: float) -> Registry:
        made.append(Registry(program, seconds))
        return made[-1]

    yield start
    for one in made:
        one.close()
        docker("image", "rm", "--force", one.reference, check=False)


def pulled(image: str, **more) -> dict:
    return managed("tei", SMALL, image=image, pull="missing", args=ARGS, volumes=[], **more)


def test_pulled_with_progress(gateway, name, registry):
    source = registry(3)
    gw = gateway(routing(pulled(source.reference, start_wait="1s")))
    early = gw.embed("tei")
    print("while it is pulled:", early, "Retry-After", early.headers.get("Retry-After"))
    assert (early.status, early.error["code"]) == (503, "model_loading") and early.seconds < 2
    seen = until(lambda: (c := gw.container("tei"))["state"] == "pulling" and c.get("progress") and c, 10, "the pull's progress is shown")
    print("an admin sees:", seen["state"], "-", seen["progress"])
    assert gw.metric("state", upstream="tei", state="pulling") == 1 and gw.state("tei") == "loading"
    answer = until(lambda: (a := gw.embed("tei")).status == 200 and a, 20, "it is pulled, started and answers")
    took = gw.container("tei")["start_seconds"]
    print(f"then: {answer}; the start itself took {took} s")
    assert took < 3, "a pull is no part of a start"
    assert len(running(name)) == 1


def test_a_pull_that_takes_too_long(gateway, name, registry):
    source = registry(30)
    gw = gateway(routing(pulled(source.reference, pull_timeout="2s")))
    refused = gw.embed("tei")
    print(refused)
    assert refused.status == 503 and "pull_timeout" in refused.error["message"] and source.reference in refused.error["message"]
    assert 1.5 < refused.seconds < 5 and containers(name) == []


def test_a_registry_that_does_not_have_it(gateway, registry):
    source = registry(0)
    gw = gateway(routing(pulled(f"{source.address}/played/tei:other")))
    refused = gw.embed("tei")
    print(refused)
    assert refused.status == 503 and f"{source.address}/played/tei:other" in refused.error["message"]


def test_stopped_amid_a_pull(gateway, name, registry):
    source = registry(30)
    gw = gateway(routing(pulled(source.reference, preload=True)))
    until(lambda: gw.container("tei")["state"] == "pulling", 10, "it is pulled")
    took = gw.stop()
    print(f"the gateway ended in {took:.1f} s")
    assert took < 5 and containers(name) == []
