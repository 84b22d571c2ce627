"""What sentence-transformers puts after the encoder, and how texts are prepared for it.

Reads modules.json and the folders it names. A module that would change the
numbers and is not known here is refused, never skipped.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .errors import ExportError
from .layout import Layout, read_json
from .weights import Weights, open_directory

POOLINGS = ("mean", "cls", "last", "max", "mean_sqrt_len")

_POOLING_NAMES = {
    "mean": "mean",
    "cls": "cls",
    "lasttoken": "last",
    "max": "max",
    "mean_sqrt_len_tokens": "mean_sqrt_len",
    "weightedmean": "weightedmean",
}
_POOLING_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_DENSE_ACTIVATIONS = {
    "torch.nn.modules.linear.Identity": "identity",
    "torch.nn.modules.activation.Tanh": "tanh",
}
_SANE_LENGTH = 1_000_000  # tokenizers without a limit carry a number like 1e30


@dataclass(frozen=True)
class Dense:
    """A linear layer on the pooled vector: weight [out, in], bias [out] or None."""

    weight: np.ndarray
    bias: np.ndarray | None
    activation: str  # identity or tanh


@dataclass(frozen=True)
class Modules:
    """The steps from token states to the vector that is served."""

    pooling: str = "none"  # one of POOLINGS; none for heads
    dense: tuple[Dense, ...] = ()
    normalize: bool = False
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        steps = [] if self.pooling == "none" else [self.pooling]
        return steps + ["dense"] * len(self.dense) + ["normalize"] * self.normalize

    def dimensions(self, layout: Layout) -> int:
        """Width of the vector that the graph returns."""
        if layout.labels:
            return len(layout.labels)
        return self.dense[-1].weight.shape[0] if self.dense else layout.hidden


def read(directory: Path | None, layout: Layout, pooling: str | None = None) -> Modules:
    """The modules of a model directory, if there is one; pooling is used where it names none."""
    listed = _module_list(directory)
    if layout.labels:
        _refuse_modules_after_head(listed)
        return Modules(**_prompts(directory))
    if not listed:
        return _without_modules(directory, pooling)
    if pooling is not None:
        raise ExportError(f"{directory} has a modules.json, which names the pooling: drop --pooling")
    return _from_list(directory, listed, layout)


def activation(directory: Path | None, config: dict, layout: Layout) -> str:
    """What turns logits into scores: sigmoid, softmax or none."""
    if not layout.labels:
        return "none"
    named = _declared_activation(directory, config)
    if named is not None:
        short = named.rsplit(".", 1)[-1].lower()
        known = {"sigmoid": "sigmoid", "softmax": "softmax", "identity": "none"}
        if short not in known:
            raise ExportError(f"score activation {named} is not supported; supported: {', '.join(known)}")
        return known[short]
    if layout.problem_type == "regression":
        return "none"
    if layout.problem_type == "multi_label_classification" or len(layout.labels) == 1:
        return "sigmoid"
    return "softmax"


def max_length(directory: Path | None, layout: Layout) -> int:
    """The longest input in tokens, special ones included.

    As sentence-transformers takes it: max_seq_length if it is set, else the
    tokenizer's model_max_length; but never more than the position table holds.
    """
    limit = layout.position_limit
    for name, key in (
        ("sentence_bert_config.json", "max_seq_length"),
        ("tokenizer_config.json", "model_max_length"),
    ):
        value = _optional(directory, name).get(key)
        if value is not None and 0 < value < _SANE_LENGTH:
            return min(int(value), limit)
    return limit


def _optional(directory: Path | None, name: str) -> dict:
    """The JSON object in a file that need not be there."""
    path = directory / name if directory else None
    return read_json(path) if path and path.is_file() else {}


def _module_list(directory: Path | None) -> list[tuple[str, Path]]:
    path = directory / "modules.json" if directory else None
    if not (path and path.is_file()):
        return []
    try:
        items = json.loads(path.read_text(encoding="utf-8"))
        return [(item["type"].rsplit(".", 1)[-1], directory / item["path"]) for item in items]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ExportError(f"{path} is not a list of modules: {error!r}") from error


def _refuse_modules_after_head(listed: list[tuple[str, Path]]) -> None:
    # LogitScore, of language models, makes one logit of two: the route that knows it reads it itself.
    extra = [name for name, _ in listed if name not in ("Transformer", "LogitScore")]
    if extra:
        raise ExportError(
            f"modules.json puts {', '.join(extra)} after a sequence classification model; "
            "only Transformer is supported there"
        )


def _without_modules(directory: Path | None, pooling: str | None) -> Modules:
    if pooling is not None:
        return Modules(pooling=pooling, **_prompts(directory))
    warning = "no modules.json: mean pooling without a norm is assumed (--pooling names another)"
    return Modules(pooling="mean", warnings=(warning,), **_prompts(directory))


def _from_list(directory: Path, listed: list[tuple[str, Path]], layout: Layout) -> Modules:
    names = [name for name, _ in listed if name != "Dropout"]
    dense = [path for name, path in listed if name == "Dense"]
    normalize = names[-1] == "Normalize"
    expected = ["Transformer", "Pooling"] + ["Dense"] * len(dense) + ["Normalize"] * normalize
    if names != expected:
        raise ExportError(
            f"modules.json lists {', '.join(names)}; supported: Transformer, Pooling, then any "
            "number of Dense, then Normalize"
        )
    pooling_path = next(path for name, path in listed if name == "Pooling")
    prompts = _prompts(directory)
    return Modules(
        pooling=_read_pooling(pooling_path, bool(prompts["prompts"])),
        dense=_read_dense_chain(dense, layout.hidden),
        normalize=normalize,
        **prompts,
    )


def _read_pooling(path: Path, has_prompts: bool) -> str:
    config = read_json(path / "config.json")
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [mode for flag, mode in _POOLING_FLAGS.items() if config.get(flag)] or ["mean"]
    modes = [modes] if isinstance(modes, str) else list(modes)
    if len(modes) > 1:
        raise ExportError(f"pooling joins several modes ({', '.join(modes)}); only one is supported")
    pooling = _POOLING_NAMES.get(modes[0], modes[0])
    if pooling not in POOLINGS:
        raise ExportError(f"pooling {modes[0]!r} is not supported; supported: {', '.join(POOLINGS)}")
    if has_prompts and not config.get("include_prompt", True):
        raise ExportError(
            "pooling leaves the prompt's tokens out (include_prompt false), which is not supported"
        )
    return pooling


def _read_dense_chain(paths: list[Path], width: int) -> tuple[Dense, ...]:
    chain = []
    for path in paths:
        layer = _read_dense(path)
        if layer.weight.shape[1] != width:
            raise ExportError(f"{path} takes {layer.weight.shape[1]} numbers but is given {width}")
        width = layer.weight.shape[0]
        chain.append(layer)
    return tuple(chain)


def _read_dense(path: Path) -> Dense:
    config = read_json(path / "config.json")
    if config.get("use_residual"):
        raise ExportError(f"{path} has a residual connection, which is not supported")
    for key in ("module_input_name", "module_output_name"):
        if (config.get(key) or "sentence_embedding") != "sentence_embedding":
            raise ExportError(f"{path} has {key} {config[key]!r}; only 'sentence_embedding' is supported")
    name = config.get("activation_function", "torch.nn.modules.activation.Tanh")
    if name not in _DENSE_ACTIVATIONS:
        known = ", ".join(_DENSE_ACTIVATIONS)
        raise ExportError(f"{path} has activation {name}; supported: {known}")
    weights: Weights = open_directory(path)
    bias = weights.read("linear.bias") if config.get("bias", True) else None
    return Dense(weights.read("linear.weight"), bias, _DENSE_ACTIVATIONS[name])


def _prompts(directory: Path | None) -> dict:
    config = _optional(directory, "config_sentence_transformers.json")
    prompts = {name: text for name, text in (config.get("prompts") or {}).items() if text}
    default = config.get("default_prompt_name") or ""
    return {"prompts": prompts, "default_prompt": default if default in prompts else ""}


def _declared_activation(directory: Path | None, config: dict) -> str | None:
    outer = _optional(directory, "config_sentence_transformers.json")
    inner = config.get("sentence_transformers") or {}
    return (
        inner.get("activation_fn")
        or config.get("sbert_ce_default_activation_function")
        or outer.get("activation_fn")
    )
