"""What config.json says of a model that transformers knows, in the words of quadrate_export.layout."""

import json
from dataclasses import dataclass
from pathlib import Path

from transformers import AutoConfig, PreTrainedConfig

from quadrate_export.errors import ExportError
from quadrate_export.layout import read_json

# Rotary embeddings whose angles depend on the length of the batch: a trace has one length only.
_MOVING_ROPE = ("dynamic", "longrope")


@dataclass(frozen=True)
class Description:
    """Sizes and options of one model; the counterpart of layout.Layout."""

    architecture: str
    task: str  # embed, rerank or classify
    hidden: int
    layers: int
    vocabulary: int
    position_limit: int
    pad_id: int
    labels: tuple[str, ...]  # empty for embedders
    problem_type: str
    window: int  # tokens that a layer with local attention sees to one side; 0: no such layer
    generative: bool  # a language model whose answer, yes or no, is the score
    inputs: list[str]


def describe(
    path: Path, directory: Path | None, config: PreTrainedConfig, task: str | None, name: str
) -> Description:
    """The description of the config in path; task is what --task says, name the model's."""
    _refuse(config)
    raw = read_json(path)
    generative = is_generative(directory, raw, task, name)
    if generative and getattr(config, "final_logit_softcapping", None):
        raise ExportError("final_logit_softcapping, of generative rerankers, is not supported")
    labels = _labels(raw, config, generative)
    if task and task != _task(labels):
        raise ExportError(f"--task {task}: this model is made for {_task(labels)}")
    limit = getattr(config, "max_position_embeddings", None) or _tokenizer_limit(directory)
    return Description(
        architecture=config.model_type,
        task=_task(labels),
        hidden=config.hidden_size,
        layers=config.num_hidden_layers,
        vocabulary=config.vocab_size,
        position_limit=limit,
        pad_id=_pad_id(config),
        labels=labels,
        problem_type=getattr(config, "problem_type", None) or "",
        window=_window(config),
        generative=generative,
        inputs=["input_ids", "attention_mask"],
    )


def load_config(path: Path, trust: bool) -> PreTrainedConfig:
    """The config, if transformers knows its architecture or trust lets it run the model's own code."""
    raw = read_json(path)
    try:
        return AutoConfig.from_pretrained(
            path.parent if path.name == "config.json" else path, trust_remote_code=trust
        )
    except (ValueError, KeyError, OSError, ImportError) as error:
        kind = raw.get("model_type")
        if raw.get("auto_map") and not trust:
            raise ExportError(
                f"architecture {kind!r} is not in transformers and brings Python code of its own; "
                "--trust-remote-code runs that code, unchecked, on this machine"
            ) from error
        raise ExportError(
            f"transformers does not load architecture {kind!r}: {_first_line(error)}"
        ) from error


def is_generative(directory: Path | None, raw: dict, task: str | None, name: str) -> bool:
    """Whether the model is a language model that reranks by its answer."""
    causal = class_name(raw).endswith("ForCausalLM")
    if "reranker" in name.lower():
        task = task or "rerank"
    if causal and task is None and not modules_named(directory):
        raise ExportError(
            f"{class_name(raw)} without a modules.json: say what it is for with --task embed (and "
            "--pooling last) or --task rerank (the layout and the yes/no score of Qwen3-Reranker)"
        )
    return causal and (task == "rerank" or "LogitScore" in modules_named(directory))


def modules_named(directory: Path | None) -> list[str]:
    """The names of the modules in modules.json, if there is one."""
    path = directory / "modules.json" if directory else None
    if not (path and path.is_file()):
        return []
    try:
        items = json.loads(path.read_text(encoding="utf-8"))
        return [item["type"].rsplit(".", 1)[-1] for item in items]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ExportError(f"{path} is not a list of modules: {error!r}") from error


def class_name(raw: dict) -> str:
    return (raw.get("architectures") or ["Model"])[0]


def _refuse(config: PreTrainedConfig) -> None:
    if getattr(config, "is_encoder_decoder", False):
        raise ExportError(f"{config.model_type} is an encoder with a decoder, which is not supported")
    for name in ("hidden_size", "num_hidden_layers", "vocab_size"):
        if not isinstance(getattr(config, name, None), int):
            raise ExportError(f"the config of {config.model_type} has no {name}: is it a text model?")
    rope = json.dumps(getattr(config, "rope_parameters", None) or {}, default=str)
    moving = [name for name in _MOVING_ROPE if f'"{name}"' in rope]
    if moving:
        raise ExportError(f"rotary embeddings of type {moving[0]} change with the length of the batch")


def _task(labels: tuple[str, ...]) -> str:
    return ("embed", "rerank")[len(labels)] if len(labels) < 2 else "classify"


def _labels(raw: dict, config: PreTrainedConfig, generative: bool) -> tuple[str, ...]:
    if generative:
        return ("yes",)
    if not class_name(raw).endswith("ForSequenceClassification"):
        return ()
    return tuple(config.id2label[index] for index in range(config.num_labels))


def _pad_id(config: PreTrainedConfig) -> int:
    # Padding is masked: any id of the vocabulary serves where none is named.
    value = getattr(config, "pad_token_id", None)
    return 0 if value is None or value < 0 else value


def _window(config: PreTrainedConfig) -> int:
    window = getattr(config, "sliding_window", None) or getattr(config, "local_attention", None) or 0
    local = "sliding_attention" in (getattr(config, "layer_types", None) or [])
    return int(window) if local else 0


def _tokenizer_limit(directory: Path | None) -> int:
    path = directory / "tokenizer_config.json" if directory else None
    value = read_json(path).get("model_max_length") if path and path.is_file() else None
    if value is None or value > 1_000_000:
        raise ExportError("neither config.json nor the tokenizer names a maximum length: give --max-length")
    return int(value)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
