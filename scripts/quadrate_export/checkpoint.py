"""The tensors of one checkpoint by their role, whatever its prefix and age."""

import numpy as np

from .errors import ExportError
from .layout import Layout, find_prefix, shapes
from .weights import Weights

# Checkpoints converted from TensorFlow keep its names for the norms.
_OLD_NAMES = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}


class Checkpoint:
    """Weights of one layout, read under the layout's own names (see layout.shapes)."""

    def __init__(self, layout: Layout, weights: Weights):
        self.layout = layout
        self._weights = weights
        self._names = _resolve(layout, weights)

    def shape(self, name: str) -> tuple[int, ...]:
        return self._weights.shape(self._names[name])

    def read(self, name: str) -> np.ndarray:
        """The tensor as float32, in the checkpoint's own orientation ([out, in] for linears)."""
        return self._weights.read(self._names[name])


def _resolve(layout: Layout, weights: Weights) -> dict[str, str]:
    """Maps every expected name to the checkpoint's, with all that is wrong in one error."""
    available = set(weights.names())
    prefix = find_prefix(available)
    resolved, problems = {}, []
    for name, shape in shapes(layout).items():
        found = next((option for option in _candidates(prefix, name) if option in available), None)
        if found is None:
            problems.append(f"{prefix}{name} is missing")
        elif weights.shape(found) != shape:
            problems.append(f"{found} has shape {list(weights.shape(found))}, config.json says {list(shape)}")
        else:
            resolved[name] = found
    if problems:
        more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
        raise ExportError("the checkpoint does not fit its config.json: " + "; ".join(problems[:3]) + more)
    return resolved


def _candidates(prefix: str, name: str) -> list[str]:
    options = [name] if name.startswith("classifier") else [prefix + name]
    for new, old in _OLD_NAMES.items():
        if name.endswith(new):
            options.append(prefix + name.removesuffix(new) + old)
    return options
