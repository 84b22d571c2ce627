"""What the documents for operators name is there: metrics, log lines, values, commands."""

import os
import re
import subprocess

import pytest
import yaml
from conftest import ROOT, VERSIONS, pods, render, template
from names import unknown

from servers import QUADRATE

PAGES = ("runbook", "kubernetes", "performance", "security", "migration", "containers")
TEXT = {name: (ROOT / f"docs/{name}.md").read_text(encoding="utf-8") for name in PAGES}
DRILLS = TEXT["runbook"].partition("\n# Drills\n")[2]


def source(*folders: str) -> str:
    """The program's own text, without its tests."""
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob("*.go")) if not file.name.endswith("_test.go")]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


@pytest.mark.parametrize("page", PAGES)
def test_metrics_are_there(page):
    assert not unknown(TEXT[page]), unknown(TEXT[page])


def test_log_lines_are_there():
    """Every word of the runbook that is said to stand in the log."""
    program = source("cmd/server", "inference")
    for line in (
        "a run panicked", "upstream request failed", "reload refused: the old configuration stays in force", "the start failed",
        "execution provider refused, trying the next", "model failed", "building TensorRT engine", "settings have changed that take a restart",
        "a part of the model's matrix products and attentions runs on the CPU, not on its execution provider", "container failed",
        "the store of rate limits is away: this server allows its own share", "rate limits are shared through their store",
        "the container engine is away", "a run outlasted its limit", "its runs fail",
    ):
        assert line in TEXT["runbook"], line
        assert line in program, line


def test_codes_are_there():
    told = set(re.findall(r"^\| (`[a-z_`, ]+`) \| ", TEXT["runbook"].partition("## QuadrateErrors")[2].partition("\n## ")[0], re.MULTILINE))
    codes = {code for cell in told for code in re.findall(r"[a-z_]+", cell)}
    assert len(codes) > 6
    for code in codes:
        assert f'"{code}"' in source("api"), code


YAML = re.findall(r"```yaml\n(.*?)```", TEXT["kubernetes"], re.DOTALL)


def values(holding: str, tmp_path):
    """A file with the page's values that hold a word."""
    [block] = [block for block in YAML if holding in block]
    file = tmp_path / "values.yaml"
    file.write_text(block, encoding="utf-8")
    return file


def test_the_pages_yaml_is_yaml():
    assert len([yaml.safe_load(block) for block in YAML]) == 4


def test_the_pages_private_authority_is_where_it_is_named(tmp_path):
    objects = render("--values", values("company-ca", tmp_path))
    folder = "/etc/authorities/"
    assert folder in objects["ConfigMap", "quadrate-router"]["data"]["routing.yaml"]
    found = pods(objects)
    fetch = found["rerank"]["initContainers"][0]
    assert fetch["env"][0]["value"].startswith(folder)
    for pod, container in ((found["router"], found["router"]["containers"][0]), (found["rerank"], fetch)):
        [mount] = [mount for mount in container["volumeMounts"] if mount["mountPath"] + "/" == folder]
        assert [volume for volume in pod["volumes"] if volume["name"] == mount["name"]] == [{"name": "authorities", "configMap": {"name": "company-ca"}}]


def test_the_pages_endpoint_picker_finds_the_pods(tmp_path, conform):
    file = values("podLabels", tmp_path)
    objects = render("--values", file)
    assert not [r for r in conform(template("--values", file).stdout, VERSIONS[-1]) if r["status"] != "statusValid"]
    pool = objects["InferencePool", "quadrate-rerank"]["spec"]
    pod = objects["Deployment", "quadrate-rerank"]["spec"]["template"]
    assert pool["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert pod["metadata"]["labels"]["llm-d.ai/engine-type"] == "quadrate"
    assert pool["targetPorts"] == [{"number": pod["spec"]["containers"][0]["ports"][0]["containerPort"]}]


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", TEXT["migration"], re.DOTALL), ids=lambda b: "over" if "fallback" in b else "in front")
def test_the_migrations_files_are_taken(block, tmp_path):
    (tmp_path / "routing.yaml").write_text(block, encoding="utf-8")
    (tmp_path / "server.yaml").write_text('files: {routing: routing.yaml, auth: "", rate_limits: ""}\nmodels: []\n', encoding="utf-8")
    done = subprocess.run([QUADRATE, "-check", "-config", "server.yaml"], cwd=tmp_path, capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stdout + done.stderr


SEEN = {  # what each drill has to show, in this order
    "1": [r"\A\s*\d+ 200\s*\n", r'endpoint_ready\{endpoint="http://127.0.0.1:18001",upstream="rerank"\} 0', r"nothing listens", r'endpoint_ready\{endpoint="http://127.0.0.1:18001",upstream="rerank"\} 1'],
    "2": [r"exit 0\s+exit 0\s+\d+ 200\s*\n", r'stopping: draining","delay":"2s"', r'"stopped"'],
    "3": [r"HTTP/1.1 503", r"Retry-After: 30", r"model_unavailable", r"none of its addresses can serve", r'"status":"ready"'],
    "4": [r'"ok":false', r"quadrat", r"\n\s*\d+ 200\s*\n", r"exit 1", r'reloads_total\{outcome="ok"\} 1'],
    "5": [r"old 200\s+new 200\s+\d+ 401\s+old 401\s+new 200", r'reason="disabled_key"\} 1'],
    "7": [r"its answers are not those of the weights", r"exit 1"],
    "8": [r"(200 ){6}429 (200 ){3}429", r"quadrate_limit_store_available 0", r"this server allows its own share"],
}


def test_the_drills_show_what_they_say():
    """All but the sixth, which takes a minute or two of all processors."""
    script = ["exec 2>/dev/null"]
    for title, text in re.findall(r"\A(.*?)(?=^### )|^### Drill (.*?)(?=^### |\Z)", DRILLS, re.DOTALL | re.MULTILINE):
        number = text[:1]
        blocks = re.findall(r"```sh\n(.*?)```", title or text, re.DOTALL)
        assert blocks
        if number != "6":
            script += [f"printf '\\n=== {number}\\n'", *blocks]
    done = subprocess.run(["bash", "-c", "\n".join(script)], cwd=ROOT, capture_output=True, text=True, timeout=300,
                          env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")})
    shown = dict(part.split("\n", 1) for part in re.split(r"^=== ", done.stdout, flags=re.MULTILINE)[1:])
    for number, wanted in SEEN.items():
        at = 0
        for pattern in wanted:
            found = re.compile(pattern).search(shown[number], at) if at else re.search(pattern, shown[number])
            assert found, f"drill {number}: {pattern} is not in\n{shown[number]}"
            at = found.end()
