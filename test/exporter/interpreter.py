"""Runs packed graphs without a GPU: onnx's reference evaluator with ONNX Runtime's operators in numpy.

Each operator follows its definition in ONNX Runtime's schema, and computes in
float32 whatever its inputs are.
"""

import math

import numpy as np
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from quadrate_export.reference import erf


class Operator(OpRun):
    op_domain = "com.microsoft"


class EmbedLayerNormalization(Operator):
    def _run(self, ids, types, words, positions, type_table, gamma, beta, mask, places, epsilon=None):
        places = np.arange(ids.shape[1])[None, :] if places is None else places
        total = np.float32(words[ids]) + np.float32(positions[places])
        if types is not None:
            total = total + np.float32(type_table[types])
        out = norm(total, gamma, beta, epsilon or self.epsilon)
        return out.astype(words.dtype), np.zeros(len(ids), np.int32)


class SkipLayerNormalization(Operator):
    def _run(self, states, skip, gamma, beta, bias, epsilon=None):
        total = np.float32(states) + np.float32(skip) + np.float32(bias)
        return (norm(total, gamma, beta, epsilon or self.epsilon).astype(states.dtype),)


class BiasGelu(Operator):
    def _run(self, states, bias):
        total = np.float64(states) + np.float64(bias)
        return ((0.5 * total * (1 + erf(total / math.sqrt(2)))).astype(states.dtype),)


class FastGelu(Operator):
    def _run(self, states, bias):
        total = np.float64(states) + np.float64(bias)
        inner = math.sqrt(2 / math.pi) * (total + 0.044715 * total**3)
        return ((0.5 * total * (1 + np.tanh(inner))).astype(states.dtype),)


class RemovePadding(Operator):
    def _run(self, states, counts):
        batch, length, hidden = states.shape
        places = np.arange(batch * length).reshape(batch, length)
        real = np.arange(length)[None, :] < counts[:, None]
        offsets = np.concatenate([places[real], places[~real]])
        bounds = np.concatenate([[0], np.cumsum(counts)])
        rows = states.reshape(-1, hidden)[offsets[: bounds[-1]]]
        longest = np.array([counts.max()], np.int32)
        return rows, offsets.reshape(batch, length).astype(np.int32), bounds.astype(np.int32), longest


class RestorePadding(Operator):
    def _run(self, rows, offsets):
        out = np.zeros((offsets.size, rows.shape[1]), rows.dtype)
        out[offsets.reshape(-1)[: len(rows)]] = rows
        return (out.reshape(*offsets.shape, -1),)


class PackedAttention(Operator):
    def _run(self, rows, weight, bias, offsets, bounds, attention_bias=None, num_heads=None):
        assert attention_bias is None and bounds[-1] == len(rows) and len(bounds) == len(offsets) + 1
        heads = num_heads or self.num_heads
        projected = np.float32(rows) @ np.float32(weight) + np.float32(bias)
        out = [attend(projected[start:end], heads) for start, end in zip(bounds[:-1], bounds[1:], strict=True)]
        return (np.concatenate(out).astype(rows.dtype),)


def attend(projected, heads):
    """Self-attention of one text: [length, 3 * hidden] to [length, hidden]."""
    query, key, value = (
        part.reshape(len(part), heads, -1).transpose(1, 0, 2) for part in np.split(projected, 3, axis=1)
    )
    scores = query @ key.transpose(0, 2, 1) / math.sqrt(query.shape[-1])
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return (weights @ value).transpose(1, 0, 2).reshape(len(projected), -1)


def norm(states, gamma, beta, epsilon):
    centred = states - states.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    return centred / np.sqrt(variance + epsilon) * np.float32(gamma) + np.float32(beta)


OPERATORS = [
    EmbedLayerNormalization,
    SkipLayerNormalization,
    BiasGelu,
    FastGelu,
    RemovePadding,
    RestorePadding,
    PackedAttention,
]


class Interpreter:
    """A session by numpy, with the one method that verify.run needs."""

    def __init__(self, model):
        self._evaluator = ReferenceEvaluator(model, new_ops=OPERATORS)

    def run(self, outputs, feeds):
        return self._evaluator.run(outputs, feeds)
