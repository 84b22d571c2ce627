"""Reads checkpoint tensors as float32, one at a time.

Safetensors files are mapped, not loaded, so that only the tensor in hand takes
memory of its own. Nothing here knows what a tensor is for.
"""

import json
import math
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, safe_open

from .errors import ExportError

_DTYPES = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
}


class Weights(Protocol):
    """A set of named tensors."""

    def names(self) -> Iterable[str]: ...

    def shape(self, name: str) -> tuple[int, ...]: ...

    def read(self, name: str) -> np.ndarray:
        """The tensor as float32; read-only when it is a view of a file."""


class _Entry(NamedTuple):
    path: Path
    dtype: str
    shape: tuple[int, ...]
    offset: int  # bytes from the start of the file


class SafetensorsWeights:
    """The tensors of one safetensors file, or of a sharded index."""

    def __init__(self, paths: Iterable[Path]):
        self._entries: dict[str, _Entry] = {}
        self._maps: dict[Path, np.memmap] = {}
        for path in paths:
            self._entries.update(_read_header(path))

    def names(self) -> Iterable[str]:
        return self._entries.keys()

    def shape(self, name: str) -> tuple[int, ...]:
        return self._entry(name).shape

    def read(self, name: str) -> np.ndarray:
        entry = self._entry(name)
        if entry.dtype not in _DTYPES:
            known = ", ".join(_DTYPES)
            raise ExportError(f"tensor {name} has dtype {entry.dtype}; supported: {known}")
        if entry.path not in self._maps:
            self._maps[entry.path] = np.memmap(entry.path, dtype=np.uint8, mode="r")
        dtype = _DTYPES[entry.dtype]
        size = dtype.itemsize * math.prod(entry.shape)
        raw = self._maps[entry.path][entry.offset : entry.offset + size]
        return np.frombuffer(raw, dtype=dtype).reshape(entry.shape).astype(np.float32, copy=False)

    def _entry(self, name: str) -> _Entry:
        if name not in self._entries:
            raise ExportError(f"the checkpoint has no tensor {name}")
        return self._entries[name]


class RandomWeights:
    """Deterministic random tensors for given shapes: a model of any size without a checkpoint.

    Each tensor depends on the seed and its own name only. Matrices are drawn so
    that activations keep their variance, queries and keys a little wider so that
    attention is not uniform, and the last layer of a head wider still: outputs
    then differ from text to text, as a trained model's do, where the usual
    initialisation gives nearly the same answer for all.
    """

    def __init__(self, shapes: dict[str, tuple[int, ...]], seed: int):
        self._shapes = shapes
        self._seed = seed

    def names(self) -> Iterable[str]:
        return self._shapes.keys()

    def shape(self, name: str) -> tuple[int, ...]:
        return self._shapes[name]

    def read(self, name: str) -> np.ndarray:
        shape = self.shape(name)
        rng = np.random.default_rng([self._seed, zlib.crc32(name.encode())])
        values = rng.standard_normal(shape, dtype=np.float32)
        if name.endswith("LayerNorm.weight"):
            return 1 + np.float32(0.1) * values
        if len(shape) == 1:
            return np.float32(0.1) * values
        if "embeddings" in name:
            return values
        return np.float32(_gain(name) / math.sqrt(shape[-1])) * values


def _gain(name: str) -> float:
    if ".query." in name or ".key." in name:
        return 1.5
    return 5.0 if name.endswith(("classifier.weight", "classifier.out_proj.weight")) else 1.0


def open_directory(directory: Path) -> SafetensorsWeights:
    """The weights of a Hugging Face model directory, sharded or not."""
    index = directory / "model.safetensors.index.json"
    single = directory / "model.safetensors"
    if single.is_file():
        return SafetensorsWeights([single])
    if index.is_file():
        return SafetensorsWeights(_shards(index))
    if any(directory.glob("pytorch_model*.bin")):
        raise ExportError(
            f"{directory} has its weights as pytorch_model.bin only, which is not read; "
            "convert them to model.safetensors first"
        )
    raise ExportError(f"{directory} has no model.safetensors and no model.safetensors.index.json")


def checkpoint_files(directory: Path) -> list[Path]:
    """The files that open_directory reads tensors from."""
    single = directory / "model.safetensors"
    index = directory / "model.safetensors.index.json"
    if single.is_file() or not index.is_file():
        return [single]
    return _shards(index)


def _shards(index: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ExportError(f"{index} is not a safetensors index: {error!r}") from error
    missing = [name for name in names if not (index.parent / name).is_file()]
    if missing:
        raise ExportError(f"{index} names shards that are missing: {', '.join(missing)}")
    return [index.parent / name for name in names]


def _read_header(path: Path) -> dict[str, _Entry]:
    try:
        # The library checks the header against the file's size; it has no
        # bfloat16 for numpy, so the values themselves are taken from the map.
        with safe_open(path, framework="numpy"):
            pass
    except (SafetensorError, OSError) as error:
        raise ExportError(f"{path} is not a readable safetensors file: {error}") from error
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    start = 8 + length
    header.pop("__metadata__", None)
    return {
        name: _Entry(path, item["dtype"], tuple(item["shape"]), start + item["data_offsets"][0])
        for name, item in header.items()
    }
