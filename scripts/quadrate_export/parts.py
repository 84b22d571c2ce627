"""The ONNX files of a model folder: which there are, and how one is made and checked."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import manifest, verify
from .build import build
from .checkpoint import Checkpoint
from .graph import side_file
from .heads import TOKENS
from .layout import Layout
from .modules import Modules
from .quantiser import Calibration
from .samples import Sample

FILES = {
    "fp32": "model.onnx",
    "fp16": "model_fp16.onnx",
    "int8": "model_int8.onnx",
    "packed": "model_packed.onnx",
    "trt": "model_trt.onnx",
}

# What the CPU cannot show, by variant.
_NOTES = {
    "fp16": "checked on the CPU only, where float16 operators run in float32; float16 kernels were not run",
    "packed": "not run: ONNX Runtime has its operators for CUDA only",
    "trt": "checked on the CPU in float32; no TensorRT engine was built from it",
}


class Part(NamedTuple):
    """One ONNX file of a folder: a variant's pooled graph, or the states of its tokens."""

    variant: str
    tokens: bool = False

    @property
    def runs_on_cpu(self) -> bool:
        return self.variant != "packed"

    @property
    def file(self) -> str:
        name = FILES[self.variant]
        return name.removesuffix(".onnx") + "_tokens.onnx" if self.tokens else name

    @property
    def side(self) -> str:
        """The side file for large weights; the pooled graph writes it, that of the tokens reads it."""
        return side_file(Path(FILES[self.variant])).name

    @property
    def writes(self) -> set[str]:
        """Names that making the part may write."""
        return {self.file} if self.tokens else {self.file, self.side}

    def __str__(self) -> str:
        return f"{self.variant} tokens" if self.tokens else self.variant


@dataclass(frozen=True)
class References:
    """Inputs, what the model makes of them [dimensions], and their states [length, hidden]."""

    inputs: list[Sample]
    outputs: list[np.ndarray]
    states: list[np.ndarray]


def write(
    folder: Path,
    part: Part,
    checkpoint: Checkpoint,
    modules: Modules,
    calibration: Calibration,
    inline_limit: int,
) -> list[Path]:
    """Writes the part into folder; returns the files that it needs, its own first."""
    path = folder / part.file
    pooled = build(checkpoint, modules, part.variant, calibration=calibration)
    if not part.tokens:
        return pooled.write(path, inline_limit)
    states = build(checkpoint, modules, part.variant, tokens=True, calibration=calibration)
    return states.write_sharing(path, pooled, folder / part.side, inline_limit)


def check_structure(path: Path, part: Part, layout: Layout, modules: Modules) -> int:
    """Returns the number of attentions in the written part; fails when it is not what it should be."""
    if part.variant == "packed":
        return verify.check_packed(path, layout)
    if part.variant == "trt":
        averaged = not part.tokens and modules.pooling in ("mean", "mean_sqrt_len")
        return verify.check_standard(path, layout, averaged)
    return verify.check_structure(path, layout)


def measure(path: Path, part: Part, layout: Layout, references: References) -> verify.Measured:
    """Runs the part over the references; fails when an answer depends on the texts beside it."""
    if part.tokens:
        measured = verify.measure_tokens(path, layout, references.inputs, references.states)
    else:
        measured = verify.measure(path, layout, references.inputs, references.outputs)
    verify.check_company(measured, part.variant, layout)
    return measured


def entry(
    files: list[Path],
    part: Part,
    attention: int,
    bounds: dict,
    measured: verify.Measured | None,
    layout: Layout,
) -> dict:
    """What the manifest says of the part."""
    note = _NOTES.get(part.variant, "")
    names = [file.name for file in files]
    found = manifest.variant(names, attention, bounds, measured, passed=not note, note=note)
    return manifest.tokens(found, TOKENS, layout.hidden) if part.tokens else found


def within(measured: verify.Measured, bounds: dict) -> bool:
    """Whether every bound that is there is kept; numbers that are not finite keep none."""
    if "max_abs" in bounds and not measured.max_abs <= bounds["max_abs"]:
        return False
    return "min_cosine" not in bounds or measured.min_cosine >= bounds["min_cosine"]


def seconds(started: float) -> str:
    return f"{time.monotonic() - started:.1f} s"


def summary(measured: verify.Measured) -> str:
    text = f"largest difference to the reference {measured.max_abs:.1e}"
    if measured.min_cosine is not None:
        text += f", smallest cosine {measured.min_cosine:.6f}"
    return f"{text}, alone or in a padded batch {measured.company:.1e}"
