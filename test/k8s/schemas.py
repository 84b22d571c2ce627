"""JSON schemas for kubeconform: of Kubernetes out of the package kubernetes-validate, and of the
custom resources out of their projects' Go modules."""

import copy
import json
import pathlib
import subprocess

import kubernetes_validate
import yaml

from servers import ROOT

CORE = pathlib.Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
# Module, and the files in it that define resources which the chart has.
CUSTOM = {
    "sigs.k8s.io/gateway-api@v1.6.3": ["config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"],
    "sigs.k8s.io/gateway-api-inference-extension@v1.0.0": ["config/crd/bases/inference.networking.k8s.io_inferencepools.yaml"],
    "github.com/kedacore/keda/v2@v2.21.0": ["config/crd/bases/keda.sh_scaledobjects.yaml"],
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": [
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ],
}


def core(version: str, to: pathlib.Path) -> None:
    """Writes every kind's schema with the definitions that it uses inside, which kubeconform wants."""
    source = CORE / f"v{version}-local-strict"
    defined = json.loads((source / "_definitions.json").read_text(encoding="utf-8"))
    definitions = defined["$defs"]
    to.mkdir(parents=True, exist_ok=True)
    for file in source.glob("*-v[0-9]*.json"):
        schema = json.loads(file.read_text(encoding="utf-8"))
        if "kind" not in schema.get("properties", {}):
            continue
        used: dict = {}
        inside(schema, definitions, used)
        schema["definitions"] = used
        schema.pop("$id", None)  # it is no other file's any more
        (to / file.name).write_text(json.dumps(schema), encoding="utf-8")


def inside(node, definitions: dict, used: dict) -> None:
    """Has references lead into the schema itself, and gathers what they lead to."""
    if isinstance(node, list):
        for item in node:
            inside(item, definitions, used)
    if not isinstance(node, dict):
        return
    reference = node.get("$ref", "")
    if isinstance(reference, str) and "#/$defs/" in reference:
        name = reference.rsplit("/", 1)[1]
        node["$ref"] = "#/definitions/" + name
        if name not in used:
            used[name] = copy.deepcopy(definitions[name])
            inside(used[name], definitions, used)
    for value in node.values():
        inside(value, definitions, used)


def custom(to: pathlib.Path) -> None:
    """Writes the schema of each version of the custom resources; unknown fields are refused."""
    to.mkdir(parents=True, exist_ok=True)
    for module, files in CUSTOM.items():
        told = subprocess.run(["go", "mod", "download", "-json", module], cwd=ROOT, check=True, capture_output=True, text=True).stdout
        folder = pathlib.Path(json.loads(told)["Dir"])
        for name in files:
            definition = yaml.safe_load((folder / name).read_text(encoding="utf-8"))["spec"]
            kind = definition["names"]["kind"].lower()
            for version in definition["versions"]:
                schema = version["schema"]["openAPIV3Schema"]
                strict(schema)
                schema["properties"]["metadata"] = {"type": "object"}
                short = definition["group"].split(".")[0]
                (to / f"{kind}-{short}-{version['name']}.json").write_text(json.dumps(schema), encoding="utf-8")


def strict(node) -> None:
    if isinstance(node, list):
        for item in node:
            strict(item)
    if not isinstance(node, dict):
        return
    if isinstance(node.get("properties"), dict) and not node.get("x-kubernetes-preserve-unknown-fields"):
        node.setdefault("additionalProperties", False)
    for key, value in node.items():
        # A format that JSON Schema does not know.
        if key == "format" and value in ("int-or-string", "int32", "int64"):
            continue
        strict(value)
