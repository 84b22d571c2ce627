"""What config.json says of a checkpoint: its architecture, sizes and tensor names.

Only the encoder and its head are described; what sentence-transformers adds
after the encoder is in modules.py.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .errors import ExportError

ARCHITECTURES = ("bert", "roberta", "xlm-roberta")

_EXACT_GELU = ("gelu", "gelu_python")
_TANH_GELU = ("gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_python_tanh", "gelu_accurate")
_EMBEDDER_SUFFIXES = ("Model", "ForMaskedLM", "ForPreTraining")
_WORD_EMBEDDINGS = "embeddings.word_embeddings.weight"
_PREFIXES = ("", "bert.", "roberta.")


@dataclass(frozen=True)
class Layout:
    """Sizes and options of one encoder, in the words of its config.json."""

    architecture: str  # one of ARCHITECTURES
    task: str  # embed, rerank or classify
    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    positions: int  # rows of the position table
    types: int  # rows of the token type table
    pad_id: int
    epsilon: float
    activation: str  # gelu, gelu_tanh or relu
    labels: tuple[str, ...]  # empty for embedders
    problem_type: str

    @property
    def has_types(self) -> bool:
        return self.types > 1

    @property
    def position_offset(self) -> int:
        """Position of the first token: RoBERTa counts from the pad id plus one."""
        return 0 if self.architecture == "bert" else self.pad_id + 1

    @property
    def position_limit(self) -> int:
        """The longest sequence that the position table can hold."""
        return self.positions - self.position_offset

    @property
    def inputs(self) -> list[str]:
        names = ["input_ids", "attention_mask"]
        return [*names, "token_type_ids"] if self.has_types else names


def read_json(path: Path) -> dict:
    """The JSON object in path."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ExportError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ExportError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ExportError(f"{path} holds no JSON object")
    return value


def parse(config: dict) -> Layout:
    """The layout that config.json describes; refuses what the graph builder cannot write."""
    _check_supported(config)
    try:
        return Layout(
            architecture=config["model_type"],
            task=_task(config),
            hidden=config["hidden_size"],
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            intermediate=config["intermediate_size"],
            vocabulary=config["vocab_size"],
            positions=config["max_position_embeddings"],
            types=config.get("type_vocab_size", 2),
            pad_id=_pad_id(config),
            epsilon=config.get("layer_norm_eps", 1e-12),
            activation=_activation(config.get("hidden_act", "gelu")),
            labels=_labels(config) if _is_classifier(config) else (),
            problem_type=config.get("problem_type") or "",
        )
    except KeyError as error:
        raise ExportError(f"config.json has no {error.args[0]}") from error


def find_prefix(names: Iterable[str]) -> str:
    """What stands before the encoder's tensor names in this checkpoint."""
    available = set(names)
    for prefix in _PREFIXES:
        if prefix + _WORD_EMBEDDINGS in available:
            return prefix
    tried = ", ".join(prefix + _WORD_EMBEDDINGS for prefix in _PREFIXES)
    raise ExportError(f"the checkpoint has none of {tried}")


def shapes(layout: Layout) -> dict[str, tuple[int, ...]]:
    """Names and shapes of every tensor of a checkpoint of this layout, without a prefix."""
    result: dict[str, tuple[int, ...]] = {}

    def linear(name: str, rows: int, columns: int) -> None:
        result[f"{name}.weight"] = (rows, columns)
        result[f"{name}.bias"] = (rows,)

    def norm(name: str) -> None:
        result[f"{name}.weight"] = (layout.hidden,)
        result[f"{name}.bias"] = (layout.hidden,)

    hidden, intermediate = layout.hidden, layout.intermediate
    result["embeddings.word_embeddings.weight"] = (layout.vocabulary, hidden)
    result["embeddings.position_embeddings.weight"] = (layout.positions, hidden)
    result["embeddings.token_type_embeddings.weight"] = (layout.types, hidden)
    norm("embeddings.LayerNorm")
    for index in range(layout.layers):
        layer = f"encoder.layer.{index}"
        for part in ("query", "key", "value"):
            linear(f"{layer}.attention.self.{part}", hidden, hidden)
        linear(f"{layer}.attention.output.dense", hidden, hidden)
        norm(f"{layer}.attention.output.LayerNorm")
        linear(f"{layer}.intermediate.dense", intermediate, hidden)
        linear(f"{layer}.output.dense", hidden, intermediate)
        norm(f"{layer}.output.LayerNorm")
    if layout.labels:
        for name, rows in head_layers(layout):
            linear(name, rows, hidden)
    return result


def head_layers(layout: Layout) -> list[tuple[str, int]]:
    """The two linear layers of a classification head: name and number of outputs."""
    if layout.architecture == "bert":
        return [("pooler.dense", layout.hidden), ("classifier", len(layout.labels))]
    return [("classifier.dense", layout.hidden), ("classifier.out_proj", len(layout.labels))]


def _check_supported(config: dict) -> None:
    model_type = config.get("model_type")
    if model_type not in ARCHITECTURES:
        raise ExportError(
            f"architecture {model_type!r} is not supported; supported: {', '.join(ARCHITECTURES)}"
        )
    positions = config.get("position_embedding_type") or "absolute"
    if positions != "absolute":
        raise ExportError(f"position_embedding_type {positions!r} is not supported; only 'absolute' is")
    for key in ("is_decoder", "add_cross_attention", "pruned_heads"):
        if config.get(key):
            raise ExportError(f"config.json sets {key}, which is not supported")
    if config.get("hidden_size", 0) % config.get("num_attention_heads", 1):
        raise ExportError("hidden_size is no multiple of num_attention_heads")


def _is_classifier(config: dict) -> bool:
    return _class_name(config).endswith("ForSequenceClassification")


def _class_name(config: dict) -> str:
    return (config.get("architectures") or ["Model"])[0]


def _task(config: dict) -> str:
    name = _class_name(config)
    if _is_classifier(config):
        return "rerank" if len(_labels(config)) == 1 else "classify"
    if name.endswith(_EMBEDDER_SUFFIXES):
        return "embed"
    raise ExportError(
        f"architecture {name} is not supported; supported: the base model, ForMaskedLM and "
        f"ForSequenceClassification of {', '.join(ARCHITECTURES)}"
    )


def _labels(config: dict) -> tuple[str, ...]:
    names = config.get("id2label")
    if not names:
        count = config.get("num_labels", 2)
        return tuple(f"LABEL_{index}" for index in range(count))
    try:
        return tuple(names[str(index)] for index in range(len(names)))
    except KeyError as error:
        raise ExportError(f"id2label has {len(names)} entries but no {error.args[0]}") from error


def _pad_id(config: dict) -> int:
    default = 0 if config["model_type"] == "bert" else 1
    value = config.get("pad_token_id")
    return default if value is None else value


def _activation(name: str) -> str:
    if name in _EXACT_GELU:
        return "gelu"
    if name in _TANH_GELU:
        return "gelu_tanh"
    if name == "relu":
        return "relu"
    raise ExportError(f"hidden_act {name!r} is not supported; supported: gelu, its tanh form, relu")
