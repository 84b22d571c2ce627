"""A Kubernetes cluster that `make k8s-test` has started; the tests run on its first node."""

import json
import os
import subprocess
import time

import pytest

from servers import ROOT

CHART = ROOT / "deploy/k8s/quadrate"
EXAMPLES = sorted((ROOT / "deploy/k8s/examples").glob("*.yaml"))
MANIFESTS = sorted((ROOT / "deploy/k8s/manifests").glob("*.yaml"))
VALUES = ROOT / "test/cluster/values.yaml"
HELM = ROOT / "var/tools/helm"
KUBECTL = ROOT / "var/k8s/bin/kubectl"
KUBECONFIG = os.environ["CLUSTER_KUBECONFIG"]
# What no pod may do is refused, and what it should not do is told of.
STRICT = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}


def run(program, *args, data: str | None = None, check=True, timeout=400) -> subprocess.CompletedProcess:
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/root"), "KUBECONFIG": KUBECONFIG}
    done = subprocess.run([program, *map(str, args)], input=data, env=env, capture_output=True, text=True, timeout=timeout)
    assert not check or done.returncode == 0, f"{program.name} {' '.join(map(str, args))}: {done.stderr}{done.stdout}"
    return done


def kubectl(*args, **more) -> subprocess.CompletedProcess:
    return run(KUBECTL, *args, **more)


def helm(*args, **more) -> subprocess.CompletedProcess:
    return run(HELM, *args, **more)


def got(*args) -> dict:
    return json.loads(kubectl("get", *args, "-o", "json").stdout)


def until(condition, seconds: float, what: str):
    """Waits until condition() is true, and returns what it said."""
    deadline = time.monotonic() + seconds
    while not (said := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.2)
    return said


@pytest.fixture(scope="session")
def namespace():
    """Makes a namespace in which pods have to be as restricted as Kubernetes knows."""
    made = []

    def make(name: str) -> str:
        kubectl("apply", "-f", "-", data=json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": STRICT}}))
        made.append(name)
        return name
    yield make
    for name in made:
        kubectl("delete", "namespace", name, "--wait=false")
