"""What the chart makes of a cluster that it sees: a server plays as much of Kubernetes' API as Helm asks for."""

import contextlib
import http.server
import json
import threading

import pytest
import yaml
from conftest import CHART, VERSIONS, helm

RESOURCES = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "apps/v1", "resources": [
    {"name": "deployments", "singularName": "deployment", "namespaced": True, "kind": "Deployment", "verbs": ["get"]}]}
ANSWERS = {
    "/version": {"major": "1", "minor": "37", "gitVersion": "v1.37.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [
        {"name": "apps", "versions": [{"groupVersion": "apps/v1", "version": "v1"}], "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"}}]},
    "/apis/apps/v1": RESOURCES,
    "/apis/apps/v1/namespaces/quadrate/deployments/quadrate-rerank": {
        "kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "quadrate-rerank", "namespace": "quadrate"}, "spec": {"replicas": 5}},
}


class Player(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        answer = ANSWERS.get(self.path.partition("?")[0])
        missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404, "message": "not found"}
        self.send_response(200 if answer else 404)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer or missing).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def cluster(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECACHEDIR", str(tmp_path))  # what Helm learns of it is nobody else's
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Player) as server, contextlib.ExitStack() as after:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        after.callback(thread.join)
        after.callback(server.shutdown)
        yield f"http://127.0.0.1:{server.server_port}"


def replicas(cluster: str, *args) -> dict[str, int | None]:
    done = helm("template", "quadrate", CHART, "--namespace", "quadrate", "--kube-version", VERSIONS[-1], "--dry-run=server", "--kube-apiserver", cluster, *args)
    return {item["metadata"]["labels"]["app.kubernetes.io/component"]: item["spec"].get("replicas") for item in yaml.safe_load_all(done.stdout) if item and item["kind"] == "Deployment"}


def test_an_autoscaler_that_is_enabled_finds_the_replicas_that_there_are(cluster):
    assert replicas(cluster) == {"router": 2, "rerank": 1}
    for scaler in ("hpa", "keda"):
        on = [part for component in ("router", "rerank") for part in ("--set", f"{component}.{scaler}.enabled=true")]
        assert replicas(cluster, *on) == {"router": None, "rerank": 5}  # there is no router yet
