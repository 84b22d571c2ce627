"""Managed containers on a real engine: DOCKER_HOST names it. `make managed-test` sets it all up."""

import itertools
import json
import os
import pathlib
import subprocess

import pytest
from engine import INSTANCE, ROOT, TEI, Events, containers, docker, socket, until
from gateway import MINILM, Gateway, ask

# Of names of containers, networks and instances; what is left of them at the end is a fault.
PREFIX = f"mt{os.getpid()}"
numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind():
    assert os.environ.get("DOCKER_HOST"), "DOCKER_HOST must name the engine; `make managed-test` starts one and sets it"
    before = volumes()
    yield
    # The names of containers that the gateway makes are its own, their instances are the tests'.
    all_of_them = [json.loads(line) for line in docker("ps", "--all", "--no-trunc", "--format", "{{json .}}").splitlines()]
    left = {
        "containers": [c["Names"] for c in all_of_them if PREFIX in c["Names"] or f"{INSTANCE}={PREFIX}-" in c["Labels"]],
        "networks": docker("network", "ls", "--filter", f"name={PREFIX}", "--format", "{{.Name}}").split(),
        "volumes": sorted(volumes() - before),
    }
    print("left behind on the engine:", left)
    assert not any(left.values()), left


def volumes() -> set[str]:
    """Those that no container uses; those of others' containers come and go."""
    return set(docker("volume", "ls", "--quiet", "--filter", "dangling=true").split())


@pytest.fixture
def name() -> str:
    """A name that nothing else has, of the test's own."""
    return f"{PREFIX}-{next(numbers)}"


@pytest.fixture
def gateway(tmp_path, name, request):
    """gateway(configuration, …) starts one; its containers are removed at the test's end."""
    made = []

    def start(config: dict, env: dict | None = None, **server) -> Gateway:
        folder = tmp_path / f"gateway-{len(made)}"
        folder.mkdir()
        made.append(Gateway(folder, name, config, env, **server))
        return made[-1]

    yield start
    for running in made:
        if running.process.poll() is None:
            running.kill()
    if getattr(request.node, "failed", False):
        for running in made:
            print(f"--- log of the gateway in {running.folder.name}:", *running.log[-150:], sep="\n")
    for container in [c for running in made for c in containers(running.instance)]:
        docker("rm", "--force", "--volumes", container["Id"], check=False)


@pytest.fixture
def watch(name):
    """watch() hears of the test's containers from now on."""
    made = []

    def start() -> Events:
        made.append(Events(name))
        return made[-1]

    yield start
    for events in made:
        events.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    item.failed = getattr(item, "failed", False) or report.failed
    return report


@pytest.fixture(scope="session")
def remote():
    """The base URL of a server with MiniLM that nobody manages."""
    container = docker("run", "--detach", "--name", f"{PREFIX}-remote", "--publish", "127.0.0.1::80", TEI, "--model-id", MINILM, "--port", "80")
    url = "http://" + docker("port", container, "80/tcp").splitlines()[0]

    def answers() -> bool:
        try:
            return ask(url + "/health").status == 200
        except OSError:
            return False

    until(answers, 30, "the remote server answers")
    yield url
    docker("rm", "--force", "--volumes", container)


class Engine:
    """Debian's engine, when scripts/image/engine.sh runs it."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder

    def pid(self) -> int:
        return int((self.folder / "docker.pid").read_text())

    def run(self, what: str) -> None:
        # Its output is not read: the engine that it starts would keep the pipe open.
        subprocess.run([ROOT / "scripts/image/engine.sh", what, self.folder], check=True, stdout=subprocess.DEVNULL, timeout=60)


@pytest.fixture
def own_engine() -> Engine:
    folder = pathlib.Path(os.environ.get("QUADRATE_ENGINE", ROOT / "var/docker-test")).resolve()
    ours = subprocess.run([ROOT / "scripts/image/engine.sh", "running", folder]).returncode == 0
    if not ours or socket() != str(folder / "docker.sock"):
        pytest.skip("the engine was not started by scripts/image/engine.sh, and is not restarted")
    return Engine(folder)
