"""Writes what follows the encoder: pooling and dense layers, a classification head, or nothing.

Heads are computed in float32 in every variant: they see one row a text and
their rounding would reach the answer directly.
"""

import numpy as np
from onnx import TensorProto

from .checkpoint import Checkpoint
from .graph import Graph
from .layout import head_layers
from .modules import Modules
from .selection import Selection

TOKENS = "token_embeddings"  # the output of a graph without pooling

_SELECTING = ("cls", "last")


class Head:
    """Turns token states into the graph's output."""

    def __init__(self, graph: Graph, checkpoint: Checkpoint, modules: Modules, dtype: np.dtype):
        self._graph = graph
        self._checkpoint = checkpoint
        self._modules = modules
        self._dtype = dtype
        self._pooling = "cls" if checkpoint.layout.labels else modules.pooling

    @property
    def output(self) -> str:
        return "logits" if self._checkpoint.layout.labels else "sentence_embedding"

    def selection(self, lengths: str) -> Selection | None:
        """The one token that the pooling reads; None when it reads all."""
        if self._pooling not in _SELECTING:
            return None
        return Selection(self._graph, self._pooling == "last", lengths)

    def build(self, states: str) -> None:
        """Adds the head and declares the output, float32 [batch, dimensions]."""
        vector = self._pool(states)
        if self._checkpoint.layout.labels:
            vector = self._classify(vector)
        for index, layer in enumerate(self._modules.dense):
            activation = "Tanh" if layer.activation == "tanh" else ""
            vector = self._linear(vector, f"dense.{index}", layer.weight, layer.bias, activation)
        self._graph.node("Identity", [vector], self.output)
        self._graph.output(self.output, ["batch", self._modules.dimensions(self._checkpoint.layout)])

    def _pool(self, states: str) -> str:
        if self._pooling == "max":
            pooled = self._max(states)
        elif self._pooling in _SELECTING:
            pooled = self._drop_axis(states)
        else:
            pooled = self._average(states)
        return _widen(self._graph, pooled, self._dtype, "pooling/float32")

    def _average(self, states: str) -> str:
        """Sum over tokens with weights mask/n (mean) or mask/sqrt(n), as one product a text."""
        graph = self._graph
        mask = graph.node("Cast", ["attention_mask"], "pooling/mask", to=TensorProto.FLOAT)
        axis = graph.constant("pooling/length_axis", [1], np.int64)
        count = graph.node("ReduceSum", [mask, axis], "pooling/count", keepdims=1)
        # A text without any token would divide by zero; its sum is zero as well.
        least = graph.constant("pooling/least", 1, np.float32)
        divisor = graph.node("Max", [count, least], "pooling/divisor")
        if self._pooling == "mean_sqrt_len":
            divisor = graph.node("Sqrt", [divisor], "pooling/divisor_root")
        weights = graph.node("Div", [mask, divisor], "pooling/weights")
        if self._dtype != np.float32:
            weights = graph.node("Cast", [weights], "pooling/weights_cast", to=TensorProto.FLOAT16)
        row = graph.node("Unsqueeze", [weights, axis], "pooling/row")
        return self._drop_axis(graph.node("MatMul", [row, states], "pooling/average"))

    def _max(self, states: str) -> str:
        graph = self._graph
        mask = graph.node("Cast", ["attention_mask"], "pooling/mask", to=TensorProto.BOOL)
        axes = graph.constant("pooling/state_axis", [2], np.int64)
        mask = graph.node("Unsqueeze", [mask, axes], "pooling/mask_column")
        # Far below any normalised state, and finite where an engine turns to float16.
        least = graph.constant("pooling/least", np.finfo(np.float16).min, self._dtype)
        masked = graph.node("Where", [mask, states, least], "pooling/masked")
        return graph.node("ReduceMax", [masked], "pooling/max", axes=[1], keepdims=0)

    def _drop_axis(self, states: str) -> str:
        axis = self._graph.constant("pooling/length_axis", [1], np.int64)
        return self._graph.node("Squeeze", [states, axis], "pooling/vector")

    def _classify(self, vector: str) -> str:
        (first, _), (second, _) = head_layers(self._checkpoint.layout)
        read = self._checkpoint.read
        vector = self._linear(vector, first, read(f"{first}.weight"), read(f"{first}.bias"), "Tanh")
        return self._linear(vector, second, read(f"{second}.weight"), read(f"{second}.bias"), "")

    def _linear(
        self, vector: str, name: str, weight: np.ndarray, bias: np.ndarray | None, activation: str
    ) -> str:
        inputs = [vector, self._graph.constant(f"{name}.weight", weight, np.float32)]
        if bias is not None:
            inputs.append(self._graph.constant(f"{name}.bias", bias, np.float32))
        result = self._graph.node("Gemm", inputs, f"{name}/linear", transB=1)
        return self._graph.node(activation, [result], f"{name}/activation") if activation else result


def build_tokens(graph: Graph, states: str, hidden: int, dtype: np.dtype) -> None:
    """Declares the states before any pooling as the output, float32 [batch, length, hidden]."""
    graph.node("Identity", [_widen(graph, states, dtype, "tokens/float32")], TOKENS)
    graph.output(TOKENS, ["batch", "length", hidden])


def _widen(graph: Graph, value: str, dtype: np.dtype, name: str) -> str:
    if dtype == np.float32:
        return value
    return graph.node("Cast", [value], name, to=TensorProto.FLOAT)
