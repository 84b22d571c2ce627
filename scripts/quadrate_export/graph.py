"""Collects nodes and weights of an ONNX graph and writes them to disk.

Weights are kept as recipes and made when they are written, so that a model of
any size needs memory for one tensor when its weights go to a side file, and
for two copies when they fit into the graph's own file.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import onnx
from onnx import TensorProto, helper

from .errors import ExportError

OPSET = 17
IR_VERSION = 8
CONTRIB = "com.microsoft"
ATTENTION_OPS = ("Attention", "MultiHeadAttention", "PackedAttention")

# A protobuf message ends at 2 GiB; the rest of the graph needs a little room.
PROTOBUF_LIMIT = 2**31 - 2**24

# Larger weights stand in a side file: ONNX Runtime maps it, which takes a fraction of the
# time and half the memory of reading them out of the graph's own file (docs/benchmarks/runners.md).
INLINE_LIMIT = 2**24

ALIGNMENT = 4096  # ONNX Runtime maps a tensor of a side file only from a page's start
SMALL = 1024  # bytes below which a tensor always stays in the graph's file


@dataclass(frozen=True)
class _Parameter:
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    make: Callable[[], np.ndarray]

    @property
    def size(self) -> int:
        return self.dtype.itemsize * math.prod(self.shape)

    def same_as(self, other: "_Parameter") -> bool:
        return (self.name, self.shape, self.dtype) == (other.name, other.shape, other.dtype)

    def values(self) -> np.ndarray:
        with np.errstate(over="ignore"):
            array = np.asarray(self.make(), dtype=self.dtype, order="C")
        if array.shape != self.shape:
            raise ValueError(f"{self.name} has shape {array.shape}, expected {self.shape}")
        if not np.isfinite(array).all():
            raise ExportError(f"{self.name} has values that {self.dtype} cannot hold")
        return array


class Graph:
    """An ONNX graph under construction. Values are named by the node that makes them."""

    def __init__(self):
        self._nodes: list[onnx.NodeProto] = []
        self._parameters: dict[str, _Parameter] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, shape: list[str]) -> str:
        """Declares an int64 input."""
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.INT64, shape))
        return name

    def output(self, name: str, shape: list[str | int]) -> None:
        """Declares a float32 output."""
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def parameter(
        self, name: str, shape: tuple[int, ...], make: Callable[[], np.ndarray], dtype=np.float32
    ) -> str:
        """A weight that make returns when it is written."""
        if name not in self._parameters:
            self._parameters[name] = _Parameter(name, tuple(shape), np.dtype(dtype), make)
        return name

    def constant(self, name: str, values, dtype) -> str:
        """A small fixed tensor."""
        array = np.asarray(values, dtype=dtype)
        return self.parameter(name, array.shape, lambda: array, dtype)

    def node(self, op: str, inputs: list[str], name: str, domain: str = "", **attributes) -> str:
        """Adds a node whose first output bears its name."""
        self.nodes(op, inputs, [name], domain, **attributes)
        return name

    def nodes(
        self, op: str, inputs: list[str], outputs: list[str], domain: str = "", **attributes
    ) -> list[str]:
        """Adds a node with several outputs, named after the first."""
        node = helper.make_node(op, inputs, outputs, name=outputs[0], domain=domain, **attributes)
        self._nodes.append(node)
        return outputs

    def write(self, path: Path, inline_limit: int = INLINE_LIMIT) -> list[Path]:
        """Writes the graph to path, and its weights beside it when they are too large.

        Returns the files written, the graph's own first.
        """
        side = side_file(path)
        offsets = self.offsets(inline_limit)
        if not offsets:
            self._write(path, "", {}, None)
            return [path]
        with side.open("wb") as file:
            self._write(path, side.name, offsets, file)
        return [path, side]

    def write_sharing(self, path: Path, other: "Graph", side: Path, inline_limit: int) -> list[Path]:
        """Writes the graph alone; the weights that other keeps in its side file are read from there.

        Returns the files that the graph needs, its own first.
        """
        placed = other.offsets(inline_limit)
        offsets = {
            name: offset
            for name, offset in placed.items()
            if name in self._parameters and self._parameters[name].same_as(other._parameters[name])
        }
        self._write(path, side.name, offsets, None)
        return [path, side] if offsets else [path]

    def offsets(self, inline_limit: int = INLINE_LIMIT) -> dict[str, int]:
        """Where in the side file each weight goes; empty when all fit into the graph's own file."""
        if sum(parameter.size for parameter in self._parameters.values()) <= inline_limit:
            return {}
        offsets, end = {}, 0
        for parameter in self._parameters.values():
            if parameter.size >= SMALL:
                offsets[parameter.name] = end + -end % ALIGNMENT
                end = offsets[parameter.name] + parameter.size
        return offsets

    def _write(self, path: Path, side: str, offsets: dict[str, int], file: BinaryIO | None) -> None:
        """Weights with an offset are written to file, if there is one, and all others into the graph."""
        model = self._model()
        for parameter in self._parameters.values():
            tensor = model.graph.initializer.add()
            _describe(parameter, tensor)
            if parameter.name not in offsets:
                tensor.raw_data = parameter.values().tobytes()
                continue
            refer(tensor, side, offsets[parameter.name], parameter.size)
            if file is not None:
                file.seek(offsets[parameter.name])
                file.write(parameter.values().data)
        path.write_bytes(model.SerializeToString())

    def _model(self) -> onnx.ModelProto:
        """The graph without its weights."""
        graph = helper.make_graph(self._nodes, "encoder", self._inputs, self._outputs)
        opsets = [helper.make_opsetid("", OPSET)]
        if any(node.domain == CONTRIB for node in self._nodes):
            opsets.append(helper.make_opsetid(CONTRIB, 1))
        return onnx.ModelProto(
            ir_version=IR_VERSION, producer_name="quadrate_export", opset_import=opsets, graph=graph
        )


def side_file(path: Path) -> Path:
    """Where the weights of the graph at path go when they do not fit into it."""
    return path.with_name(path.name + "_data")


def refer(tensor: TensorProto, location: str, offset: int, size: int) -> None:
    """Makes the tensor's values size bytes of a side file, from offset on."""
    tensor.data_location = TensorProto.EXTERNAL
    del tensor.external_data[:]
    for key, value in (("location", location), ("offset", offset), ("length", size)):
        tensor.external_data.add(key=key, value=str(value))


def _describe(parameter: _Parameter, tensor: TensorProto) -> None:
    tensor.name = parameter.name
    tensor.dims.extend(parameter.shape)
    tensor.data_type = helper.np_dtype_to_tensor_dtype(parameter.dtype)
