"""What transformers itself answers: eager attention, one text at a time, in float64 where it fits.

Shares neither attention nor head with the exported network: pooling and dense
layers are quadrate_export.reference's, and a yes/no score is taken from the
whole output layer.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from quadrate_export import reference
from quadrate_export.modules import Modules

from . import attention
from .description import Description

_DOUBLE_LIMIT = 1_500_000_000  # parameters; above, float64 would need more memory than it is worth


def outputs(
    model: nn.Module,
    description: Description,
    modules: Modules,
    answers: tuple[int, int] | None,
    sequences: list[tuple[list[int], list[int]]],
) -> tuple[list[np.ndarray], str]:
    """One float64 vector [dimensions] for each (ids, type ids), before any norm, and the precision used."""
    attention.eager(model)

    def one(ids: list[int], types: list[int]) -> np.ndarray:
        inputs = {
            "input_ids": torch.tensor([ids]),
            "attention_mask": torch.ones(1, len(ids), dtype=torch.int64),
        }
        if "token_type_ids" in description.inputs:
            inputs["token_type_ids"] = torch.tensor([types])
        result = model(**inputs)
        if not description.labels:
            return reference.head(result.last_hidden_state[0].double().numpy(), modules)
        logits = result.logits[0].double().numpy()
        if answers is None:
            return logits
        yes, no = answers
        return logits[-1, [yes]] - logits[-1, [no]]

    return _precisely(model, lambda: [one(*sequence) for sequence in sequences])


def _precisely(model: nn.Module, compute: Callable[[], list]) -> tuple[list, str]:
    """Computes in float64, or in float32 where the model has operations that refuse to."""
    with torch.inference_mode():
        if sum(parameter.numel() for parameter in model.parameters()) > _DOUBLE_LIMIT:
            return compute(), "float32"
        try:
            model.double()
            return compute(), "float64"
        except RuntimeError:
            model.float()
            return compute(), "float32"
        finally:
            model.float()
