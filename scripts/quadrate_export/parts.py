"""The ONNX files of a model folder: which there are, and how one is made and checked."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import manifest, verify
from .build import build
from .checkpoint import Checkpoint
from .errors import ExportError
from .graph import side_file
from .heads import TOKENS
from .modules import Modules
from .samples import Sample
from .tolerance import token_tolerance, tolerance

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
_RUNS_AS_SERVED = ("fp32", "int8")


class Part(NamedTuple):
    """One ONNX file of a folder: a variant's pooled graph, or the states of its tokens."""

    variant: str
    tokens: bool = False

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


class Maker:
    """Makes parts of one model; report is given a line of progress at each step."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        modules: Modules,
        references: References,
        inline_limit: int,
        report: Callable[[str], None],
    ):
        self._checkpoint = checkpoint
        self._layout = checkpoint.layout
        self._modules = modules
        self._references = references
        self._inline_limit = inline_limit
        self._report = report

    def make(self, folder: Path, part: Part) -> dict:
        """Writes the part into folder, checks it and returns its entry of the manifest."""
        started = time.monotonic()
        path = folder / part.file
        files = self._write(folder, part)
        attention = self._check_structure(path, part)
        size = path.stat().st_size + sum(file.stat().st_size for file in files[1:] if not part.tokens)
        self._report(f"{part}: wrote {path.name}, {size / 2**20:.1f} MiB, {seconds(started)}")
        bounds = self._bounds(part, part.variant)
        measured = None if part.variant == "packed" else self._measure(path, part, bounds)
        entry = manifest.variant(
            [file.name for file in files],
            attention,
            bounds,
            measured,
            passed=part.variant in _RUNS_AS_SERVED,
            note=_NOTES.get(part.variant, ""),
        )
        return manifest.tokens(entry, TOKENS, self._layout.hidden) if part.tokens else entry

    def _write(self, folder: Path, part: Part) -> list[Path]:
        path = folder / part.file
        pooled = build(self._checkpoint, self._modules, part.variant)
        if not part.tokens:
            return pooled.write(path, self._inline_limit)
        states = build(self._checkpoint, self._modules, part.variant, tokens=True)
        return states.write_sharing(path, pooled, folder / part.side, self._inline_limit)

    def _check_structure(self, path: Path, part: Part) -> int:
        if part.variant == "packed":
            return verify.check_packed(path, self._layout)
        if part.variant == "trt":
            averaged = not part.tokens and self._modules.pooling in ("mean", "mean_sqrt_len")
            return verify.check_standard(path, self._layout, averaged)
        return verify.check_structure(path, self._layout)

    def _measure(self, path: Path, part: Part, bounds: dict) -> verify.Measured:
        started = time.monotonic()
        references = self._references
        if part.tokens:
            measured = verify.measure_tokens(path, self._layout, references.inputs, references.states)
        else:
            measured = verify.measure(path, self._layout, references.inputs, references.outputs)
        self._report(f"{part}: {_summary(measured)}, {seconds(started)}")
        verify.check_company(measured, part.variant, self._layout)
        if part.variant == "trt":
            # The file holds the weights unrounded; only an engine may lose precision.
            bounds = self._bounds(part, "fp32")
        if not within(measured, bounds):
            raise ExportError(
                f"{part} is off the reference ({_summary(measured)}); tolerance: {json.dumps(bounds)}"
            )
        return measured

    def _bounds(self, part: Part, variant: str) -> dict[str, float]:
        if part.tokens:
            return token_tolerance(variant)
        return tolerance(variant, self._layout, self._references.outputs)


def within(measured: verify.Measured, bounds: dict) -> bool:
    """Whether every bound that is there is kept; numbers that are not finite keep none."""
    if "max_abs" in bounds and not measured.max_abs <= bounds["max_abs"]:
        return False
    return "min_cosine" not in bounds or measured.min_cosine >= bounds["min_cosine"]


def seconds(started: float) -> str:
    return f"{time.monotonic() - started:.1f} s"


def _summary(measured: verify.Measured) -> str:
    text = f"largest difference to the reference {measured.max_abs:.1e}"
    if measured.min_cosine is not None:
        text += f", smallest cosine {measured.min_cosine:.6f}"
    return f"{text}, alone or in a padded batch {measured.company:.1e}"
