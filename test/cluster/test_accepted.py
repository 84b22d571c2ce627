"""The API server takes all that the chart renders, with every field known to it and by its own rules."""

import json
import pathlib
import subprocess

import pytest
from conftest import CHART, EXAMPLES, MANIFESTS, ROOT, helm, kubectl
from schemas import CUSTOM

EVERYTHING = ["--values", ROOT / "test/k8s/everything.yaml"]
SETS = {"everything": EVERYTHING, "defaults": [], "rerank-hpa": ["--set", "rerank.hpa.enabled=true,router.keda.enabled=true"],
        "no-router": ["--set", "router.enabled=false"], **{file.stem: ["--values", file] for file in EXAMPLES}}


@pytest.fixture(scope="module")
def strict(namespace):
    """apply(manifest, namespace) has the API server check all that an apply would, and writes nothing."""
    for module, files in CUSTOM.items():
        told = subprocess.run(["go", "mod", "download", "-json", module], cwd=ROOT, check=True, capture_output=True, text=True).stdout
        for name in files:
            kubectl("apply", "--server-side", "-f", pathlib.Path(json.loads(told)["Dir"]) / name)
    kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
    home = namespace("accepted")

    def apply(manifest: str, **more):
        return kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", "-n", home, "-f", "-", data=manifest, **more)
    return apply


def rendered(*args) -> str:
    return helm("template", "quadrate", CHART, "--namespace", "accepted", "--kube-version", "1.34.0", *args).stdout


@pytest.mark.parametrize("name", SETS)
def test_the_chart(name, strict):
    done = strict(rendered(*SETS[name]))
    assert done.stdout.count("serverside-applied") > 5
    # Of settings that are deprecated, and of pods that are not restricted.
    assert "Warning" not in done.stderr, done.stderr


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda f: f.stem)
def test_the_manifests(file, strict):
    done = strict(file.read_text(encoding="utf-8").replace("namespace: quadrate\n", "namespace: accepted\n"))
    assert done.stdout.count("serverside-applied") > 5 and "Warning" not in done.stderr, done.stderr


@pytest.mark.parametrize(("right", "wrong", "says"), [
    ("terminationGracePeriodSeconds: 80", "terminationGracePeriodSecond: 80", "field not declared in schema"),
    ("maxUnavailable: 0", "maxUnavailable: -1", "must be greater than or equal to 0"),
    ("minReplicaCount: 1", "minReplicas: 1", "field not declared in schema"),
    ("pathType: Prefix", "pathType: Beginning", "Unsupported value"),
    ("timeouts: {request: 310s}", "timeouts: {request: soon}", "should match"),
    ("runAsNonRoot: true", "runAsNonRoot: false", "would violate PodSecurity"),
])
def test_what_is_wrong_is_refused(right, wrong, says, strict):
    """The check itself: what schemas know, and what only the server does."""
    manifest = rendered(*EVERYTHING)
    assert right in manifest
    done = strict(manifest.replace(right, wrong), check=False)
    assert (done.returncode != 0 or "Warning" in done.stderr) and says in done.stderr, done.stderr
