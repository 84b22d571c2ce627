"""How the four inputs of a layer's products are brought to uint8, in numpy and by name.

int8.py writes the same steps as ONNX nodes; a weight is rounded for the inputs
that these functions give, so the two have to agree.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

LEVELS = 255  # steps of uint8
MIDDLE = 128  # zero point of symmetric rows
REACH = 127  # steps on either side of it
GELU_LEAST = 0.171  # no GELU, exact or by tanh, goes below minus this
LEAST_SCALE = 1e-20
_MARGIN = 1.1  # of a fixed range beyond what calibration saw

PARTS = ("attention.self.query", "attention.output.dense", "intermediate.dense", "output.dense")


@dataclass(frozen=True)
class Scheme:
    """How one input is quantised.

    range says where the scale comes from: "symmetric" takes each row's largest
    magnitude, "asymmetric" its minimum and maximum, "floor" its maximum and a
    known minimum, "fixed" what calibration saw in any row; "float" leaves the
    product in float32. smoothing is the power of a channel's largest magnitude
    that it is divided by beforehand (SmoothQuant's alpha; 0 leaves it as it is).
    centred takes the middle of each channel's range off before that.
    """

    range: str
    smoothing: float = 0.0
    centred: bool = False

    def __post_init__(self):
        if self.range == "floor" and (self.smoothing or self.centred):
            raise ValueError("a smoothed or centred input has no known minimum")


@dataclass(frozen=True)
class Recipe:
    """The schemes of one layer's four inputs, in the order of PARTS."""

    attention: Scheme
    context: Scheme
    intermediate: Scheme
    output: Scheme
    rounding: bool = True  # rounding.py; without it weights are rounded entry by entry
    largest: int = 127  # of a weight; -128 is not used, so that weights are symmetric

    def scheme(self, part: str) -> Scheme:
        return (self.attention, self.context, self.intermediate, self.output)[PARTS.index(part)]


class Fixed(NamedTuple):
    """A scale and zero point for all rows."""

    scale: np.float32
    zero: np.uint8


def centre(inputs: np.ndarray, scheme: Scheme) -> np.ndarray:
    """What is taken off every channel of inputs [rows, in]: float32 [in]."""
    if not scheme.centred:
        return np.zeros(inputs.shape[1], np.float32)
    return (inputs.min(axis=0) + inputs.max(axis=0)) / 2


def smoothing(inputs: np.ndarray, scheme: Scheme) -> np.ndarray:
    """What every channel of inputs [rows, in] is divided by: float32 [in], of geometric mean one."""
    if not scheme.smoothing:
        return np.ones(inputs.shape[1], np.float32)
    largest = np.abs(inputs).max(axis=0).astype(np.float64)
    powers = np.maximum(largest, 1e-3 * largest.max() + 1e-20) ** scheme.smoothing
    return (powers / np.exp(np.log(powers).mean())).astype(np.float32)


def fixed(smoothed: np.ndarray) -> Fixed:
    low, high = (min(0.0, float(smoothed.min())) * _MARGIN, max(0.0, float(smoothed.max())) * _MARGIN)
    scale = max((high - low) / LEVELS, LEAST_SCALE)
    return Fixed(np.float32(scale), np.uint8(np.rint(-low / scale)))


def bytes_of(smoothed: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Rows [rows, in] as uint8."""
    scale, zero = _steps(smoothed, scheme)
    return np.clip(np.rint(smoothed / scale) + zero, 0, LEVELS).astype(np.uint8)


def rounded(smoothed: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Rows as the integer product sees them: float32, a whole number of steps from zero."""
    scale, zero = _steps(smoothed, scheme)
    return (np.clip(np.rint(smoothed / scale) + zero, 0, LEVELS) - zero).astype(np.float32) * scale


def _steps(smoothed: np.ndarray, scheme: Scheme) -> tuple[np.ndarray, np.ndarray]:
    """Scale and zero point of every row, or of all."""
    if scheme.range == "fixed":
        scale, zero = fixed(smoothed)
        return scale, np.float32(zero)
    if scheme.range == "symmetric":
        scale = np.maximum(np.abs(smoothed).max(axis=1, keepdims=True), LEAST_SCALE) / REACH
        return scale.astype(np.float32), np.float32(MIDDLE)
    high = np.maximum(smoothed.max(axis=1, keepdims=True), 0)
    low = np.minimum(smoothed.min(axis=1, keepdims=True), 0)
    low = np.full_like(high, -GELU_LEAST) if scheme.range == "floor" else low
    scale = np.maximum((high - low) / LEVELS, LEAST_SCALE).astype(np.float32)
    return scale, np.rint(-low / scale)
