"""The container engine as the tests see it, past the gateway."""

import json
import os
import pathlib
import subprocess
import threading
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
    """Starts and ends of an instance's containers since this was made, in order. The engine remembers few, so that it is listened to all the time."""

    def __init__(self, instance: str):
        filters = ["type=container", "event=start", "event=die", f"label={INSTANCE}={instance}"]
        self.process = subprocess.Popen(
            ["docker", "events", "--since", str(time.time()), "--format", "{{json .}}", *[word for f in filters for word in ("--filter", f)]],
            stdout=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self.reader = threading.Thread(target=self.listen, daemon=True)
        self.reader.start()

    def listen(self) -> None:
        for line in self.process.stdout:
            self.lines.append(line)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.reader.join()

    def read(self) -> list[tuple[str, str, str]]:
        """(start or die, the upstream, the container's id) of each."""
        known = -1
        while known != len(self.lines):
            known = len(self.lines)
            time.sleep(0.2)
        events = [json.loads(line) for line in self.lines]
        return [(e["Action"], e["Actor"]["Attributes"][UPSTREAM], e["Actor"]["ID"]) for e in events]

    def starts(self) -> list[str]:
        """The upstreams that were started, in order."""
        return [name for action, name, _ in self.read() if action == "start"]

    def most_at_once(self, *upstreams: str) -> int:
        """How many containers ran at once, of all or of these upstreams."""
        most, up = 0, set()
        for action, name, container in self.read():
            if not upstreams or name in upstreams:
                (up.add if action == "start" else up.discard)(container)
                most = max(most, len(up))
        return most
