"""Checks a written ONNX file: its structure, and its numbers on ONNX Runtime's CPU provider."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernel

from .errors import ExportError
from .graph import ATTENTION_OPS
from .layout import Layout
from .samples import Sample
from .standard import expected_operators

# Largest change of an answer when the same text shares a padded batch.
_COMPANY_LIMIT = {"fp32": 1e-5, "int8": 1e-5, "fp16": 2e-3, "trt": 1e-5}


@dataclass(frozen=True)
class Measured:
    """How far a file is from the reference: max_abs over unit vectors or logits, cosine for vectors."""

    max_abs: float
    min_cosine: float | None
    company: float  # largest change between alone and in a padded batch


def count_attention(path: Path) -> int:
    """Fused attention operators in the file."""
    counts = count_operators(path)
    return sum(counts[name] for name in ATTENTION_OPS)


def count_operators(path: Path) -> Counter[str]:
    """Operators in the file by type."""
    model = onnx.load(path, load_external_data=False)
    return Counter(node.op_type for node in model.graph.node)


def check_structure(path: Path, layout: Layout) -> int:
    """Returns the number of attention operators; fails when a layer has none or the file is malformed."""
    attention = count_attention(path)
    if attention < layout.layers:
        raise ExportError(f"{path.name} has {attention} fused attention operators for {layout.layers} layers")
    check_valid(path)
    return attention


def check_valid(path: Path) -> None:
    """Fails when the file is malformed."""
    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        raise ExportError(f"{path.name} is no valid ONNX file: {error}") from error


def check_packed(path: Path, layout: Layout) -> int:
    """The same for a file without padding inside: packed attention only, packed once, at the start."""
    counts = count_operators(path)
    packed = counts["PackedAttention"]
    attention = sum(counts[name] for name in ATTENTION_OPS)
    if packed != layout.layers or attention != packed or counts["RemovePadding"] != 1:
        raise ExportError(
            f"{path.name} has {packed} packed of {attention} attention operators for {layout.layers} layers "
            f"and removes padding {counts['RemovePadding']} times"
        )
    check_valid(path)
    _check_loads_but_for_packing(path)
    return packed


def check_standard(path: Path, layout: Layout, pooled_by_product: bool) -> int:
    """Returns the number of attentions written out; fails on any operator outside ONNX and on wrong counts."""
    model = onnx.load(path, load_external_data=False)
    foreign = sorted({node.op_type for node in model.graph.node if node.domain})
    if foreign:
        raise ExportError(f"{path.name} has operators outside of ONNX: {', '.join(foreign)}")
    counts = count_operators(path)
    expected = expected_operators(layout)
    expected["MatMul"] += pooled_by_product
    wrong = [name for name, number in expected.items() if counts[name] != number]
    if wrong:
        text = ", ".join(f"{counts[name]} {name} for {expected[name]}" for name in wrong)
        raise ExportError(f"{path.name} has {text}")
    check_valid(path)
    return counts["Softmax"]


def measure(path: Path, layout: Layout, samples: list[Sample], expected: list[np.ndarray]) -> Measured:
    """Runs every sample alone and all in one padded batch, and compares with the reference."""
    session = open_session(path)
    alone = np.concatenate([run(session, layout, [sample]) for sample in samples])
    together = run(session, layout, samples)
    return _compare(alone, together, np.stack(expected), layout.task == "embed")


def measure_tokens(path: Path, layout: Layout, samples: list[Sample], states: list[np.ndarray]) -> Measured:
    """The same for token states: every real token of every sample is compared as a unit vector."""
    session = open_session(path)
    alone = np.concatenate([run(session, layout, [sample])[0] for sample in samples])
    batch = run(session, layout, samples)
    together = np.concatenate([batch[row, : len(sample.ids)] for row, sample in enumerate(samples)])
    return _compare(alone, together, np.concatenate(states), directions=True)


def _compare(alone: np.ndarray, together: np.ndarray, truth: np.ndarray, directions: bool) -> Measured:
    """Rows of each; directions are compared as unit vectors."""
    if directions:
        alone, together, truth = unit(alone), unit(together), unit(truth)
    both = np.stack([alone, together])
    return Measured(
        max_abs=float(np.abs(both - truth).max()),
        min_cosine=float((both * truth).sum(axis=-1).min()) if directions else None,
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


def _check_loads_but_for_packing(path: Path) -> None:
    """ONNX Runtime must accept types and shapes; what it lacks on the CPU is the packing's own operator.

    It stops at the first operator without an implementation, and packing comes
    before everything else that the CPU does not have.
    """
    try:
        onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except NoKernel as error:
        if "RemovePadding" in str(error):
            return
        raise ExportError(f"ONNX Runtime has an operator missing in {path.name}: {error}") from error
    except Exception as error:  # the binding has no common base class of its own
        raise ExportError(f"ONNX Runtime does not load {path.name}: {error}") from error


def run(session: onnxruntime.InferenceSession, layout: Layout, samples: list[Sample]) -> np.ndarray:
    """The output [batch, ...] of one batch, padded on the right."""
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
