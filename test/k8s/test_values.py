"""values.yaml is the reference of the values: it has each that the schema admits, and says what it is for."""

import json
import re

import yaml
from conftest import CHART, helm

SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
TEXT = (CHART / "values.yaml").read_text(encoding="utf-8")
VALUES = yaml.safe_load(TEXT)
# Names that comments hold, since an empty value stands there.
IN_COMMENTS = {"router.image.", "rerank.image.", "fetch.image.", "prometheus.authenticationRef."}


def admitted(schema: dict, at: str = "") -> set[str]:
    if "$ref" in schema:
        schema = SCHEMA["definitions"][schema["$ref"].rsplit("/", 1)[1]]
    found = set()
    for name, part in schema.get("properties", {}).items():
        found |= {at + name} | admitted(part, f"{at}{name}.")
    return found


def given(values: dict, at: str = "") -> set[str]:
    found = set()
    for name, value in values.items():
        found |= {at + name} | (given(value, f"{at}{name}.") if isinstance(value, dict) else set())
    return found


def test_every_value_that_is_admitted_is_there():
    lacking = {path for path in admitted(SCHEMA) - given(VALUES) - {"global"} if not path.startswith(tuple(IN_COMMENTS))}
    # Of resources the kinds are Kubernetes'.
    assert not {path for path in lacking if ".resources." not in path}


def test_every_value_that_is_there_is_used():
    templates = "\n".join(file.read_text(encoding="utf-8") for file in (CHART / "templates").iterdir())
    free = {path for path in given(VALUES) if not admitted(SCHEMA) & {path}}  # within objects that are passed on whole
    for path in given(VALUES) - free:
        assert re.search(rf'[."\s]{re.escape(path.rsplit(".", 1)[-1])}\b', templates), path


def test_no_line_of_the_reference_is_wide():
    assert max(len(line) for line in TEXT.splitlines()) <= 130


def test_a_package_has_all_that_it_renders(tmp_path):
    helm("package", CHART, "--destination", tmp_path)
    [package] = tmp_path.glob("*.tgz")
    args = ["--namespace", "quadrate", "--kube-version", "1.37.0", "--values", CHART.parents[2] / "test/k8s/everything.yaml"]
    assert helm("template", "quadrate", package, *args).stdout == helm("template", "quadrate", CHART, *args).stdout
