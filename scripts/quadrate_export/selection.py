"""The one token of a text that a head reads, where its pooling reads one."""

import numpy as np
from onnx import TensorProto

from .graph import Graph


class Selection:
    """Picks the first or the last token of every text from token states."""

    def __init__(self, graph: Graph, last: bool, lengths: str):
        self._graph = graph
        self._last = last
        self._lengths = lengths
        self._index = ""

    def padded(self, states: str, name: str) -> str:
        """From [batch, length, hidden], padded on the right: [batch, 1, hidden]."""
        self._index = self._index or self._padded_index()
        if self._last:
            return self._graph.node("GatherND", [states, self._index], name, batch_dims=1)
        return self._graph.node("Gather", [states, self._index], name, axis=1)

    def packed(self, rows: str, bounds: str, name: str) -> str:
        """From rows [tokens, hidden] without padding: [batch, hidden].

        bounds is int32 [batch + 1]: text i takes the rows from bounds[i] to bounds[i + 1].
        """
        self._index = self._index or self._packed_index(bounds)
        return self._graph.node("Gather", [rows, self._index], name, axis=0)

    def _padded_index(self) -> str:
        graph = self._graph
        if not self._last:
            return graph.constant("pooling/first", [0], np.int64)
        one = graph.constant("pooling/one", 1, np.int32)
        last = graph.node("Sub", [self._lengths, one], "pooling/last")
        wide = graph.node("Cast", [last], "pooling/last_int64", to=TensorProto.INT64)
        axes = graph.constant("pooling/index_axes", [1, 2], np.int64)
        return graph.node("Unsqueeze", [wide, axes], "pooling/index")

    def _packed_index(self, bounds: str) -> str:
        graph = self._graph
        zero = graph.constant("pooling/zero", [0], np.int64)
        if not self._last:
            end = graph.constant("pooling/before_last", [-1], np.int64)
            return graph.node("Slice", [bounds, zero, end, zero], "pooling/first")
        start = graph.constant("pooling/from_second", [1], np.int64)
        end = graph.constant("pooling/to_end", [np.iinfo(np.int64).max], np.int64)
        ends = graph.node("Slice", [bounds, start, end, zero], "pooling/ends")
        return graph.node("Sub", [ends, graph.constant("pooling/one", 1, np.int32)], "pooling/last")
