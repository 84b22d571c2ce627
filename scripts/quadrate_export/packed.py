"""Float16 products on the real tokens of a batch only: padding is taken out inside the graph.

ONNX Runtime has the operators for CUDA alone. The embeddings are still computed
for padding as well, which costs a lookup; every layer then sees [tokens, hidden].
"""

import numpy as np

from .arithmetic import Float
from .checkpoint import Checkpoint
from .graph import CONTRIB, Graph
from .selection import Selection


class Packed(Float):
    """Products and attention on rows [tokens, hidden], texts one after another."""

    def __init__(self, graph: Graph, checkpoint: Checkpoint, lengths: str, dtype=np.float16):
        super().__init__(graph, checkpoint, dtype)
        # Each is at least one: an empty text would have no row to take the pooled token from.
        self._lengths = lengths
        self._offsets = self._bounds = ""

    def flatten(self, states: str) -> str:
        rows, self._offsets, self._bounds, _ = self._graph.nodes(
            "RemovePadding",
            [states, self._lengths],
            ["packing/rows", "packing/token_offset", "packing/bounds", "packing/longest"],
            CONTRIB,
        )
        return rows

    def unflatten(self, rows: str, single: bool = False) -> str:
        if single:
            axis = self._graph.constant("packing/length_axis", [1], np.int64)
            return self._graph.node("Unsqueeze", [rows, axis], f"{rows}/states")
        return self._graph.node("RestorePadding", [rows, self._offsets], f"{rows}/states", CONTRIB)

    def attention(self, rows: str, lengths: str, name: str) -> str:
        return self._graph.node(
            "PackedAttention",
            [rows, *self._projection(name), self._offsets, self._bounds],
            f"{name}/context",
            CONTRIB,
            num_heads=self._checkpoint.layout.heads,
        )

    def select(self, rows: str, selection: Selection, name: str) -> str:
        return selection.packed(rows, self._bounds, name)
