"""Rounds a weight to int8 so that its products change least, not its entries.

The method is GPTQ (Frantar et al. 2022, arXiv:2210.17323): inputs are rounded
one after another, and what each loses is made up for by the inputs that are
still to come, as far as the inputs seen at calibration go together.
"""

from typing import NamedTuple

import numpy as np

_DAMPING = 0.01  # of the mean square of the inputs, added to each
_BLOCK = 128  # inputs rounded before the rest of the weight is brought up to date


class Columns(NamedTuple):
    """int8 [in, out] and the scale float32 [out] of each output."""

    values: np.ndarray
    scale: np.ndarray


def scales(weight: np.ndarray, largest: int) -> np.ndarray:
    """What makes the largest entry of every column of weight [in, out] equal to largest: float32 [out]."""
    return np.maximum(np.abs(weight).max(axis=0), 1e-20).astype(np.float32) / largest


class Rounder:
    """Rounds the weights that are applied to one set of inputs [samples, in]."""

    def __init__(self, inputs: np.ndarray):
        inputs = inputs.astype(np.float64)
        moments = inputs.T @ inputs / len(inputs)
        squares = np.diag(moments).copy()
        moments[np.diag_indices_from(moments)] += max(_DAMPING * squares.mean(), 1e-12)
        # The largest inputs first: their loss can then be made up for by all others.
        self._order = np.argsort(-squares, kind="stable")
        inverse = np.linalg.inv(moments[np.ix_(self._order, self._order)])
        self._upper = np.linalg.cholesky((inverse + inverse.T) / 2).T

    def round(self, weight: np.ndarray, largest: int) -> Columns:
        """Weight [in, out] as int8 between -largest and largest, with one scale an output."""
        scale = scales(weight, largest)
        rest = weight[self._order].astype(np.float64)
        rounded = np.empty(weight.shape, np.int8)
        for start in range(0, len(rest), _BLOCK):
            stop = min(start + _BLOCK, len(rest))
            values, errors = self._block(rest[start:stop], scale, start, largest)
            rounded[self._order[start:stop]] = values
            rest[stop:] -= self._upper[start:stop, stop:].T @ errors
        return Columns(rounded, scale)

    def _block(
        self, rest: np.ndarray, scale: np.ndarray, start: int, largest: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The int8 rows of one block and their losses, in units of the rows still to come."""
        upper = self._upper[start : start + len(rest), start : start + len(rest)]
        values, errors = np.empty(rest.shape, np.int8), np.empty_like(rest)
        for index in range(len(rest)):
            values[index] = np.clip(np.rint(rest[index] / scale), -largest, largest)
            errors[index] = (rest[index] - values[index] * scale) / upper[index, index]
            rest[index + 1 :] -= np.outer(upper[index, index + 1 :], errors[index])
        return values, errors
