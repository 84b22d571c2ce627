"""Makes the int8 weights of a checkpoint, layer by layer, from what calibration shows."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from . import recipe as recipes
from .arithmetic import qkv_bias, qkv_weight
from .checkpoint import Checkpoint
from .recipe import PARTS, Recipe
from .rounding import Columns, Rounder, scales


# Makes for each layer in turn what its products were given at calibration: float32 [tokens, in] by part.
Calibration = Callable[[], Iterator[dict[str, np.ndarray]]]


class Quantised(NamedTuple):
    """One product. Columns are outputs; queries, keys and values stand side by side."""

    values: np.ndarray  # int8 [in, out]
    scale: np.ndarray  # float32 [out]
    sums: np.ndarray  # float32 [1, out]: the sums of the int8 columns, times their scales
    bias: np.ndarray  # float32 [out]
    factor: np.ndarray  # float32 [in]: what inputs are multiplied by before they are quantised
    offset: np.ndarray  # float32 [in]: what is added then
    fixed: recipes.Fixed  # of inputs with a fixed range


class Quantiser:
    """Quantises products on demand; asking in the order of layers needs one pass and one layer's memory."""

    def __init__(self, checkpoint: Checkpoint, calibration: Calibration, recipe: Recipe):
        self._checkpoint = checkpoint
        self._calibration = calibration
        self._recipe = recipe
        self._layers: Iterator[dict[str, np.ndarray]] = iter(())
        self._layer = -1
        self._inputs: dict[str, np.ndarray] = {}
        self._last: tuple[tuple[int, str], Quantised] | None = None

    def product(self, layer: int, part: str) -> Quantised:
        """The product of a layer, part being one of PARTS; the last one made is kept."""
        if self._last is None or self._last[0] != (layer, part):
            self._advance(layer)
            self._last = ((layer, part), self._quantise(layer, part))
        return self._last[1]

    def weight(self, layer: int, part: str) -> np.ndarray:
        """The float32 weight [in, out] of a product that stays so."""
        return self._read(layer, part)[0]

    def _advance(self, layer: int) -> None:
        if layer < self._layer or self._layer < 0:
            self._layers, self._layer = self._calibration(), -1
        while self._layer < layer:
            self._inputs = next(self._layers)
            self._layer += 1

    def _quantise(self, layer: int, part: str) -> Quantised:
        scheme = self._recipe.scheme(part)
        weight, bias = self._read(layer, part)
        inputs, centre, divisor = self._smooth(part)
        bias = bias + centre @ weight
        columns = self._round(weight * divisor[:, None], recipes.rounded(inputs, scheme))
        scale = columns.scale
        if part == PARTS[0]:
            scale, bias = self._move_context(scale, bias)
        sums = columns.values.sum(axis=0, dtype=np.int64, keepdims=True) * scale
        return Quantised(
            columns.values,
            scale,
            sums.astype(np.float32),
            bias,
            1 / divisor,
            -centre / divisor,
            recipes.fixed(inputs),
        )

    def _smooth(self, part: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Inputs of a part, centred and smoothed, with their centre and divisor."""
        scheme = self._recipe.scheme(part)
        centre = recipes.centre(self._inputs[part], scheme)
        centred = self._inputs[part] - centre
        divisor = recipes.smoothing(centred, scheme)
        return centred / divisor, centre, divisor

    def _round(self, weight: np.ndarray, inputs: np.ndarray) -> Columns:
        largest = self._recipe.largest
        if self._recipe.rounding:
            return Rounder(inputs).round(weight, largest)
        scale = scales(weight, largest)
        return Columns(np.rint(weight / scale).astype(np.int8), scale)

    def _move_context(self, scale: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Centres and smooths the values in place of the context, which is a mean of their rows."""
        _, centre, divisor = self._smooth(PARTS[1])
        hidden = len(divisor)
        scale, bias = scale.copy(), bias.copy()
        scale[-hidden:] /= divisor
        bias[-hidden:] = (bias[-hidden:] - centre) / divisor
        return scale, bias

    def _read(self, layer: int, part: str) -> tuple[np.ndarray, np.ndarray]:
        name = f"encoder.layer.{layer}"
        if part == PARTS[0]:
            name = f"{name}.attention.self"
            return qkv_weight(self._checkpoint, name), qkv_bias(self._checkpoint, name)
        read = self._checkpoint.read
        return read(f"{name}.{part}.weight").T, read(f"{name}.{part}.bias")
