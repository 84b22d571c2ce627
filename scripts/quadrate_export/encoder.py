"""Writes the transformer encoder, from token ids to token states.

Every layer is the same five fused operators of ONNX Runtime: attention, its
output product, add and norm, two products around the activation, add and norm.
How a product is computed is left to the arithmetic (arithmetic.py).
"""

import numpy as np
from onnx import TensorProto

from .arithmetic import Arithmetic
from .checkpoint import Checkpoint
from .graph import CONTRIB, Graph
from .selection import Selection


class Encoder:
    """Adds one checkpoint's encoder to a graph."""

    def __init__(self, graph: Graph, checkpoint: Checkpoint, arithmetic: Arithmetic):
        self._graph = graph
        self._checkpoint = checkpoint
        self._layout = checkpoint.layout
        self._arithmetic = arithmetic

    def build(self, lengths: str, selection: Selection | None) -> str:
        """Returns the states [batch, length, hidden], or [batch, 1, hidden] with a selection.

        lengths names an int32 [batch] of true lengths. The selection picks the one
        token that the head reads; since nothing after the last attention looks at
        another token, the rest of the last layer is computed for that token only.
        """
        rows = self._arithmetic.flatten(self._embed())
        last = self._layout.layers - 1
        for index in range(self._layout.layers):
            rows = self._layer(index, rows, lengths, selection if index == last else None)
        return self._arithmetic.unflatten(rows, single=selection is not None)

    def _embed(self) -> str:
        graph = self._graph
        ids = graph.node("Cast", ["input_ids"], "ids", to=TensorProto.INT32)
        types, type_table = "", ""
        if self._layout.has_types:
            types = graph.node("Cast", ["token_type_ids"], "types", to=TensorProto.INT32)
            type_table = self._copy("embeddings.token_type_embeddings.weight")
        return graph.nodes(
            "EmbedLayerNormalization",
            [
                ids,
                types,
                self._copy("embeddings.word_embeddings.weight"),
                self._position_table(),
                type_table,
                self._copy("embeddings.LayerNorm.weight"),
                self._copy("embeddings.LayerNorm.bias"),
                "",
                self._position_ids(ids),
            ],
            ["embeddings", "embeddings/mask_index"],
            CONTRIB,
            epsilon=self._layout.epsilon,
        )[0]

    def _position_ids(self, ids: str) -> str:
        """RoBERTa counts the tokens that are not padding, from the pad id plus one."""
        if not self._layout.position_offset:
            return ""
        graph = self._graph
        pad = graph.constant("pad_id", self._layout.pad_id, np.int32)
        is_pad = graph.node("Equal", [ids, pad], "positions/is_pad")
        is_token = graph.node("Not", [is_pad], "positions/is_token")
        ones = graph.node("Cast", [is_token], "positions/ones", to=TensorProto.INT32)
        axis = graph.constant("positions/axis", 1, np.int32)
        count = graph.node("CumSum", [ones, axis], "positions/count")
        masked = graph.node("Mul", [count, ones], "positions/masked")
        return graph.node("Add", [masked, pad], "positions")

    def _position_table(self) -> str:
        name = "embeddings.position_embeddings.weight"
        if self._layout.has_types:
            return self._copy(name)

        def with_type() -> np.ndarray:
            types = self._checkpoint.read("embeddings.token_type_embeddings.weight")
            return self._checkpoint.read(name) + types[0]

        shape = self._checkpoint.shape(name)
        return self._graph.parameter(name, shape, with_type, self._arithmetic.dtype)

    def _layer(self, index: int, rows: str, lengths: str, selection: Selection | None) -> str:
        name = f"encoder.layer.{index}"
        context = self._arithmetic.attention(rows, lengths, f"{name}.attention.self")
        if selection is not None:
            context = self._arithmetic.select(context, selection, f"{name}.attention.selected")
            rows = self._arithmetic.select(rows, selection, f"{name}.selected")
        product = self._arithmetic.product(context, f"{name}.attention.output.dense")
        rows = self._add_norm(product, rows, f"{name}.attention.output")
        inner = self._arithmetic.product(rows, f"{name}.intermediate.dense")
        inner = self._activate(inner, f"{name}.intermediate")
        product = self._arithmetic.product(inner, f"{name}.output.dense")
        return self._add_norm(product, rows, f"{name}.output")

    def _add_norm(self, product: str, residual: str, name: str) -> str:
        norm = f"{name}.LayerNorm"
        inputs = [
            product,
            residual,
            self._copy(f"{norm}.weight"),
            self._copy(f"{norm}.bias"),
            self._copy(f"{name}.dense.bias"),
        ]
        return self._graph.node(
            "SkipLayerNormalization", inputs, f"{norm}/out", CONTRIB, epsilon=self._layout.epsilon
        )

    def _activate(self, inner: str, name: str) -> str:
        inputs = [inner, self._copy(f"{name}.dense.bias")]
        if self._layout.activation == "relu":
            added = self._graph.node("Add", inputs, f"{name}/biased")
            return self._graph.node("Relu", [added], f"{name}/relu")
        op = "BiasGelu" if self._layout.activation == "gelu" else "FastGelu"
        return self._graph.node(op, inputs, f"{name}/gelu", CONTRIB)

    def _copy(self, name: str) -> str:
        shape = self._checkpoint.shape(name)
        return self._graph.parameter(name, shape, lambda: self._checkpoint.read(name), self._arithmetic.dtype)


class CpuEncoder(Encoder):
    """The encoder with norms in parts: on the CPU the fused one takes six times as long.

    On CUDA, ONNX Runtime's optimiser puts them together again.
    """

    def _add_norm(self, product: str, residual: str, name: str) -> str:
        biased = self._graph.node("Add", [product, self._copy(f"{name}.dense.bias")], f"{name}.dense/biased")
        total = self._graph.node("Add", [biased, residual], f"{name}/residual")
        return self._norm(total, f"{name}.LayerNorm")

    def _norm(self, states: str, name: str) -> str:
        inputs = [states, self._copy(f"{name}.weight"), self._copy(f"{name}.bias")]
        return self._graph.node(
            "LayerNormalization", inputs, f"{name}/out", axis=-1, epsilon=self._layout.epsilon
        )
