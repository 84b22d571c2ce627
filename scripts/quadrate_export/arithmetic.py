"""How the encoder's matrix products are computed: in float32 or float16; int8 is in int8.py."""

from typing import Protocol

import numpy as np

from .checkpoint import Checkpoint
from .graph import CONTRIB, Graph

VARIANTS = ("fp32", "fp16", "int8")


class Arithmetic(Protocol):
    """Adds products and attention to a graph; dtype is that of states and small weights."""

    dtype: np.dtype

    def flatten(self, states: str) -> str:
        """States [batch, length, hidden] in the shape that the other methods take."""

    def unflatten(self, rows: str, single: bool = False) -> str:
        """What flatten was given; length is 1 with single."""

    def product(self, states: str, name: str) -> str:
        """Flattened states times the linear layer called name, without its bias."""

    def attention(self, states: str, lengths: str, name: str) -> str:
        """Self-attention over flattened states: [batch, length, hidden], heads joined."""


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

    def product(self, states: str, name: str) -> str:
        rows, columns = self._checkpoint.shape(f"{name}.weight")
        weight = self._graph.parameter(
            f"{name}.weight", (columns, rows), lambda: self._checkpoint.read(f"{name}.weight").T, self.dtype
        )
        return self._graph.node("MatMul", [states, weight], f"{name}/product")

    def attention(self, states: str, lengths: str, name: str) -> str:
        hidden = self._checkpoint.layout.hidden
        weight = self._graph.parameter(
            f"{name}.qkv.weight", (hidden, 3 * hidden), lambda: qkv_weight(self._checkpoint, name), self.dtype
        )
        bias = self._graph.parameter(
            f"{name}.qkv.bias", (3 * hidden,), lambda: qkv_bias(self._checkpoint, name), self.dtype
        )
        attributes = {"num_heads": self._checkpoint.layout.heads}
        if self.dtype == np.float32:
            # The default of -10000 is exact only while scores stay well below it.
            attributes["mask_filter_value"] = float(np.finfo(np.float32).min)
        return self._graph.node(
            "Attention", [states, weight, bias, lengths], f"{name}/context", CONTRIB, **attributes
        )


def qkv_weight(checkpoint: Checkpoint, name: str) -> np.ndarray:
    """The three projections side by side: [hidden, 3 * hidden]."""
    parts = [checkpoint.read(f"{name}.{part}.weight").T for part in ("query", "key", "value")]
    return np.concatenate(parts, axis=1)


def qkv_bias(checkpoint: Checkpoint, name: str) -> np.ndarray:
    """The three biases one after another: [3 * hidden]."""
    return np.concatenate([checkpoint.read(f"{name}.{part}.bias") for part in ("query", "key", "value")])
