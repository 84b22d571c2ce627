"""Writes a bill of what is in an image as CycloneDX. server: the Go programs' modules, the native
libraries with what is linked into them, the model. exporter: its Python packages, a bill that
does not change from commit to commit, as the layer that it lies in.
The base's own packages, Python among them, are in its package database, where scanners look.

Usage: bill.py server OUT --go FILE... --library NAME=VERSION=FILE... --crates FILE --model MANIFEST
       bill.py exporter OUT --python FOLDER --version VERSION
"""

import argparse
import hashlib
import json
import re
from importlib.metadata import Distribution, distributions
from pathlib import Path

_EXPRESSION = re.compile(r"[\w.+-]+( (OR|AND|WITH) [\w.+-]+)*")
_HEAD = {"$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}


def main() -> None:
    options = _options()
    {"server": _server, "exporter": _exporter}[options.of](options)


def _server(options: argparse.Namespace) -> None:
    bill, *others = [json.loads(path.read_text()) for path in options.go]
    found = {one["bom-ref"]: one for one in bill.get("components", [])}
    for other in others:
        found |= {one["bom-ref"]: one for one in other.get("components", []) if one["bom-ref"] not in found}
    for one in [*_native(options), _model(options.model)]:
        found.setdefault(one["bom-ref"], one)
    _write(options.out, bill, list(found.values()))


def _exporter(options: argparse.Namespace) -> None:
    program = {"bom-ref": "quadrate-export", "type": "application", "name": "quadrate-export", "version": options.version}
    _write(options.out, _HEAD | {"metadata": {"component": program}}, _packages(options.python))


def _write(path: Path, bill: dict, components: list[dict]) -> None:
    bill["components"] = sorted(components, key=lambda one: one["bom-ref"])
    path.write_text(json.dumps(bill, indent=2, ensure_ascii=False) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    kinds = parser.add_subparsers(dest="of", required=True)
    server, exporter = kinds.add_parser("server"), kinds.add_parser("exporter")
    for one in (server, exporter):
        one.add_argument("out", type=Path)
    server.add_argument("--go", type=Path, nargs="+", required=True)
    server.add_argument("--library", nargs="+", required=True)
    server.add_argument("--crates", type=Path, required=True)
    server.add_argument("--model", type=Path, required=True)
    exporter.add_argument("--python", type=Path, required=True)
    exporter.add_argument("--version", required=True)
    return parser.parse_args()


def _component(kind: str, name: str, version: str, purl: str, licence: str = "", **more) -> dict:
    """licence counts as an expression of SPDX where it is written as one, else as a name."""
    component = {"bom-ref": purl, "type": kind, "name": name, "version": version, "purl": purl, **more}
    expression = licence.replace("/", " OR ")
    if _EXPRESSION.fullmatch(expression):
        component["licenses"] = [{"expression": expression}]
    elif licence:
        component["licenses"] = [{"license": {"name": licence}}]
    return component


def _native(options: argparse.Namespace) -> list[dict]:
    components = []
    for entry in options.library:
        name, version, file = entry.split("=", 2)
        sums = [{"alg": "SHA-256", "content": hashlib.sha256(Path(file).read_bytes()).hexdigest()}]
        purl = f"pkg:generic/{name}@{version}?file_name={Path(file).name}"
        components.append(_component("library", name, version, purl, "MIT" if name == "onnxruntime" else "", hashes=sums))
    for line in options.crates.read_text().splitlines():
        name, version, licence = line.split("\t")
        components.append(_component("library", name, version, f"pkg:cargo/{name}@{version}", licence))
    return components


def _packages(folder: Path) -> list[dict]:
    return [_package(one) for one in distributions(path=[str(folder)])]


def _package(one: Distribution) -> dict:
    named = one.metadata["Name"]
    licence = one.metadata["License-Expression"] or one.metadata["License"] or ""
    classifiers = [text.rsplit(" :: ", 1)[-1] for text in one.metadata.get_all("Classifier", []) if text.startswith("License ::")]
    # Some write the licence's whole text where its name belongs.
    licence = licence if 0 < len(licence) < 80 and "\n" not in licence else ", ".join(classifiers)
    purl = f"pkg:pypi/{named.lower().replace('_', '-')}@{one.version}"
    return _component("library", named, one.version, purl, licence)


def _model(manifest: Path) -> dict:
    content = json.loads(manifest.read_text())
    name, revision = content["source"], content["revision"]
    return _component("machine-learning-model", name, revision, f"pkg:huggingface/{name}", "Apache-2.0")


main()
