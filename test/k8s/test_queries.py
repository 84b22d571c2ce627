"""What alerts, autoscalers and the dashboard ask Prometheus for is told by the servers, by these names and with these labels."""

import json
import re
import subprocess

import pytest
import yaml
from conftest import CHART, ROOT, render

SCRAPED = {"namespace", "pod", "job", "instance"}  # what Prometheus adds
LABELS = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in re.findall(
    r"^\| `(\w+)` \| \w+ \| ([^|]*) \|", (ROOT / "docs/metrics.md").read_text(encoding="utf-8"), re.MULTILINE)}  # a test of metrics holds it


def alerts() -> list[tuple[str, str, str]]:
    rules = yaml.safe_load((CHART / "files/alerts.yaml").read_text(encoding="utf-8"))["groups"][0]["rules"]
    return [(rule["alert"], rule["expr"], str(rule["annotations"])) for rule in rules]


def scalers() -> list[tuple[str, str, str]]:
    objects = render("--set", "router.keda.enabled=true,rerank.keda.enabled=true")
    return [(name, item["spec"]["triggers"][0]["metadata"]["query"], "") for (kind, name), item in objects.items() if kind == "ScaledObject"]


def panels(board: dict):
    for panel in board["panels"]:
        yield panel
        yield from panels(panel) if "panels" in panel else ()


def dashboard() -> list[tuple[str, str, str]]:
    board = json.loads((ROOT / "deploy/compose/grafana/dashboards/quadrate.json").read_text(encoding="utf-8"))
    return [(panel["title"], target["expr"], re.sub(r"\{\{(\w+)\}\}", r"{{ $labels.\1 }}", target.get("legendFormat") or ""))
            for panel in panels(board) for target in panel.get("targets", [])]


def labels_of(metric: str) -> set[str]:
    """Those that its series have; of histograms also their buckets."""
    if metric == "up" or metric.startswith("process_"):
        return SCRAPED
    base = re.sub(r"_(bucket|sum|count)$", "", metric)
    told = LABELS[metric] if metric in LABELS else LABELS[base]
    return SCRAPED | told | ({"le"} if metric.endswith("_bucket") else set())


def split(names: str) -> set[str]:
    return {name.strip() for name in names.split(",")}


def faults(expr: str, shown: str) -> list[str]:
    """Labels that a query asks for, or that a text shows, and that are not there."""
    plain = re.sub(r'"[^"]*"', '""', expr)
    metrics = re.findall(r"\b(quadrate_\w+|process_\w+|up)\b", plain)
    found, known = [], set().union(*(labels_of(metric) for metric in metrics))
    if not metrics:
        found.append("no metric")
    for metric, selector in re.findall(r"\b(quadrate_\w+|process_\w+|up)\{([^}]*)\}", plain):
        found += [f"{metric} has no label {name}" for name in re.findall(r"(\w+)\s*[=!]", selector) if name not in labels_of(metric)]
    grouped = [split(names) for names in re.findall(r"\bby \(([^)]*)\)", plain)]
    matched = [split(names) for names in re.findall(r"\b(?:on|ignoring) \(([^)]*)\)", plain)]
    found += [f"nothing has the label {name}" for names in grouped + matched for name in names - known]
    left = set.intersection(*grouped) if grouped else set() if re.match(r"(sum|avg|max|min|absent)\(", plain) else known
    found += [f"the answer has no label {name}" for name in set(re.findall(r"\$labels\.(\w+)", shown)) - left]
    return found


@pytest.mark.parametrize(("source", "expr", "shown"), [*alerts(), *scalers(), *dashboard()], ids=lambda value: value if " " not in value else "")
def test_labels_are_there(source, expr, shown):
    assert not faults(expr, shown), (source, faults(expr, shown))


@pytest.mark.parametrize(("expr", "shown", "fault"), [
    ('rate(quadrate_errors_total{route="x"}[5m])', "", "quadrate_errors_total has no label route"),
    ("sum by (job, status) (quadrate_queue_seconds)", "", "nothing has the label status"),
    ("sum by (job) (rate(quadrate_runs_total[5m]))", "{{ $labels.model }}", "the answer has no label model"),
    ("sum(quadrate_queue_seconds)", "{{ $labels.job }}", "the answer has no label job"),
    ("quadrate_queue_seconds > 2", "{{ $labels.upstream }}", "the answer has no label upstream"),
    ("vector(1)", "", "no metric"),
])
def test_what_is_not_there_is_found(expr, shown, fault):
    assert fault in faults(expr, shown)


def test_the_chart_has_the_dashboard_of_compose():
    """scripts/k8s/render.sh copies it."""
    board = json.loads((ROOT / "deploy/compose/grafana/dashboards/quadrate.json").read_text(encoding="utf-8"))
    objects = render("--set", "grafanaDashboard.enabled=true,grafanaDashboard.annotations.grafana_folder=Models")
    config = objects["ConfigMap", "quadrate-dashboard"]
    assert json.loads(config["data"]["quadrate.json"]) == board
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1" and config["metadata"]["annotations"] == {"grafana_folder": "Models"}
    assert ("ConfigMap", "quadrate-dashboard") not in render()


def test_prometheus_answers_what_alerts_mean():
    """By its own engine, in test/k8s/alerts."""
    done = subprocess.run(["go", "test", "-count=1", "./..."], cwd=ROOT / "test/k8s/alerts", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
