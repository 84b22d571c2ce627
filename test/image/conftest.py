"""Runs the image named by IMAGE as an operator would: as it is, without rights, read-only."""

import json
import os
import pathlib
import subprocess
import time
import urllib.error
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
READY_TIMEOUT_S = 90
STRICT = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--pids-limit", "256"]


def docker(*arguments: str, check: bool = True, timeout: float = 300) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=timeout)
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr or done.stdout}"
    return done.stdout.strip()


class Container:
    """One container, its port 8000 published on a free one of loopback."""

    def __init__(self, *options: str, arguments: tuple[str, ...] = (), variant: str = ""):
        self.id = docker("run", "--detach", "--publish", "127.0.0.1::8000", *options, image() + variant, *arguments)

    def inspect(self) -> dict:
        return json.loads(docker("inspect", self.id))[0]

    def logs(self) -> str:
        done = subprocess.run(["docker", "logs", self.id], capture_output=True, text=True, timeout=60)
        return done.stdout + done.stderr

    def url(self) -> str:
        return "http://" + docker("port", self.id, "8000/tcp").splitlines()[0]

    def ask(self, path: str, body: dict | None = None) -> tuple[int, dict]:
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url() + path, data), timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def wait_ready(self) -> "Container":
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            assert self.inspect()["State"]["Running"], f"the container ended:\n{self.logs()}"
            try:
                if self.ask("/health/ready")[0] == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"not ready within {READY_TIMEOUT_S} s:\n{self.logs()}")

    def wait_ended(self, within: float = 60) -> int:
        """Its exit status."""
        return int(docker("wait", self.id, timeout=within))

    def wait_log(self, text: str, within: float = 60) -> None:
        deadline = time.monotonic() + within
        while text not in self.logs():
            assert time.monotonic() < deadline and self.inspect()["State"]["Running"], f"no {text!r} in:\n{self.logs()}"
            time.sleep(0.1)

    def remove(self) -> None:
        docker("rm", "--force", "--volumes", self.id, check=False)


def image() -> str:
    name = os.environ.get("IMAGE")
    assert name, "IMAGE must name the image to test; `make docker-test` builds one and sets it"
    return name


@pytest.fixture
def run():
    """run(options…, arguments=(…), variant="-slim") starts a container that the test's end removes."""
    made = []

    def start(*options: str, **rest) -> Container:
        made.append(Container(*options, **rest))
        return made[-1]

    yield start
    for container in made:
        container.remove()


@pytest.fixture(scope="module")
def served():
    """A container under the strictest usual settings, ready; shared by the tests of a file."""
    container = Container(*STRICT)
    try:
        yield container.wait_ready()
    finally:
        container.remove()
