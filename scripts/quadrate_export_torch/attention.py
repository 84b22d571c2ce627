"""Attention that a trace records as ONNX Runtime's MultiHeadAttention, one node a layer.

Models of transformers call their attention through an interface with a name in
it. Under the name used here the call becomes one fused operator by construction,
so that it does not depend on which pattern an optimiser recognises. Nothing is
computed with it: a trace needs shapes only, and the reference runs the library's
own eager attention.
"""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn
from transformers import AttentionInterface

NAME = "quadrate"

# What a model may hand its attention without a change of the numbers at inference.
_HARMLESS = frozenset(
    {"dropout", "sliding_window", "is_causal", "deterministic", "position_ids", "use_cache", "cache_position"}
    | {"output_attentions", "output_hidden_states", "return_dict", "logits_to_keep", "past_key_values"}
)


class CannotFuse(Exception):
    """The model's attention needs something that the fused operator has not."""


class _Batch:
    """What all layers of one forward pass share."""

    def __init__(self, mask: torch.Tensor):
        self.lengths = mask.sum(1).to(torch.int32)
        self._windows: dict[int, torch.Tensor] = {}

    def window(self, query: torch.Tensor, size: int) -> torch.Tensor:
        """Bias [1, 1, length, length] that closes what is size tokens away or more."""
        if size not in self._windows:
            place = torch.arange(query.shape[2])
            far = (place[:, None] - place[None, :]).abs() >= size
            # Half of the least number, so that a sum with a score stays finite.
            self._windows[size] = (far.to(query.dtype) * (torch.finfo(query.dtype).min / 2))[None, None]
        return self._windows[size]


_batches: list[_Batch] = []


@contextlib.contextmanager
def rows(mask: torch.Tensor) -> Iterator[None]:
    """Tells all attention inside which tokens [batch, length] are padding, on the right."""
    _batches.append(_Batch(mask))
    try:
        yield
    finally:
        _batches.pop()


def install(model: nn.Module) -> None:
    """Makes every attention that goes through the interface the fused one, and MPNet's own too."""
    AttentionInterface.register(NAME, fused)
    for module in model.modules():
        if type(module).__name__ == "MPNetSelfAttention":
            module.forward = _mpnet.__get__(module)
    for config in _configs(model):
        config._attn_implementation = NAME


def eager(model: nn.Module) -> None:
    """The library's own attention, which a reference is computed with."""
    for module in model.modules():
        if getattr(module.__dict__.get("forward"), "__func__", None) is _mpnet:
            del module.forward
    for config in _configs(model):
        config._attn_implementation = "eager"


def _configs(model: nn.Module) -> list:
    found = [module.config for module in model.modules() if hasattr(module, "config")]
    return list({id(config): config for config in found}.values())


def fused(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **options,
) -> tuple[torch.Tensor, None]:
    """Attention over query [batch, heads, length, size]; key and value may have fewer heads.

    Returns [batch, length, heads, size]. Rows are padded on the right; padding
    is told by rows(), and not by attention_mask, which is a bias.
    """
    foreign = [name for name, given in options.items() if given is not None and name not in _HARMLESS]
    if foreign:
        raise CannotFuse(f"its attention uses {', '.join(sorted(foreign))}")
    causal = options.get("is_causal")
    causal = bool(getattr(module, "is_causal", False) if causal is None else causal)
    bias = attention_mask
    if options.get("sliding_window"):
        window = _batches[-1].window(query, options["sliding_window"])
        bias = window if bias is None else bias + window
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (_repeat(states, groups) for states in (key, value))
    # A causal row never looks at the padding behind it.
    lengths = None if causal else _batches[-1].lengths
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    heads, size = int(query.shape[1]), int(value.shape[-1])
    joined = _MultiHeadAttention.apply(
        *(_join(states) for states in (query, key, value)), lengths, bias, heads, size, float(scale), causal
    )
    return joined.view(*joined.shape[:2], heads, size), None


def _repeat(states: torch.Tensor, groups: int) -> torch.Tensor:
    """Every head of [batch, heads, length, size] groups times, one beside the other."""
    batch, heads, length, size = states.shape
    return states[:, :, None].expand(batch, heads, groups, length, size).reshape(batch, -1, length, size)


def _join(states: torch.Tensor) -> torch.Tensor:
    """[batch, heads, length, size] as [batch, length, heads * size]."""
    heads, size = int(states.shape[1]), int(states.shape[3])
    return states.transpose(1, 2).reshape(states.shape[0], -1, heads * size)


class _MultiHeadAttention(torch.autograd.Function):
    """The operator of this name in ONNX Runtime's com.microsoft domain."""

    @staticmethod
    def forward(context, query, key, value, lengths, bias, heads, size, scale, causal):
        return query.new_zeros(*query.shape[:2], heads * size)

    @staticmethod
    def symbolic(graph, query, key, value, lengths, bias, heads, size, scale, causal):
        none = graph.op("prim::Constant")
        none.setType(torch._C.OptionalType.ofTensor())
        inputs = [
            query,
            key,
            value,
            none,
            none if lengths is None else lengths,
            none if bias is None else bias,
        ]
        # Optional inputs at the end are left out: that is what enables the fastest kernels.
        while inputs[-1] is none:
            inputs.pop()
        node = graph.op(
            "com.microsoft::MultiHeadAttention",
            *inputs,
            num_heads_i=heads,
            scale_f=scale,
            unidirectional_i=int(causal),
            mask_filter_value_f=_filter_value(query),
        )
        kind = query.type()
        sizes = kind.sizes()
        if sizes is not None:
            node.setType(kind.with_sizes([*sizes[:2], heads * size]))
        return node


def _filter_value(query) -> float:
    """What closes the padding: the least number, which float16 is given by the kernel itself."""
    if query.type().scalarType() == "Half":
        return -10000.0
    return float(torch.finfo(torch.float32).min)


def _mpnet(self, hidden_states, attention_mask=None, position_bias=None, output_attentions=False, **_):
    """MPNetSelfAttention's forward, which adds relative positions and does not use the interface."""
    batch, length = hidden_states.shape[:2]
    shape = (batch, length, self.num_attention_heads, self.attention_head_size)
    query, key, value = (
        layer(hidden_states).view(shape).transpose(1, 2) for layer in (self.q, self.k, self.v)
    )
    context, _ = fused(self, query, key, value, position_bias)
    return (self.o(context.reshape(batch, length, -1)),)
