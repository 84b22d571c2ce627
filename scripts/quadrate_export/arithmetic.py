"""How the encoder's products and attention are computed: here in float32 or float16.

The other ways are in int8.py, packed.py and standard.py.
"""

from typing import Protocol

import numpy as np

from .checkpoint import Checkpoint
from .graph import CONTRIB, Graph
from .selection import Selection

VARIANTS = ("fp32", "fp16", "int8", "packed", "trt")


class Arithmetic(Protocol):
    """Adds products and attention to a graph; dtype is that of states and small weights."""

    dtype: np.dtype

    def flatten(self, states: str) -> str:
        """States [batch, length, hidden] in the shape that the other methods take: rows."""

    def unflatten(self, rows: str, single: bool = False) -> str:
        """What flatten was given; [batch, 1, hidden] of selected rows with single."""

    def product(self, rows: str, name: str) -> str:
        """Rows times the linear layer called name, without its bias."""

    def attention(self, rows: str, lengths: str, name: str) -> str:
        """Self-attention over rows, heads joined."""

    def select(self, rows: str, selection: Selection, name: str) -> str:
        """The rows of one token a text."""


class Float:
    """Plain products and ONNX Runtime's fused attention, in float32 or float16.

    The mask is given as true lengths: inputs are padded on the right, and this
    is the form from which the CUDA kernels can leave the padding out.
    """

    def __init__(self, graph: Graph, checkpoint: Checkpoint, dtype):
        self.dtype = np.dtype(dtype)
        self._graph = graph
        self._checkpoint = checkpoint

    def flatten(self, states: str) -> str:
        return states

    def unflatten(self, rows: str, single: bool = False) -> str:
        return rows

    def product(self, rows: str, name: str) -> str:
        outputs, inputs = self._checkpoint.shape(f"{name}.weight")
        weight = self._graph.parameter(
            f"{name}.weight", (inputs, outputs), lambda: self._checkpoint.read(f"{name}.weight").T, self.dtype
        )
        return self._graph.node("MatMul", [rows, weight], f"{name}/product")

    def attention(self, rows: str, lengths: str, name: str) -> str:
        return self._graph.node(
            "Attention",
            [rows, *self._projection(name), lengths],
            f"{name}/context",
            CONTRIB,
            num_heads=self._checkpoint.layout.heads,
            # The default of -10000 is exact only while scores stay well below it.
            mask_filter_value=float(np.finfo(self.dtype).min),
        )

    def select(self, rows: str, selection: Selection, name: str) -> str:
        return selection.padded(rows, name)

    def _projection(self, name: str) -> tuple[str, str]:
        """Weight [hidden, 3 * hidden] and bias of queries, keys and values."""
        hidden = self._checkpoint.layout.hidden
        weight = self._graph.parameter(
            f"{name}.qkv.weight", (hidden, 3 * hidden), lambda: qkv_weight(self._checkpoint, name), self.dtype
        )
        bias = self._graph.parameter(
            f"{name}.qkv.bias", (3 * hidden,), lambda: qkv_bias(self._checkpoint, name), self.dtype
        )
        return weight, bias


def qkv_weight(checkpoint: Checkpoint, name: str) -> np.ndarray:
    """The three projections side by side: [hidden, 3 * hidden]."""
    parts = [checkpoint.read(f"{name}.{part}.weight").T for part in ("query", "key", "value")]
    return np.concatenate(parts, axis=1)


def qkv_bias(checkpoint: Checkpoint, name: str) -> np.ndarray:
    """The three biases one after another: [3 * hidden]."""
    return np.concatenate([checkpoint.read(f"{name}.{part}.bias") for part in ("query", "key", "value")])
