"""Has the server serve what was fetched, where its configuration does not name it."""

import os
import tempfile
from pathlib import Path

import yaml

from . import log

_FILE = "QUADRATE_CONFIG"
_PLACE = "/tmp"


def with_models(fetched: list[tuple[str, Path]], arguments: list[str], environ: dict[str, str]) -> list[str]:
    """The server's arguments, and environ changed in place, for a copy of its configuration with what it lacks.

    A configuration that names all of the models is used itself, and so is one that cannot be
    read: what is wrong with it is the server's to say.
    """
    file = _file(arguments) or environ.get(_FILE, "")
    try:
        content = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
        lacking = [(model, folder) for model, folder in fetched if not _names(content, model, folder, environ)]
    except (OSError, ValueError, yaml.YAMLError, AttributeError, TypeError):
        return arguments
    if not lacking:
        return arguments
    content["models"] = [*(content.get("models") or []), *(_entry(model, folder) for model, folder in lacking)]
    try:
        copy = _write(content)
    except OSError as error:
        added = content["models"][-len(lacking) :]
        log.warn(f"{file} does not name all that was fetched, which is not served: add these to its models, or let "
                 f"{_PLACE} be written", error=error.strerror, models=added)
        return arguments
    for model, folder in lacking:
        log.info(f"{file} names no model in this folder; it is served all the same", model=model, folder=str(folder), config=copy)
    environ[_FILE] = copy
    return _without_file(arguments)


def _names(content: dict, model: str, folder: Path, environ: dict[str, str]) -> bool:
    models = Path(environ.get("QUADRATE_MODELS_DIR") or content.get("models_dir") or "/models")
    entries = content.get("models") or []
    return any(models / str(entry.get("path")) == folder or entry.get("name") == model for entry in entries)


def _entry(model: str, folder: Path) -> dict:
    entry = {"name": model, "path": str(folder)}
    return {**entry, "aliases": [folder.name]} if folder.name != model else entry


def _write(content: dict) -> str:
    file, name = tempfile.mkstemp(prefix="quadrate-", suffix=".yaml", dir=_PLACE)
    with os.fdopen(file, "w", encoding="utf-8") as stream:
        yaml.safe_dump(content, stream, allow_unicode=True, sort_keys=False)
    return name


def _file(arguments: list[str]) -> str:
    for place, word in enumerate(arguments):
        if word.lstrip("-") == "config" and word.startswith("-"):
            return arguments[place + 1] if place + 1 < len(arguments) else ""
        if word.startswith(("-config=", "--config=")):
            return word.split("=", 1)[1]
    return ""


def _without_file(arguments: list[str]) -> list[str]:
    kept, words = [], iter(arguments)
    for word in words:
        if word in ("-config", "--config"):
            next(words, None)
        elif not word.startswith(("-config=", "--config=")):
            kept.append(word)
    return kept
