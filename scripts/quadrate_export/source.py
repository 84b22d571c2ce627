"""Finds the model that was asked for: a directory here, or a repository on the Hugging Face hub."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from .errors import ExportError

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_ALLOW = ["*.json", "*.jinja", "*.safetensors", "*.txt"]
# Other people's exports of the same model, some of them many gigabytes.
_IGNORE = ["onnx/*", "openvino/*", "*/onnx/*", "*/openvino/*"]


@dataclass(frozen=True)
class Source:
    """A model directory, the name it is known by and its revision ("" for a local one)."""

    directory: Path
    name: str
    revision: str


def find(model: str, revision: str | None, with_code: bool = False) -> Source:
    """The source for MODEL; a directory of that name wins over the hub. with_code fetches its Python files too."""
    directory = Path(model).expanduser()
    if directory.is_dir():
        return Source(directory, directory.resolve().name, revision or "")
    if directory.is_file():
        raise ExportError(f"{model} is a file; MODEL is a directory or a Hugging Face id")
    if model.startswith((".", "/", "~")) or not _HUB_ID.fullmatch(model):
        raise ExportError(f"there is no directory {model}")
    return _download(model, revision, [*_ALLOW, "*.py"] if with_code else _ALLOW)


def name_of(model: str) -> str:
    """The name that find would give the source, without looking at the hub."""
    directory = Path(model).expanduser()
    return directory.resolve().name if directory.is_dir() else model


def find_here(model: str, revision: str | None, with_code: bool = False) -> Source | None:
    """As find, but nothing is fetched: None for a model that only the hub may have."""
    if Path(model).expanduser().exists() or model.startswith((".", "/", "~")) or not _HUB_ID.fullmatch(model):
        return find(model, revision, with_code)
    try:
        path = huggingface_hub.snapshot_download(
            model,
            revision=revision,
            allow_patterns=[*_ALLOW, "*.py"] if with_code else _ALLOW,
            ignore_patterns=_IGNORE,
            local_files_only=True,
        )
    except HFValidationError as error:
        raise ExportError(f"{model} is neither a directory nor a model id: {error}") from error
    except LocalEntryNotFoundError as error:
        if constants.HF_HUB_OFFLINE:
            raise ExportError(_unreachable(model, error)) from error
        return None
    return Source(Path(path), model, Path(path).name)


def _download(model: str, revision: str | None, patterns: list[str]) -> Source:
    try:
        path = huggingface_hub.snapshot_download(
            model, revision=revision, allow_patterns=patterns, ignore_patterns=_IGNORE
        )
    except GatedRepoError as error:
        raise ExportError(f"{model} is gated: accept its terms on the hub, then set HF_TOKEN") from error
    except RepositoryNotFoundError as error:
        raise ExportError(
            f"{constants.ENDPOINT} knows no model {model}, or it is private and HF_TOKEN is not set or not "
            "allowed to read it"
        ) from error
    except RevisionNotFoundError as error:
        raise ExportError(f"{model} has no revision {revision}") from error
    except HFValidationError as error:
        raise ExportError(f"{model} is neither a directory nor a model id: {error}") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise ExportError(_unreachable(model, error)) from error
    snapshot = Path(path)
    return Source(snapshot, model, snapshot.name)


def _unreachable(model: str, error: Exception) -> str:
    cause = error.__cause__ or error
    reason = str(cause).strip().split("\n")[0] or type(cause).__name__
    if constants.HF_HUB_OFFLINE:
        tried = f"{model} is not in the cache {constants.HF_HUB_CACHE} and HF_HUB_OFFLINE is set"
    else:
        tried = (
            f"cannot fetch {model} from {constants.ENDPOINT} ({reason}), and it is not complete in the "
            f"cache {constants.HF_HUB_CACHE}"
        )
    return (
        f"{tried}. Without a connection: fetch the model's directory where there is one "
        f"(hf download {model} --local-dir DIR), copy it here and give its path in place of the id"
    )


def default_folder(name: str) -> Path:
    """Where an export goes when nothing else is said."""
    root = os.environ.get("QUADRATE_MODELS_DIR") or Path(__file__).resolve().parents[2] / "var/models"
    return Path(root) / name.rstrip("/").rsplit("/", 1)[-1]
