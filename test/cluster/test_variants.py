"""Releases with what not everybody has: certificates in the pods, models on a volume, rerank alone."""

import json
import os
import shutil
import ssl
import subprocess

import httpx
import pytest
from conftest import ROOT, kubectl, until
from load import DOCUMENTS, QUERY
from release import Release

ASKED = {"model": "default", "query": QUERY, "documents": DOCUMENTS}


def openssl(*args) -> None:
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)


def certificate(folder, name: str) -> None:
    """name.crt and name.key, signed by the folder's authority."""
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.csr", "-subj", f"/CN={name}")
    (folder / "names").write_text(f"subjectAltName=DNS:{name}", encoding="utf-8")
    openssl("x509", "-req", "-in", folder / f"{name}.csr", "-CA", folder / "ca.crt", "-CAkey", folder / "ca.key", "-CAcreateserial",
            "-days", "1", "-out", folder / f"{name}.crt", "-extfile", folder / "names")


@pytest.fixture
def certificates(tmp_path):
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "ca.key", "-out", tmp_path / "ca.crt", "-days", "1", "-subj", "/CN=test authority")

    def secret(release: Release, name: str, host: str) -> None:
        certificate(tmp_path, host)
        release.kubectl("create", "secret", "generic", name, f"--from-file=tls.crt={tmp_path / host}.crt", f"--from-file=tls.key={tmp_path / host}.key",
                        f"--from-file=ca.crt={tmp_path / 'ca.crt'}")
    secret.authority = ssl.create_default_context(cafile=tmp_path / "ca.crt")
    return secret


def test_certificates_in_the_pods(namespace, certificates):
    """Callers speak HTTPS to the router, the router to rerank, whose certificate it checks, and kubelet to both."""
    release = Release(namespace("certificates"))
    certificates(release, "router-tls", "models.example")
    certificates(release, "rerank-tls", f"quadrate-rerank-pods.{release.namespace}.svc")
    release.upgrade("--set", "router.tls.existingSecret=router-tls,rerank.tls.existingSecret=rerank-tls,router.replicas=1,rerank.replicas=1")
    address = release.pods("router")[0]["status"]["podIP"]

    with httpx.Client(verify=certificates.authority, trust_env=False, timeout=60) as http:
        def ask(url: str) -> httpx.Response:
            return http.post(url + "/v1/rerank", json=ASKED, extensions={"sni_hostname": "models.example"})

        answer = ask(release.url("router").replace("http://", "https://"))
        assert answer.status_code == 200 and [r["index"] for r in answer.json()["results"]] == [1, 0], answer.text
        # A certificate for another name is not taken.
        release.kubectl("delete", "secret", "rerank-tls")
        certificates(release, "rerank-tls", "somebody.example")
        release.kubectl("rollout", "restart", "deployment/quadrate-rerank")
        release.kubectl("rollout", "status", "deployment/quadrate-rerank", "--timeout=180s")
        answer = until(lambda: (said := ask(f"https://{address}:8000")).status_code != 200 and said, 60, "the router refuses rerank's new certificate")
        assert answer.status_code in (502, 503), answer.text


@pytest.fixture
def volume(namespace, tmp_path):
    """A volume with MiniLM in it that several pods may have: a folder, as both nodes are on one machine."""
    folder = ROOT / "var/k8s/cluster/models"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "var/models/all-MiniLM-L6-v2", folder / "minilm")
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, 10001, 10001)
    kubectl("apply", "-f", "-", data=json.dumps({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "models"},
        "spec": {"capacity": {"storage": "50Gi"}, "accessModes": ["ReadWriteMany"], "persistentVolumeReclaimPolicy": "Retain",
                 "storageClassName": "", "hostPath": {"path": str(folder)}}}))
    yield folder
    kubectl("delete", "persistentvolume", "models", "--wait=false")


def test_models_on_a_volume_and_rerank_alone(namespace, volume):
    release = Release(namespace("volume"))
    release.upgrade("--set", "router.enabled=false,storage.enabled=true",
                    "--set-json", 'rerank.models=[{"name": "minilm", "aliases": ["default"], "path": "minilm", "tasks": ["embed", "rerank"]}]')
    claim = release.got("pvc", "quadrate-models")
    assert claim["status"]["phase"] == "Bound" and {pod["spec"]["nodeName"] for pod in release.ready("rerank")} == {"node-1", "node-2"}
    answer = httpx.post(release.url("rerank") + "/v1/rerank", json=ASKED, verify=False, trust_env=False, timeout=60)
    assert answer.status_code == 200 and [r["index"] for r in answer.json()["results"]] == [1, 0], answer.text
    for pod in release.pods("rerank"):
        release.execute(pod["metadata"]["name"], "touch", "/models/written")
