"""A release of the chart in the cluster, as its operators see it."""

import json
import os
import pathlib
import signal
import subprocess

from conftest import CHART, KUBECONFIG, KUBECTL, VALUES, got, helm, kubectl, until


class Release:
    def __init__(self, namespace: str):
        self.namespace = namespace

    def upgrade(self, *args, wait=True) -> None:
        """Installs or upgrades it with the tests' values and more; returns once all pods are new and ready."""
        helm("upgrade", "--install", "quadrate", CHART, "--namespace", self.namespace, "--values", VALUES, *args, *(["--wait", "--timeout", "5m"] if wait else []))

    def rollback(self) -> None:
        helm("rollback", "quadrate", "--namespace", self.namespace, "--wait", "--timeout", "5m")

    def kubectl(self, *args, **more) -> subprocess.CompletedProcess:
        return kubectl("-n", self.namespace, *args, **more)

    def got(self, *args) -> dict:
        return got("-n", self.namespace, *args)

    def pods(self, component: str) -> list[dict]:
        """A workload's pods that are not about to end."""
        found = self.got("pods", "-l", f"app.kubernetes.io/component={component}")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def names(self, component: str) -> set[str]:
        return {pod["metadata"]["name"] for pod in self.pods(component)}

    def ready(self, component: str) -> list[dict]:
        return [pod for pod in self.pods(component) if condition(pod, "Ready")]

    def settled(self, component: str, count: int = 2) -> None:
        """Waits until all of a workload's pods are there, ready, and no other is left."""
        def done():
            all_pods = self.got("pods", "-l", f"app.kubernetes.io/component={component}")["items"]
            return len(all_pods) == count and len(self.ready(component)) == count
        until(done, 180, f"{count} pods of {component} are ready and no other is left")

    def url(self, component: str) -> str:
        """A Service's address, which any node leads to a pod."""
        spec = self.got("service", f"quadrate-{component}")["spec"]
        return f"http://{spec['clusterIP']}:{spec['ports'][0]['port']}"

    def execute(self, pod: str, *command, check=True) -> subprocess.CompletedProcess:
        return self.kubectl("exec", pod, "--", *command, check=check)

    def kill(self, pod: dict) -> None:
        """Ends a pod's server as a crash would, and waits until it has been started again and is ready."""
        name, status = pod["metadata"]["name"], pod["status"]["containerStatuses"][0]
        os.kill(process_of(status["containerID"].rsplit("/", 1)[1]), signal.SIGKILL)
        until(lambda: self.got("pod", name)["status"]["containerStatuses"][0]["restartCount"] == status["restartCount"] + 1, 60, "the container has been started again")
        until(lambda: condition(self.got("pod", name), "Ready"), 120, "it is ready")

    def watch(self, pod: str) -> "Watch":
        return Watch(self.namespace, pod)


class Watch:
    """What a pod goes through until it is gone, by the API server's own account."""

    def __init__(self, namespace: str, pod: str):
        command = [KUBECTL, "--kubeconfig", KUBECONFIG, "-n", namespace, "get", "pod", pod, "--watch", "--output-watch-events", "-o", "json"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def states(self) -> list[dict]:
        """Reads until the pod is deleted, and returns each of its states."""
        decoder, text, seen = json.JSONDecoder(), "", []
        for line in self.process.stdout:
            text += line
            try:
                event, _ = decoder.raw_decode(text.lstrip())
            except json.JSONDecodeError:
                continue
            text = ""
            seen.append(event["object"])
            if event["type"] == "DELETED":
                break
        self.process.kill()
        self.process.wait()
        return seen


def process_of(container: str) -> int:
    """The first process of a container, by its control group: the nodes are on one machine."""
    found = [int(folder.name) for folder in pathlib.Path("/proc").glob("[0-9]*") if container in text(folder / "cgroup")]
    assert found, f"no process of {container}"
    return min(found)


def text(file: pathlib.Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""  # it has ended meanwhile


def condition(pod: dict, name: str) -> bool:
    return any(c["type"] == name and c["status"] == "True" for c in pod["status"].get("conditions", []))


def ended(states: list[dict]) -> dict:
    """How a pod's container ended."""
    found = [status["state"]["terminated"] for state in states for status in state["status"].get("containerStatuses", []) if "terminated" in status["state"]]
    assert found, "the container's end was not told"
    return found[-1]
