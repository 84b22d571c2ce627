"""The container engine as the tests see it, past the gateway."""

import datetime
import json
import os
import pathlib
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEI, VLLM, OLD_VLLM = "quadrate-played:tei", "quadrate-played:vllm", "quadrate-played-vllm:v0.9.2"
BASE = "quadrate-base:test"
INSTANCE, UPSTREAM = "io.quadrate.instance", "io.quadrate.upstream"


def docker(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=120)
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr or done.stdout}"
    return done.stdout.strip()


def inspect(container: str) -> dict:
    return json.loads(docker("inspect", container))[0]


def socket() -> str:
    """The path of the engine's socket."""
    return os.environ["DOCKER_HOST"].removeprefix("unix://")


def containers(instance: str) -> list[dict]:
    """What docker inspect says of an instance's containers, running or not, by upstream."""
    found = []
    for container in docker("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={INSTANCE}={instance}").split():
        found += json.loads(docker("inspect", container, check=False) or "[]")  # it may have gone meanwhile
    return sorted(found, key=upstream)


def upstream(container: dict) -> str:
    return container["Config"]["Labels"][UPSTREAM]


def running(instance: str) -> list[dict]:
    return [c for c in containers(instance) if c["State"]["Running"]]


def until(condition, seconds: float, what: str):
    """Waits until condition() is true, and returns what it said."""
    deadline = time.monotonic() + seconds
    while not (said := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return said


class Events:
    """Starts and ends of an instance's containers since this was made, in order."""

    def __init__(self, instance: str):
        self.instance, self.since = instance, datetime.datetime.now(datetime.UTC)

    def read(self) -> list[tuple[str, str, str]]:
        """(start or die, the upstream, the container's id) of each."""
        now = datetime.datetime.now(datetime.UTC)
        said = docker("events", "--since", self.since.isoformat(), "--until", now.isoformat(), "--filter", "type=container",
                      "--filter", "event=start", "--filter", "event=die", "--filter", f"label={INSTANCE}={self.instance}",
                      "--format", "{{json .}}")
        events = [json.loads(line) for line in said.splitlines()]
        return [(e["Action"], e["Actor"]["Attributes"][UPSTREAM], e["Actor"]["ID"]) for e in events]

    def starts(self) -> list[str]:
        """The upstreams that were started, in order."""
        return [name for action, name, _ in self.read() if action == "start"]

    def most_at_once(self) -> int:
        most, up = 0, set()
        for action, _, container in self.read():
            (up.add if action == "start" else up.discard)(container)
            most = max(most, len(up))
        return most
