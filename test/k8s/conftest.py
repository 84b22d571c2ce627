"""The chart, rendered by Helm, and what checks it."""

import json
import pathlib
import shutil
import subprocess

import pytest
import schemas
import yaml

from servers import ROOT

CHART = ROOT / "deploy/k8s/quadrate"
EXAMPLES = sorted((ROOT / "deploy/k8s/examples").glob("*.yaml"))
HELM = ROOT / "var/tools/helm"
KUBECONFORM = ROOT / "var/tools/kubeconform"
# The oldest that Chart.yaml admits and the newest that there are schemas for.
VERSIONS = ["1.27.0", "1.37.0"]


def helm(*args, check=True) -> subprocess.CompletedProcess:
    done = subprocess.run([HELM, *map(str, args)], capture_output=True, text=True)
    assert not check or done.returncode == 0, done.stderr
    return done


def template(*args, version=VERSIONS[-1], check=True) -> subprocess.CompletedProcess:
    return helm("template", "quadrate", CHART, "--namespace", "quadrate", "--kube-version", version, *args, check=check)


def render(*args) -> dict[tuple[str, str], dict]:
    """The objects by kind and name."""
    found = {}
    for item in yaml.safe_load_all(template(*args).stdout):
        if item:
            key = item["kind"], item["metadata"]["name"]
            assert key not in found, key
            found[key] = item
    return found


@pytest.fixture(scope="session")
def locations(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("schemas")
    for version in VERSIONS:
        schemas.core(version, folder / f"v{version}")
    schemas.custom(folder / "custom")
    return folder


@pytest.fixture
def conform(locations, tmp_path):
    """Checks a manifest strictly by Kubernetes' and the custom resources' schemas."""
    def check(manifest: str, version: str) -> list[dict]:
        file = tmp_path / "manifest.yaml"
        file.write_text(manifest, encoding="utf-8")
        done = subprocess.run([
            KUBECONFORM, "-strict", "-output", "json", "-verbose", "-kubernetes-version", version,
            "-schema-location", f"{locations}/v{version}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json",
            "-schema-location", f"{locations}/custom/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json", file,
        ], capture_output=True, text=True)
        assert done.returncode in (0, 1), done.stderr
        return json.loads(done.stdout)["resources"]
    return check


def pods(objects: dict) -> dict[str, dict]:
    """The pods' specifications by component."""
    return {
        item["metadata"]["labels"]["app.kubernetes.io/component"]: item["spec"]["template"]["spec"]
        for (kind, _), item in objects.items() if kind == "Deployment"
    }
