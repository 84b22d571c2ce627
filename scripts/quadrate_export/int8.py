"""int8 for the CPU that does not let texts in a batch influence each other.

Inputs become uint8 and weights int8 with one scale an output; products are
summed exactly in int32. ONNX Runtime's own dynamic quantisation takes one scale
for the whole batch, so that an answer would depend on its neighbours; here it is
taken from the token's own row or from calibration (recipe.py, quantiser.py).
With x = s(q - z), a product is s(qW - z sum(W)): where z varies, the second term
is a product of a column with a row, taken off afterwards.

Norms are written as Add and LayerNormalization: the fused operator takes six
times as long on the CPU.
"""

from typing import NamedTuple

import numpy as np
from onnx import TensorProto

from .checkpoint import Checkpoint
from .encoder import CpuEncoder
from .graph import CONTRIB, Graph
from .quantiser import Quantised, Quantiser
from .recipe import GELU_LEAST, LEAST_SCALE, LEVELS, MIDDLE, PARTS, REACH, Recipe, Scheme
from .selection import Selection

_CENTRED = Scheme("symmetric", smoothing=0.5, centred=True)
RECIPE = Recipe(_CENTRED, _CENTRED, _CENTRED, Scheme("floor"))


class _Rows(NamedTuple):
    """Quantised rows: uint8 values [rows, in]; scale and zero float32 [rows, 1], "" where they are fixed."""

    values: str
    scale: str = ""
    zero: str = ""


class Int8:
    """Products in int8 on rows [tokens, in]; norms, activations and attention in float32."""

    dtype = np.dtype(np.float32)

    def __init__(self, graph: Graph, checkpoint: Checkpoint, quantiser: Quantiser, recipe: Recipe):
        self._graph = graph
        self._checkpoint = checkpoint
        self._quantiser = quantiser
        self._recipe = recipe
        hidden = checkpoint.layout.hidden
        shape = graph.node("Shape", ["input_ids"], "rows/batch_length")
        width = graph.constant("rows/hidden", [hidden], np.int64)
        self._full = graph.node("Concat", [shape, width], "rows/full", axis=0)

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
        """Rows times the linear layer called name, with its bias where biased says so."""
        layer, part = _place(name)
        rows = self._quantise(states, layer, part, name)
        columns = self._checkpoint.shape(f"{name}.weight")[0]
        return self._product(rows, layer, part, name, 0, columns)

    def biased(self, part: str) -> bool:
        """Whether product adds the bias: with scales by row, the activation does that in passing."""
        return part != PARTS[2] or self._recipe.scheme(part).range in ("fixed", "float")

    def attention(self, states: str, lengths: str, name: str) -> str:
        graph, hidden = self._graph, self._checkpoint.layout.hidden
        layer, part = int(name.split(".")[2]), PARTS[0]
        rows = self._quantise(states, layer, part, name)
        joined = [
            self.unflatten(self._product(rows, layer, part, f"{name}.{kind}", index * hidden, hidden))
            for index, kind in enumerate(("query", "key", "value"))
        ]
        context = graph.node(
            "MultiHeadAttention",
            [*joined, "", lengths],
            f"{name}/context",
            CONTRIB,
            num_heads=self._checkpoint.layout.heads,
            mask_filter_value=float(np.finfo(np.float32).min),
        )
        return self.flatten(context)

    def select(self, rows: str, selection: Selection, name: str) -> str:
        return self.flatten(selection.padded(self.unflatten(rows), name))

    def _product(self, rows: _Rows, layer: int, part: str, name: str, start: int, columns: int) -> str:
        """Columns of a product from start on."""
        graph, stop = self._graph, start + columns
        bias = graph.parameter(
            f"{name}.bias", (columns,), lambda: self._quantiser.product(layer, part).bias[start:stop]
        )
        kind = self._recipe.scheme(part).range
        if kind == "float":
            product = self._float_product(rows, layer, part, name)
        elif kind == "fixed":
            step, zero = self._fixed(layer, part)
            weight, scales = self._weight(layer, part, name, start, columns)
            inputs = [rows.values, weight, step, scales, zero, "", bias]
            return graph.node("MatMulIntegerToFloat", inputs, f"{name}/product", CONTRIB)
        else:
            product = self._row_product(rows, layer, part, name, start, columns)
        return graph.node("Add", [product, bias], f"{name}/product") if self.biased(part) else product

    def _float_product(self, rows: _Rows, layer: int, part: str, name: str) -> str:
        shape = self._checkpoint.shape(f"{name}.weight")[::-1]
        weight = self._graph.parameter(f"{name}.weight", shape, lambda: self._quantiser.weight(layer, part))
        return self._graph.node("MatMul", [rows.values, weight], f"{name}/whole")

    def _row_product(self, rows: _Rows, layer: int, part: str, name: str, start: int, columns: int) -> str:
        graph, stop = self._graph, start + columns
        weight, scales = self._weight(layer, part, name, start, columns)
        one = graph.constant("rows/one", 1, np.float32)
        zero = "" if rows.zero else graph.constant("rows/middle", MIDDLE, np.uint8)
        inputs = [rows.values, weight, one, scales, zero]
        whole = graph.node("MatMulIntegerToFloat", inputs, f"{name}/whole", CONTRIB)
        if rows.zero:
            sums = graph.parameter(
                f"{name}.sums",
                (1, columns),
                lambda: self._quantiser.product(layer, part).sums[:, start:stop],
            )
            whole = graph.node("Gemm", [rows.zero, sums, whole], f"{name}/centred", alpha=-1.0)
        return graph.node("Mul", [whole, rows.scale], f"{name}/scaled")

    def _weight(self, layer: int, part: str, name: str, start: int, columns: int) -> tuple[str, str]:
        """The int8 columns from start on and their scales."""
        stop, shape = start + columns, (self._inputs(part), columns)

        def values() -> np.ndarray:
            return self._quantiser.product(layer, part).values[:, start:stop]

        def scales() -> np.ndarray:
            return self._quantiser.product(layer, part).scale[start:stop]

        return (
            self._graph.parameter(f"{name}.int8", shape, values, np.int8),
            self._graph.parameter(f"{name}.scale", (columns,), scales),
        )

    def _quantise(self, states: str, layer: int, part: str, name: str) -> _Rows:
        graph, scheme = self._graph, self._recipe.scheme(part)
        if scheme.range == "float":
            return _Rows(states)
        if part != PARTS[1]:  # the values are smoothed in place of the context
            states = self._smooth(states, layer, part, name)
        if scheme.range == "fixed":
            values = graph.node("QuantizeLinear", [states, *self._fixed(layer, part)], f"{name}/values")
            return _Rows(values)
        if scheme.range == "symmetric":
            return self._quantise_symmetric(states, name)
        return self._quantise_asymmetric(states, name, scheme.range == "floor")

    def _smooth(self, states: str, layer: int, part: str, name: str) -> str:
        graph, scheme, shape = self._graph, self._recipe.scheme(part), (self._inputs(part),)
        if scheme.smoothing:
            factor = graph.parameter(
                f"{name}.factor", shape, lambda: self._quantiser.product(layer, part).factor
            )
            states = graph.node("Mul", [states, factor], f"{name}/smoothed")
        if scheme.centred:
            offset = graph.parameter(
                f"{name}.offset", shape, lambda: self._quantiser.product(layer, part).offset
            )
            states = graph.node("Add", [states, offset], f"{name}/centred_rows")
        return states

    def _quantise_symmetric(self, states: str, name: str) -> _Rows:
        graph = self._graph
        high = graph.node("ReduceMax", [states], f"{name}/max", axes=[-1], keepdims=0)
        low = graph.node("ReduceMin", [states], f"{name}/min", axes=[-1], keepdims=0)
        below = graph.node("Neg", [low], f"{name}/below")
        largest = graph.node("Max", [high, below, self._number(LEAST_SCALE, "least")], f"{name}/largest")
        scale = graph.node("Mul", [largest, self._number(1 / REACH, "reach")], f"{name}/scale")
        middles = self._middles(scale, name)
        values = graph.node("QuantizeLinear", [states, scale, middles], f"{name}/values", axis=0)
        return _Rows(values, self._column(scale))

    def _quantise_asymmetric(self, states: str, name: str, floor: bool) -> _Rows:
        graph, zero = self._graph, self._number(0, "zero")
        # Zero stays inside the range: it is then represented exactly, and the zero point fits.
        high = graph.node("ReduceMax", [states], f"{name}/max", axes=[-1], keepdims=0)
        high = graph.node("Max", [high, zero], f"{name}/high")
        if floor:
            down = self._number(GELU_LEAST, "floor")
        else:
            low = graph.node("ReduceMin", [states], f"{name}/min", axes=[-1], keepdims=0)
            down = graph.node("Neg", [graph.node("Min", [low, zero], f"{name}/low")], f"{name}/down")
        span = graph.node("Add", [high, down], f"{name}/span")
        step = graph.node("Mul", [span, self._number(1 / LEVELS, "step")], f"{name}/step")
        scale = graph.node("Max", [step, self._number(LEAST_SCALE, "least")], f"{name}/scale")
        point = graph.node("Round", [graph.node("Div", [down, scale], f"{name}/place")], f"{name}/point")
        byte = graph.node("Cast", [point], f"{name}/point_uint8", to=TensorProto.UINT8)
        values = graph.node("QuantizeLinear", [states, scale, byte], f"{name}/values", axis=0)
        return _Rows(values, self._column(scale), self._column(point))

    def _column(self, numbers: str) -> str:
        axis = self._graph.constant("rows/last_axis", [-1], np.int64)
        return self._graph.node("Unsqueeze", [numbers, axis], f"{numbers}_column")

    def _middles(self, scale: str, name: str) -> str:
        shape = self._graph.node("Shape", [scale], f"{name}/count")
        middle = self._graph.constant("rows/middle", MIDDLE, np.uint8)
        return self._graph.node("Expand", [middle, shape], f"{name}/middles")

    def _fixed(self, layer: int, part: str) -> tuple[str, str]:
        name = f"encoder.layer.{layer}.{part}"

        def fixed():
            return self._quantiser.product(layer, part).fixed

        return (
            self._graph.parameter(f"{name}.step", (), lambda: fixed().scale),
            self._graph.parameter(f"{name}.zero", (), lambda: fixed().zero, np.uint8),
        )

    def _number(self, value: float, label: str) -> str:
        return self._graph.constant(f"rows/{label}", value, np.float32)

    def _inputs(self, part: str) -> int:
        layout = self._checkpoint.layout
        return layout.intermediate if part == PARTS[3] else layout.hidden


class Int8Encoder(CpuEncoder):
    """The encoder with norms and biases where they cost least on the CPU."""

    def _add_norm(self, product: str, residual: str, name: str) -> str:
        # The bias is in the product.
        return self._norm(self._graph.node("Add", [product, residual], f"{name}/sum"), f"{name}.LayerNorm")

    def _activate(self, inner: str, name: str) -> str:
        if not self._arithmetic.biased(PARTS[2]):
            return super()._activate(inner, name)
        if self._layout.activation == "relu":
            return self._graph.node("Relu", [inner], f"{name}/relu")
        op = "Gelu" if self._layout.activation == "gelu" else "FastGelu"
        return self._graph.node(op, [inner], f"{name}/gelu", CONTRIB)


def _place(name: str) -> tuple[int, str]:
    """Layer and part of encoder.layer.LAYER.PART."""
    _, _, layer, part = name.split(".", 3)
    return int(layer), part
