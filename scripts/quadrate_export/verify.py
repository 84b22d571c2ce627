"""Checks a written ONNX file: its structure, and its numbers on ONNX Runtime's CPU provider."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from .errors import ExportError
from .graph import ATTENTION_OPS
from .layout import Layout
from .samples import Sample

# Largest change of an answer when the same text shares a padded batch.
_COMPANY_LIMIT = {"fp32": 1e-5, "int8": 1e-5, "fp16": 2e-3}


@dataclass(frozen=True)
class Measured:
    """How far a file is from the reference: max_abs over unit vectors or logits, cosine for vectors."""

    max_abs: float
    min_cosine: float | None
    company: float  # largest change between alone and in a padded batch


def count_attention(path: Path) -> int:
    """Fused attention operators in the file."""
    model = onnx.load(path, load_external_data=False)
    return sum(node.op_type in ATTENTION_OPS for node in model.graph.node)


def check_structure(path: Path, layout: Layout) -> int:
    """Returns the number of attention operators; fails when a layer has none or the file is malformed."""
    attention = count_attention(path)
    if attention < layout.layers:
        raise ExportError(f"{path.name} has {attention} fused attention operators for {layout.layers} layers")
    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        raise ExportError(f"{path.name} is no valid ONNX file: {error}") from error
    return attention


def measure(path: Path, layout: Layout, samples: list[Sample], expected: list[np.ndarray]) -> Measured:
    """Runs every sample alone and all in one padded batch, and compares with the reference."""
    session = open_session(path)
    alone = np.concatenate([run(session, layout, [sample]) for sample in samples])
    together = run(session, layout, samples)
    truth = np.stack(expected)
    if layout.task == "embed":
        alone, together, truth = unit(alone), unit(together), unit(truth)
    both = np.stack([alone, together])
    cosine = float((both * truth).sum(axis=-1).min()) if layout.task == "embed" else None
    return Measured(
        max_abs=float(np.abs(both - truth).max()),
        min_cosine=cosine,
        company=float(np.abs(alone - together).max()),
    )


def check_company(measured: Measured, variant: str, layout: Layout) -> None:
    """Fails when an answer depends on the texts beside it."""
    limit = _COMPANY_LIMIT[variant] * (1 if layout.task == "embed" else 10)
    if not measured.company <= limit:
        raise ExportError(
            f"{variant}: an answer changes by {measured.company:.1e} in a padded batch; limit {limit:.0e}"
        )


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """A session on the CPU provider."""
    try:
        return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # the binding has no common base class of its own
        raise ExportError(f"ONNX Runtime does not load {path.name}: {error}") from error


def run(session: onnxruntime.InferenceSession, layout: Layout, samples: list[Sample]) -> np.ndarray:
    """Outputs [batch, dimensions] of one batch, padded on the right."""
    length = max(len(sample.ids) for sample in samples)
    shape = (len(samples), length)
    feeds = {
        "input_ids": np.full(shape, layout.pad_id, np.int64),
        "attention_mask": np.zeros(shape, np.int64),
        "token_type_ids": np.zeros(shape, np.int64),
    }
    for row, sample in enumerate(samples):
        count = len(sample.ids)
        feeds["input_ids"][row, :count] = sample.ids
        feeds["attention_mask"][row, :count] = 1
        feeds["token_type_ids"][row, :count] = sample.types
    return session.run(None, {name: feeds[name] for name in layout.inputs})[0]


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length one; a row of zeros stays zero."""
    rows = rows.astype(np.float64)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
