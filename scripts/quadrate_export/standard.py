"""The encoder in standard ONNX operators only, attention written out: for TensorRT's parser.

TensorRT fuses by patterns of its own and knows none of ONNX Runtime's fused
operators. Weights stay float32: the file can then be checked in full against
the reference, and TensorRT picks float16, bfloat16 or TF32 layer by layer as it
is told when it builds its engine. Nothing in the graph overflows in float16.
"""

import math

import numpy as np
from onnx import TensorProto

from .arithmetic import Float
from .checkpoint import Checkpoint
from .encoder import CpuEncoder
from .graph import Graph
from .layout import Layout

# Added to the scores of padding: its softmax weight is zero, and the sum stays within float16.
_MASKED = -30000.0


class StandardFloat(Float):
    """Products in float32, and attention as products around a softmax.

    Every shape but batch and length is fixed; queries are scaled before they meet
    the keys, so that scores do not grow beyond float16 first.
    """

    def __init__(self, graph: Graph, checkpoint: Checkpoint):
        super().__init__(graph, checkpoint, np.float32)
        self._bias = self._mask_bias()

    def attention(self, rows: str, lengths: str, name: str) -> str:
        graph, layout = self._graph, self._checkpoint.layout
        weight, bias = self._projection(name)
        product = graph.node("MatMul", [rows, weight], f"{name}.qkv/product")
        biased = graph.node("Add", [product, bias], f"{name}.qkv/biased")
        parts = [f"{name}/query", f"{name}/key", f"{name}/value"]
        graph.nodes("Split", [biased], parts, axis=-1)
        scale = graph.constant("attention/scale", 1 / math.sqrt(layout.hidden // layout.heads), np.float32)
        query = self._heads(graph.node("Mul", [parts[0], scale], f"{name}/scaled"), [0, 2, 1, 3])
        key = self._heads(parts[1], [0, 2, 3, 1])
        value = self._heads(parts[2], [0, 2, 1, 3])
        scores = graph.node("MatMul", [query, key], f"{name}/scores")
        masked = graph.node("Add", [scores, self._bias], f"{name}/masked")
        weights = graph.node("Softmax", [masked], f"{name}/weights", axis=-1)
        context = graph.node("MatMul", [weights, value], f"{name}/by_head")
        joined = graph.node("Transpose", [context], f"{name}/by_token", perm=[0, 2, 1, 3])
        shape = graph.constant("attention/joined", [0, 0, layout.hidden], np.int64)
        return graph.node("Reshape", [joined, shape], f"{name}/context")

    def _heads(self, states: str, order: list[int]) -> str:
        """From [batch, length, hidden], the axes batch, length, head and inside a head in order."""
        layout = self._checkpoint.layout
        shape = [0, 0, layout.heads, layout.hidden // layout.heads]
        shape = self._graph.constant("attention/heads", shape, np.int64)
        split = self._graph.node("Reshape", [states, shape], f"{states}/split")
        return self._graph.node("Transpose", [split], f"{states}/heads", perm=order)

    def _mask_bias(self) -> str:
        """Float32 [batch, 1, 1, length]: 0 for tokens, _MASKED for padding."""
        graph = self._graph
        mask = graph.node("Cast", ["attention_mask"], "attention/mask", to=TensorProto.FLOAT)
        one = graph.constant("attention/one", 1, np.float32)
        padding = graph.node("Sub", [one, mask], "attention/padding")
        least = graph.constant("attention/masked", _MASKED, np.float32)
        bias = graph.node("Mul", [padding, least], "attention/bias")
        axes = graph.constant("attention/bias_axes", [1, 2], np.int64)
        return graph.node("Unsqueeze", [bias, axes], "attention/bias_row")


class StandardEncoder(CpuEncoder):
    """The encoder with embeddings, norms and activations in standard operators."""

    def _embed(self) -> str:
        graph = self._graph
        words = self._copy("embeddings.word_embeddings.weight")
        total = graph.node("Gather", [words, "input_ids"], "embeddings/words")
        total = graph.node("Add", [total, self._positions()], "embeddings/positioned")
        if self._layout.has_types:
            types = self._copy("embeddings.token_type_embeddings.weight")
            types = graph.node("Gather", [types, "token_type_ids"], "embeddings/types")
            total = graph.node("Add", [total, types], "embeddings/typed")
        return self._norm(total, "embeddings.LayerNorm")

    def _positions(self) -> str:
        """Rows of the position table: [length, hidden] by place, [batch, length, hidden] by count."""
        graph, table = self._graph, self._position_table()
        if self._layout.position_offset:
            ids = graph.node("Cast", ["input_ids"], "ids", to=TensorProto.INT32)
            return graph.node("Gather", [table, self._position_ids(ids)], "embeddings/positions")
        zero = graph.constant("positions/zero", [0], np.int64)
        length = graph.node("Shape", ["input_ids"], "positions/length", start=1, end=2)
        return graph.node("Slice", [table, zero, length, zero], "embeddings/positions")

    def _activate(self, inner: str, name: str) -> str:
        inner = self._graph.node("Add", [inner, self._copy(f"{name}.dense.bias")], f"{name}/biased")
        if self._layout.activation == "relu":
            return self._graph.node("Relu", [inner], f"{name}/relu")
        gate = self._erf_gate if self._layout.activation == "gelu" else self._tanh_gate
        doubled = self._graph.node("Mul", [inner, gate(inner, name)], f"{name}/doubled")
        return self._graph.node("Mul", [doubled, self._number(0.5, "half")], f"{name}/gelu")

    def _erf_gate(self, inner: str, name: str) -> str:
        """1 + erf(x / sqrt(2))."""
        graph = self._graph
        scaled = graph.node("Div", [inner, self._number(math.sqrt(2), "root")], f"{name}/scaled")
        erf = graph.node("Erf", [scaled], f"{name}/erf")
        return graph.node("Add", [erf, self._number(1, "one")], f"{name}/gate")

    def _tanh_gate(self, inner: str, name: str) -> str:
        """1 + tanh(x (a + b x^2)), which is sqrt(2/pi) (x + 0.044715 x^3) without a cube."""
        graph, factor = self._graph, math.sqrt(2 / math.pi)
        square = graph.node("Mul", [inner, inner], f"{name}/square")
        weighted = graph.node("Mul", [square, self._number(0.044715 * factor, "cubic")], f"{name}/weighted")
        slope = graph.node("Add", [weighted, self._number(factor, "linear")], f"{name}/slope")
        argument = graph.node("Mul", [inner, slope], f"{name}/argument")
        tanh = graph.node("Tanh", [argument], f"{name}/tanh")
        return graph.node("Add", [tanh, self._number(1, "one")], f"{name}/gate")

    def _number(self, value: float, label: str) -> str:
        return self._graph.constant(f"activation/{label}", value, np.float32)


def expected_operators(layout: Layout) -> dict[str, int]:
    """How many of the operators that carry the encoder its graph has; a pooling may add a MatMul."""
    return {
        "MatMul": 6 * layout.layers,
        "Softmax": layout.layers,
        "LayerNormalization": 2 * layout.layers + 1,
    }
