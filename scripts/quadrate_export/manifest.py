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
    files: list[str], attention: int, tolerance: dict, measured: Measured | None, passed: bool, note: str
) -> dict:
    """The entry of one file; measured is None where it cannot be run, note says what could not be checked."""
    entry = {
        "file": files[0],
        "files": files,
        "attention_nodes": attention,
        "tolerance": tolerance,
        "passed": passed,
        "measured": _numbers(measured) if measured else {},
    }
    return {**entry, "note": note} if note else entry


def tokens(entry: dict, output: str, width: int) -> dict:
    """An entry as of variant, for the file whose output is the states of tokens [batch, length, width]."""
    names = {"file": entry["file"], "files": entry["files"], "output": output, "width": width}
    return names | entry


def _numbers(measured: Measured) -> dict[str, float]:
    numbers = {"max_abs": round_up(measured.max_abs), "company": round_up(measured.company)}
    if measured.min_cosine is not None:
        numbers["min_cosine"] = round(measured.min_cosine, 8)
    return numbers


def references(
    samples: list[Sample], outputs: list[np.ndarray], states: list[np.ndarray] | None = None
) -> list[dict]:
    """Inputs as they are fed and outputs before any norm, in float32's own precision.

    With states, [length, hidden] of each sample, those of its first and its last token as well.
    """
    result = []
    for index, (sample, output) in enumerate(zip(samples, outputs, strict=True)):
        entry = {"text": sample.text}
        if sample.pair is not None:
            entry["pair"] = sample.pair
        entry |= {"ids": sample.ids, "type_ids": sample.types, "output": _rounded(output)}
        if states is not None:
            places = sorted({0, len(sample.ids) - 1})
            entry["tokens"] = [{"index": place, "state": _rounded(states[index][place])} for place in places]
        result.append(entry)
    return result


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{value:.9g}") for value in values.astype(np.float32)]


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
