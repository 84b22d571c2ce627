"""What the chart configures is what the program takes: both workloads run with their ConfigMaps."""

import contextlib
import re
import shutil
import subprocess

import pytest
import yaml
from conftest import CHART, EXAMPLES, ROOT, pods, render
from names import unknown

from servers import MODEL, QUADRATE, Server, first, http, ready


def mounted(text: str, folder) -> str:
    """The paths of secrets, as files of the folder."""
    return re.sub(r"/etc/quadrate/(rerank-key|rerank-ca|tls)/", f"{folder}/", text)


def files(objects: dict, component: str, folder, **server) -> str:
    """Writes a workload's files as its pod has them, but for paths, MiniLM for every model and the CPU for a GPU; returns server.yaml's path."""
    settings = {}
    for (kind, name), item in objects.items():
        if kind == "ConfigMap" and name.removeprefix("quadrate-") in (component, "auth", "limits"):
            settings |= item["data"]
    config = yaml.safe_load(settings.pop("server.yaml"))
    config["server"] |= {"host": "127.0.0.1", "port": 0, "drain_delay": "0s", **server}
    config["files"] = {key: str(folder / re.sub(r".*/", "", path)) for key, path in config["files"].items()}
    config["models_dir"] = str(ROOT / "var/models")
    config["runtime"] = {"tensorrt_cache": str(folder / "trt")}
    for model in config["models"]:
        model["path"] = "all-MiniLM-L6-v2"
    (folder / "key").write_text("qd_secret", encoding="utf-8")
    for part in config["server"].get("tls", {}):
        config["server"]["tls"][part] = mounted(config["server"]["tls"][part], folder)
    for name, text in settings.items():
        (folder / name).write_text(mounted(text, folder), encoding="utf-8")
    for name in ("auth.yaml", "rate_limits.yaml"):
        if not (folder / name).exists():
            (folder / name).write_text("{}", encoding="utf-8")  # a secret's
    (folder / "server.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return str(folder / "server.yaml")


def start(config: str, folder) -> Server:
    process = subprocess.Popen([QUADRATE, "-config", config], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return Server("http://" + first(process, folder / "server.log", ready), process)


def folders(tmp_path) -> dict:
    made = {component: tmp_path / component for component in ("rerank", "router")}
    for folder in made.values():
        folder.mkdir()
    return made


@contextlib.contextmanager
def both(objects: dict, at: dict, scheme: str):
    """Runs rerank, and the router before it, whose address of rerank's pods is this machine's."""
    rerank = start(files(objects, "rerank", at["rerank"]), at["rerank"])
    try:
        config = files(objects, "router", at["router"])
        routing = at["router"] / "routing.yaml"
        port = rerank.url.rsplit(":", 1)[1]
        pods_address = rf"dns\+{scheme}://quadrate-rerank-pods\.quadrate\.svc:8000"
        text, changed = re.subn(pods_address, f"dns+{scheme}://localhost:{port}", routing.read_text(encoding="utf-8"))
        assert changed == 1
        routing.write_text(text, encoding="utf-8")
        router = start(config, at["router"])
        try:
            yield router, rerank
        finally:
            router.stop()
    finally:
        rerank.stop()


def test_the_router_serves_what_rerank_holds(tmp_path):
    with both(render(), folders(tmp_path), "http") as (router, rerank):
        asked = {"query": "How do I reset my password?", "documents": ["The cafeteria opens at nine.", "Choose Security, then Forgot password."]}
        answers = {}
        for model in ("sentence-transformers/all-MiniLM-L6-v2", "all-MiniLM-L6-v2", "default"):
            answer = http.post(router.url + "/v1/rerank", json={"model": model, **asked})
            assert answer.status_code == 200, answer.text
            answers[model] = answer.json()["results"]
        direct = http.post(rerank.url + "/v1/rerank", json={"model": "default", **asked}).json()["results"]
        assert all(results == direct for results in answers.values())
        assert http.get(router.url + "/health/ready").status_code == 200
        for server, workload in ((router, "router"), (rerank, "rerank")):
            held = http.get(server.url + "/metrics").text
            assert ("quadrate_queue_seconds" in held) and ("quadrate_upstream_in_flight" in held) == (workload == "router")


def certificate(folder, name: str) -> None:
    """tls.crt and tls.key for a name, and ca.crt of who signed them: a secret as cert-manager makes it."""
    def openssl(*args) -> None:
        subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, cwd=folder)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-days", 1, "-subj", "/CN=authority")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "tls.key", "-out", "tls.csr", "-subj", "/CN=rerank")
    (folder / "names").write_text(f"subjectAltName=DNS:{name}", encoding="utf-8")
    openssl("x509", "-req", "-in", "tls.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", 1, "-out", "tls.crt", "-extfile", "names")


@pytest.mark.parametrize(("name", "status"), [("localhost", 200), ("somebody.else", 502)])
def test_the_router_asks_rerank_for_its_certificate(name, status, tmp_path):
    objects = render("--set", "rerank.tls.existingSecret=rerank-tls")
    at = folders(tmp_path)
    certificate(at["rerank"], name)
    shutil.copy(at["rerank"] / "ca.crt", at["router"])
    with both(objects, at, "https") as (router, _):
        answer = http.post(router.url + "/v1/rerank", json={"model": "default", "query": "a", "documents": ["b", "a"]})
        assert answer.status_code == status, answer.text


@pytest.mark.parametrize("file", [*EXAMPLES, ROOT / "test/k8s/everything.yaml"], ids=lambda f: f.stem)
def test_the_program_takes_every_examples_files(file, tmp_path):
    objects = render("--values", file)
    checked = 0
    for component in ("router", "rerank"):
        if ("ConfigMap", f"quadrate-{component}") not in objects:
            continue
        folder = tmp_path / component
        folder.mkdir()
        certificate(folder, "localhost")
        config = files(objects, component, folder)
        done = subprocess.run([QUADRATE, "-check", "-config", config], cwd=folder, capture_output=True, text=True,
                              env={"PATH": "/usr/bin:/bin", "REDIS_URL": "redis://redis:6379/0"})
        assert done.returncode == 0, done.stdout + done.stderr
        want = objects["ConfigMap", f"quadrate-{component}"]["data"]
        models = yaml.safe_load(want["server.yaml"])["models"] + (yaml.safe_load(want["routing.yaml"]).get("models") or [])
        assert len(models) == len(re.findall(r"^  \S+ from ", done.stdout, re.MULTILINE)), done.stdout
        checked += 1
    assert checked


def test_the_exporter_takes_what_the_init_container_says():
    """With a model that is there, as nothing can be fetched."""
    values = ["--set", f"fetch.enabled=true,fetch.models={{{MODEL}}},fetch.args={{--variant,fp32}}"]
    [container] = pods(render(*values))["rerank"]["initContainers"]
    args = [arg.replace("/models/all-MiniLM-L6-v2", str(ROOT / "var/models/all-MiniLM-L6-v2")) for arg in container["args"]]
    done = subprocess.run([ROOT / "scripts/export_onnx.sh", *args], capture_output=True, text=True)
    assert done.returncode == 0 and "is there (fp32), and is left as it is" in done.stdout, done.stdout + done.stderr


def alerts() -> list[dict]:
    return yaml.safe_load((CHART / "files/alerts.yaml").read_text(encoding="utf-8"))["groups"][0]["rules"]


def test_alerts_name_metrics_that_there_are():
    told = alerts()
    runbook = (ROOT / "docs/runbook.md").read_text(encoding="utf-8").lower()
    assert len({alert["alert"] for alert in told}) == len(told)
    for alert in told:
        assert not unknown(alert["expr"]), unknown(alert["expr"])
        assert f"\n## {alert['alert'].lower()}\n" in runbook, f"docs/runbook.md has no section {alert['alert']}"


def test_the_rule_is_the_file():
    rule = render("--set", "prometheusRule.enabled=true,prometheusRule.runbook=https://wiki.example/runbook")["PrometheusRule", "quadrate"]
    told = alerts()
    rules = rule["spec"]["groups"][0]["rules"]
    for one, mine in zip(told, rules, strict=True):
        metrics = re.findall(r"\b(?:quadrate_[a-z_]+|up)\b", one["expr"])
        here = re.findall(r'\b(?:quadrate_[a-z_]+|up)\{namespace="quadrate"', mine["expr"])
        assert metrics and len(here) == len(metrics), mine["expr"]  # each metric is this release's
        plain = re.sub(r'\{namespace="quadrate"\}', "", mine["expr"]).replace('namespace="quadrate", ', "")
        assert plain == one["expr"].replace('job=~".*quadrate.*"', 'job=~"quadrate-(router|rerank)"')
        one["expr"] = mine["expr"]
    for mine in rules:
        assert mine["annotations"].pop("runbook_url") == "https://wiki.example/runbook#" + mine["alert"].lower()
    assert rules == told
