"""Dynamic int8 for the CPU that does not let texts in a batch influence each other.

Every token's row is quantised with its own scale and zero point (uint8, the
row's minimum to maximum), weights with one scale an output (int8), and the
products are summed exactly in int32. ONNX Runtime's own dynamic quantisation
takes one scale for the whole batch, so that an answer would depend on its
neighbours. With x = s(q - z), a product is s(qW - z sum(W)): the second term is
a product of a column with a row, taken off afterwards.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from onnx import TensorProto

from .arithmetic import qkv_bias, qkv_weight
from .checkpoint import Checkpoint
from .graph import CONTRIB, Graph
from .selection import Selection

_LEVELS = 255  # steps of uint8
_LARGEST = 127  # of int8; -128 is not used, so that weights are symmetric


class _Rows(NamedTuple):
    """Quantised rows: uint8 [rows, in], scale and zero point float32 [rows, 1]."""

    values: str
    scale: str
    zero: str


class Int8:
    """Products in int8 on rows [tokens, in]; norms, activations and attention in float32."""

    dtype = np.dtype(np.float32)

    def __init__(self, graph: Graph, checkpoint: Checkpoint):
        self._graph = graph
        self._checkpoint = checkpoint
        self._weights = _LastWeight()
        hidden = checkpoint.layout.hidden
        shape = graph.node("Shape", ["input_ids"], "rows/batch_length")
        width = graph.constant("rows/hidden", [hidden], np.int64)
        self._full = graph.node("Concat", [shape, width], "rows/full", axis=0)
        wide = graph.constant("rows/qkv_hidden", [3 * hidden], np.int64)
        self._qkv = graph.node("Concat", [shape, wide], "rows/qkv", axis=0)

    def flatten(self, states: str) -> str:
        shape = self._graph.constant("rows/flat", [-1, self._checkpoint.layout.hidden], np.int64)
        return self._graph.node("Reshape", [states, shape], f"{states}/rows")

    def unflatten(self, rows: str, single: bool = False) -> str:
        shape = self._full
        if single:
            hidden = self._checkpoint.layout.hidden
            shape = self._graph.constant("rows/single", [-1, 1, hidden], np.int64)
        return self._graph.node("Reshape", [rows, shape], f"{rows}/states")

    def product(self, states: str, name: str) -> str:
        columns, rows = self._checkpoint.shape(f"{name}.weight")
        return self._product(states, name, (rows, columns), lambda: self._checkpoint.read(f"{name}.weight").T)

    def attention(self, states: str, lengths: str, name: str) -> str:
        graph, hidden = self._graph, self._checkpoint.layout.hidden
        rows = self._product(
            states, f"{name}.qkv", (hidden, 3 * hidden), lambda: qkv_weight(self._checkpoint, name)
        )
        joined = graph.node("Reshape", [rows, self._qkv], f"{name}/joined")
        parts = [f"{name}/query", f"{name}/key", f"{name}/value"]
        graph.nodes("Split", [joined], parts, axis=-1)
        bias = graph.parameter(f"{name}.qkv.bias", (3 * hidden,), lambda: qkv_bias(self._checkpoint, name))
        context = graph.node(
            "MultiHeadAttention",
            [*parts, bias, lengths],
            f"{name}/context",
            CONTRIB,
            num_heads=self._checkpoint.layout.heads,
            mask_filter_value=float(np.finfo(np.float32).min),
        )
        return self.flatten(context)

    def select(self, rows: str, selection: Selection, name: str) -> str:
        return self.flatten(selection.padded(self.unflatten(rows), name))

    def _product(self, states: str, name: str, shape: tuple[int, int], make: Callable[[], np.ndarray]) -> str:
        graph, columns = self._graph, shape[1]
        weight = self._weights.reader(make)
        values = graph.parameter(f"{name}.int8", shape, lambda: weight().values, np.int8)
        scales = graph.parameter(f"{name}.scale", (columns,), lambda: weight().scale)
        sums = graph.parameter(f"{name}.sums", (1, columns), lambda: weight().sums)
        rows = self._quantise_rows(states, name)
        one = graph.constant("rows/one", 1, np.float32)
        whole = graph.node(
            "MatMulIntegerToFloat", [rows.values, values, one, scales], f"{name}/whole", CONTRIB
        )
        centred = graph.node("Gemm", [rows.zero, sums, whole], f"{name}/centred", alpha=-1.0)
        return graph.node("Mul", [centred, rows.scale], f"{name}/product")

    def _quantise_rows(self, states: str, name: str) -> _Rows:
        graph = self._graph

        def number(value: float, label: str) -> str:
            return graph.constant(f"rows/{label}", value, np.float32)

        # Zero stays inside the range: it is then represented exactly, and the zero point fits.
        zero = number(0, "zero")
        high = graph.node("ReduceMax", [states], f"{name}/max", axes=[-1], keepdims=0)
        low = graph.node("ReduceMin", [states], f"{name}/min", axes=[-1], keepdims=0)
        high = graph.node("Max", [high, zero], f"{name}/high")
        low = graph.node("Min", [low, zero], f"{name}/low")
        span = graph.node("Sub", [high, low], f"{name}/span")
        step = graph.node("Mul", [span, number(1 / _LEVELS, "step")], f"{name}/step")
        scale = graph.node("Max", [step, number(1e-20, "least")], f"{name}/scale")
        place = graph.node("Div", [low, scale], f"{name}/place")
        point = graph.node("Round", [graph.node("Neg", [place], f"{name}/lift")], f"{name}/point")
        point_int = graph.node("Cast", [point], f"{name}/point_uint8", to=TensorProto.UINT8)
        values = graph.node("QuantizeLinear", [states, scale, point_int], f"{name}/values", axis=0)
        axis = graph.constant("rows/last_axis", [-1], np.int64)
        return _Rows(
            values,
            graph.node("Unsqueeze", [scale, axis], f"{name}/scale_column"),
            graph.node("Unsqueeze", [point, axis], f"{name}/zero_column"),
        )


class _Columns(NamedTuple):
    """Quantised weight: int8 [in, out], scale [out], scaled sums of the int8 columns [1, out]."""

    values: np.ndarray
    scale: np.ndarray
    sums: np.ndarray


class _LastWeight:
    """Quantises a weight once for the three tensors made of it, which are written in a row."""

    def __init__(self):
        self._make: Callable[[], np.ndarray] | None = None
        self._columns: _Columns | None = None

    def reader(self, make: Callable[[], np.ndarray]) -> Callable[[], _Columns]:
        def read() -> _Columns:
            if self._make is not make:
                self._make, self._columns = make, _quantise_columns(make())
            return self._columns

        return read


def _quantise_columns(weight: np.ndarray) -> _Columns:
    scale = np.maximum(np.abs(weight).max(axis=0), 1e-20).astype(np.float32) / _LARGEST
    values = np.rint(weight / scale).astype(np.int8)
    sums = values.sum(axis=0, dtype=np.int64, keepdims=True) * scale
    return _Columns(values, scale, sums.astype(np.float32))
