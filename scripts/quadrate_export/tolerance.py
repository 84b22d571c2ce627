"""How far a variant may be from the reference, at export and at every load."""

import numpy as np

from .layout import Layout

_EMBED = {
    "fp32": {"max_abs": 1e-5, "min_cosine": 0.99999},
    "fp16": {"min_cosine": 0.999},
    "int8": {"min_cosine": 0.98},
    "packed": {"min_cosine": 0.999},
    "trt": {"min_cosine": 0.999},
}
_LOGIT_FLOOR = {"fp32": 1e-4, "fp16": 0.02, "int8": 0.25, "packed": 0.02, "trt": 0.02}
_LOGIT_SHARE = {"fp32": 1e-5, "fp16": 0.005, "int8": 0.1, "packed": 0.005, "trt": 0.005}


def tolerance(variant: str, layout: Layout, outputs: list[np.ndarray]) -> dict[str, float]:
    """Bounds for unit vectors (embed, states of tokens) or logits; logits have a share of their own spread."""
    if layout.task == "embed":
        return dict(_EMBED[variant])
    spread = float(np.ptp(np.stack(outputs)))
    return {"max_abs": float(f"{max(_LOGIT_FLOOR[variant], _LOGIT_SHARE[variant] * spread):.3g}")}
