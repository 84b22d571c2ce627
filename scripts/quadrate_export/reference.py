"""The forward pass in float64 numpy, straight from the checkpoint.

It shares no code with the graph builder, so that an error in one shows as a
difference from the other. One unpadded text at a time; made for checking, not
for speed.
"""

import math
from collections.abc import Iterator

import numpy as np

from .checkpoint import Checkpoint
from .modules import Modules

_ERF_REACH = 6.0  # erf is 1 in float64 beyond it
_ERF_STEP = 1 / 4096


class Reference:
    """Computes a model's output for token ids."""

    def __init__(self, checkpoint: Checkpoint, modules: Modules):
        self._checkpoint = checkpoint
        self._layout = checkpoint.layout
        self._modules = modules

    def outputs(self, sequences: list[tuple[list[int], list[int]]]) -> list[np.ndarray]:
        """One vector [dimensions] for each (ids, type ids), before any norm."""
        return self.vectors(self.states(sequences))

    def states(self, sequences: list[tuple[list[int], list[int]]]) -> list[np.ndarray]:
        """The states [length, hidden] after the last layer for each (ids, type ids).

        Goes layer by layer over all sequences, so that a layer's weights are
        read once and only one layer is in memory.
        """
        states = [self._embed(np.array(ids), np.array(types)) for ids, types in sequences]
        for index in range(self._layout.layers):
            layer = self._read_layer(f"encoder.layer.{index}.")
            states = [self._layer(item, layer) for item in states]
        return states

    def vectors(self, states: list[np.ndarray]) -> list[np.ndarray]:
        """What the pooling and the head make of the states of each text: [dimensions]."""
        return [self._head(item) for item in states]

    def products(self, sequences: list[tuple[list[int], list[int]]]) -> Iterator[dict[str, np.ndarray]]:
        """For each layer, what its linear layers are given: float32 [all tokens, in] by part of the name."""
        states = [self._embed(np.array(ids), np.array(types)) for ids, types in sequences]
        for index in range(self._layout.layers):
            layer = self._read_layer(f"encoder.layer.{index}.")
            seen: dict[str, list[np.ndarray]] = {}
            states = [self._layer(item, layer, seen) for item in states]
            yield {name: np.concatenate(parts) for name, parts in seen.items()}

    def _read(self, name: str) -> np.ndarray:
        return self._checkpoint.read(name).astype(np.float64)

    def _embed(self, ids: np.ndarray, types: np.ndarray) -> np.ndarray:
        def rows(table: str, index: np.ndarray) -> np.ndarray:
            return self._checkpoint.read(f"embeddings.{table}.weight")[index].astype(np.float64)

        if self._layout.architecture == "bert":
            positions = np.arange(len(ids))
        else:
            real = ids != self._layout.pad_id
            positions = np.cumsum(real) * real + self._layout.pad_id
        if not self._layout.has_types:
            types = np.zeros_like(ids)
        total = rows("word_embeddings", ids) + rows("position_embeddings", positions)
        total += rows("token_type_embeddings", types)
        return self._norm(
            total, self._read("embeddings.LayerNorm.weight"), self._read("embeddings.LayerNorm.bias")
        )

    def _read_layer(self, prefix: str) -> dict[str, np.ndarray]:
        parts = (
            "attention.self.query",
            "attention.self.key",
            "attention.self.value",
            "attention.output.dense",
            "attention.output.LayerNorm",
            "intermediate.dense",
            "output.dense",
            "output.LayerNorm",
        )
        return {
            f"{part}.{kind}": self._read(f"{prefix}{part}.{kind}")
            for part in parts
            for kind in ("weight", "bias")
        }

    def _layer(
        self,
        states: np.ndarray,
        layer: dict[str, np.ndarray],
        seen: dict[str, list[np.ndarray]] | None = None,
    ) -> np.ndarray:
        def linear(values: np.ndarray, name: str) -> np.ndarray:
            if seen is not None:
                seen.setdefault(name, []).append(values.astype(np.float32))
            return values @ layer[f"{name}.weight"].T + layer[f"{name}.bias"]

        def norm(values: np.ndarray, name: str) -> np.ndarray:
            return self._norm(values, layer[f"{name}.weight"], layer[f"{name}.bias"])

        def split(values: np.ndarray) -> np.ndarray:
            return values.reshape(len(values), self._layout.heads, -1).transpose(1, 0, 2)

        query, key, value = (
            split(linear(states, f"attention.self.{part}")) for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / math.sqrt(query.shape[-1])
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        context = (weights @ value).transpose(1, 0, 2).reshape(states.shape)
        states = norm(states + linear(context, "attention.output.dense"), "attention.output.LayerNorm")
        inner = self._activate(linear(states, "intermediate.dense"))
        return norm(states + linear(inner, "output.dense"), "output.LayerNorm")

    def _norm(self, values: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        centred = values - values.mean(axis=-1, keepdims=True)
        variance = (centred**2).mean(axis=-1, keepdims=True)
        return centred / np.sqrt(variance + self._layout.epsilon) * weight + bias

    def _activate(self, values: np.ndarray) -> np.ndarray:
        if self._layout.activation == "relu":
            return np.maximum(values, 0)
        if self._layout.activation == "gelu_tanh":
            inner = math.sqrt(2 / math.pi) * (values + 0.044715 * values**3)
            return 0.5 * values * (1 + np.tanh(inner))
        return 0.5 * values * (1 + erf(values / math.sqrt(2)))

    def _head(self, states: np.ndarray) -> np.ndarray:
        if self._layout.labels:
            return self._classify(states[0])
        return head(states, self._modules)

    def _classify(self, first: np.ndarray) -> np.ndarray:
        names = ("classifier.dense", "classifier.out_proj")
        if self._layout.architecture == "bert":
            names = ("pooler.dense", "classifier")
        inner = np.tanh(self._read(f"{names[0]}.weight") @ first + self._read(f"{names[0]}.bias"))
        return self._read(f"{names[1]}.weight") @ inner + self._read(f"{names[1]}.bias")


def head(states: np.ndarray, modules: Modules) -> np.ndarray:
    """What the modules make of one text's token states [length, hidden], before any norm."""
    vector = _pool(states, modules.pooling)
    for layer in modules.dense:
        vector = layer.weight.astype(np.float64) @ vector
        if layer.bias is not None:
            vector = vector + layer.bias
        if layer.activation == "tanh":
            vector = np.tanh(vector)
    return vector


def _pool(states: np.ndarray, pooling: str) -> np.ndarray:
    if pooling == "cls":
        return states[0]
    if pooling == "last":
        return states[-1]
    if pooling == "max":
        return states.max(axis=0)
    if pooling == "mean_sqrt_len":
        return states.sum(axis=0) / math.sqrt(len(states))
    return states.mean(axis=0)


def erf(values: np.ndarray) -> np.ndarray:
    """The error function to about 1e-15, by cubic interpolation in a table of math.erf."""
    clipped = np.clip(values, -_ERF_REACH, _ERF_REACH - _ERF_STEP)
    place = (clipped + _ERF_REACH) / _ERF_STEP
    index = np.nan_to_num(place).astype(np.int64)  # t stays nan where values are
    t = place - index
    y0, y1 = _ERF_TABLE[index], _ERF_TABLE[index + 1]
    d0, d1 = _ERF_SLOPES[index], _ERF_SLOPES[index + 1]
    return (
        y0 * (1 + 2 * t) * (1 - t) ** 2
        + d0 * t * (1 - t) ** 2
        + y1 * t**2 * (3 - 2 * t)
        + d1 * t**2 * (t - 1)
    )


_GRID = np.arange(-_ERF_REACH, _ERF_REACH + _ERF_STEP, _ERF_STEP)
_ERF_TABLE = np.array([math.erf(x) for x in _GRID])
_ERF_SLOPES = 2 / math.sqrt(math.pi) * np.exp(-(_GRID**2)) * _ERF_STEP
