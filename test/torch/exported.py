"""Exports a checkpoint and runs what was written."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
from quadrate_export.export import Request
from quadrate_export.source import Source
from quadrate_export_torch.export import TorchExporter


def export(directory: Path, out: Path | None = None, **options) -> tuple[Path, dict, list[str]]:
    """The folder, its manifest and the lines that were reported."""
    out = out or directory.with_name("out")
    lines = []
    TorchExporter(Request(Source(directory, directory.name, ""), out, **options), lines.append).run()
    return out, json.loads((out / "quadrate.json").read_text()), lines


def run(folder: Path, rows: list[list[int]], variant: str = "fp32", types: list[list[int]] | None = None):
    """Outputs [batch, dimensions] of one batch, padded on the right."""
    manifest = json.loads((folder / "quadrate.json").read_text())
    session = onnxruntime.InferenceSession(
        str(folder / manifest["variants"][variant]["file"]), providers=["CPUExecutionProvider"]
    )
    length = max(map(len, rows))
    feeds = {
        "input_ids": np.array([row + [manifest["pad_id"]] * (length - len(row)) for row in rows]),
        "attention_mask": np.array([[1] * len(row) + [0] * (length - len(row)) for row in rows]),
        "token_type_ids": np.array([row + [0] * (length - len(row)) for row in types or [[0]] * len(rows)])
        if types
        else np.zeros((len(rows), length), np.int64),
    }
    return session.run(None, {name: feeds[name] for name in manifest["inputs"]})[0]
