"""Makes quadrate.json, format 1: what the server reads to serve a model folder."""

import hashlib
import json
import math
import platform
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import numpy as np

from . import __version__
from .graph import OPSET
from .layout import Layout
from .modules import Modules
from .samples import Sample
from .verify import Measured

FORMAT = 1
NAME = "quadrate.json"

_TOOLS = ("onnx", "onnxruntime", "numpy", "safetensors", "tokenizers")


def describe(
    layout: Layout, modules: Modules, *, source: str, revision: str, max_length: int, activation: str
) -> dict:
    """The part of the manifest that does not depend on variants."""
    return {
        "format": FORMAT,
        "source": source,
        "revision": revision,
        "created": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "architecture": layout.architecture,
        "task": layout.task,
        "layers": layout.layers,
        "dimensions": modules.dimensions(layout),
        "max_length": max_length,
        "vocab_size": layout.vocabulary,
        "pad_id": layout.pad_id,
        "inputs": layout.inputs,
        "output": "logits" if layout.labels else "sentence_embedding",
        "pooling": modules.pooling,
        "modules": modules.names,
        "normalize": modules.normalize,
        "prompts": modules.prompts,
        "default_prompt": modules.default_prompt,
        "labels": list(layout.labels),
        "problem_type": layout.problem_type,
        "activation": activation,
        "opset": OPSET,
        "tools": tools(),
    }


def tools() -> dict[str, str]:
    """Versions of everything that had a hand in the numbers."""
    found = {name: version(name) for name in _TOOLS}
    return {"quadrate_export": __version__, **found, "python": platform.python_version()}


def variant(
    files: list[str], attention: int, tolerance: dict, measured: Measured, passed: bool, note: str
) -> dict:
    """The entry of one variant; note says what could not be checked."""
    numbers = {"max_abs": round_up(measured.max_abs), "company": round_up(measured.company)}
    if measured.min_cosine is not None:
        numbers["min_cosine"] = round(measured.min_cosine, 8)
    entry = {
        "file": files[0],
        "files": files,
        "attention_nodes": attention,
        "tolerance": tolerance,
        "passed": passed,
        "measured": numbers,
    }
    return {**entry, "note": note} if note else entry


def references(samples: list[Sample], outputs: list[np.ndarray]) -> list[dict]:
    """Inputs as they are fed and outputs before any norm, in float32's own precision."""
    result = []
    for sample, output in zip(samples, outputs, strict=True):
        entry = {"text": sample.text}
        if sample.pair is not None:
            entry["pair"] = sample.pair
        values = [float(f"{value:.9g}") for value in output.astype(np.float32)]
        result.append({**entry, "ids": sample.ids, "type_ids": sample.types, "output": values})
    return result


def files(folder: Path) -> list[dict]:
    """Size and sha256 of every file in the folder but the manifest, sorted by path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != NAME)
    return [
        {
            "path": path.relative_to(folder).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": sha256(path),
        }
        for path in paths
    ]


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def write(folder: Path, manifest: dict) -> None:
    """Writes the manifest: one line a key, one line a reference."""
    lines = []
    for key, value in manifest.items():
        text = json.dumps(value, ensure_ascii=False)
        if key in ("files", "reference", "variants"):
            text = _one_line_each(value)
        lines.append(f"  {json.dumps(key)}: {text}")
    (folder / NAME).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def _one_line_each(value: list | dict) -> str:
    if isinstance(value, dict):
        rows = [f"{json.dumps(key)}: {json.dumps(item, ensure_ascii=False)}" for key, item in value.items()]
        return "{\n    " + ",\n    ".join(rows) + "\n  }"
    rows = [json.dumps(item, ensure_ascii=False) for item in value]
    return "[\n    " + ",\n    ".join(rows) + "\n  ]"


def round_up(value: float) -> float:
    """Two significant digits, never below the value itself."""
    if value <= 0:
        return 0.0
    digits = 1 - math.floor(math.log10(value))
    return float(f"{math.ceil(value * 10**digits) / 10**digits:.3g}")
