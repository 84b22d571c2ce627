"""Writes what follows the encoder: pooling and dense layers, or a classification head.

Heads are computed in float32 in every variant: they see one row a text and
their rounding would reach the answer directly.
"""

import numpy as np
from onnx import TensorProto

from .checkpoint import Checkpoint
from .encoder import Select
from .graph import Graph
from .layout import head_layers
from .modules import Modules

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

    def select(self, lengths: str) -> Select | None:
        """How to pick the one token that the pooling reads; None when it reads all."""
        if self._pooling not in _SELECTING:
            return None
        if self._pooling == "cls":
            index = self._graph.constant("pooling/first", [0], np.int64)
            return lambda states, name: self._graph.node("Gather", [states, index], name, axis=1)
        one = self._graph.constant("pooling/one", 1, np.int32)
        last = self._graph.node("Sub", [lengths, one], "pooling/last")
        wide = self._graph.node("Cast", [last], "pooling/last_int64", to=TensorProto.INT64)
        axes = self._graph.constant("pooling/index_axes", [1, 2], np.int64)
        index = self._graph.node("Unsqueeze", [wide, axes], "pooling/index")
        return lambda states, name: self._graph.node("GatherND", [states, index], name, batch_dims=1)

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
        if self._dtype == np.float32:
            return pooled
        return self._graph.node("Cast", [pooled], "pooling/float32", to=TensorProto.FLOAT)

    def _average(self, states: str) -> str:
        """Sum over tokens with weights mask/n (mean) or mask/sqrt(n), as one product a text."""
        graph = self._graph
        mask = graph.node("Cast", ["attention_mask"], "pooling/mask", to=TensorProto.FLOAT)
        axis = graph.constant("pooling/length_axis", [1], np.int64)
        count = graph.node("ReduceSum", [mask, axis], "pooling/count", keepdims=1)
        # A text without any token would divide by zero; its sum is zero as well.
        least = graph.constant("pooling/least", 1e-9, np.float32)
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
        least = graph.constant("pooling/least", np.finfo(self._dtype).min, self._dtype)
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
