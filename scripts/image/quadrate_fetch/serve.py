"""QUADRATE_FETCH: makes the models that are absent, then becomes the server."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from . import command, folders, hub, lock, log, settings

SERVER = "/usr/local/bin/quadrate"
_WANTED = re.compile(r"(?P<model>[\w.-]+(/[\w.-]+)?)(@(?P<revision>[\w./-]+))?")
_HELP = (
    "Set HF_ENDPOINT for a mirror, HTTPS_PROXY for a proxy, HF_TOKEN for a model that asks for one; or export the "
    "model where the hub can be reached (scripts/export_onnx.sh MODEL) and put its folder into the volume; or take "
    "the model out of QUADRATE_FETCH to start without it"
)


@dataclass(frozen=True)
class Wanted:
    model: str
    revision: str | None
    folder: Path


def serve(arguments: list[str]) -> int:
    command.refuse_root()
    try:
        wanted = parse(os.environ["QUADRATE_FETCH"], command.models_folder())
        for one in wanted:
            fetch(one)
    except (ValueError, OSError, folders.Unknown) as error:
        log.error(f"QUADRATE_FETCH: {error}")
        return 1
    environ = dict(os.environ)
    arguments = settings.with_models([(one.model, one.folder) for one in wanted], arguments, environ)
    os.execve(SERVER, [SERVER, *arguments], environ)


def parse(text: str, models: Path) -> list[Wanted]:
    wanted = []
    for word in filter(None, re.split(r"[,\s]+", text)):
        found = _WANTED.fullmatch(word)
        if not found:
            raise ValueError(f"{word!r} is no model of the hub; write OWNER/NAME, or OWNER/NAME@COMMIT, with commas between")
        wanted.append(Wanted(found["model"], found["revision"], models / found["model"].rsplit("/", 1)[-1]))
    by_folder = {}
    for one in wanted:
        other = by_folder.setdefault(one.folder, one)
        if other.model != one.model or other.revision != one.revision:
            raise ValueError(f"{other.model} and {one.model} would both be {one.folder}; fetch one of them")
    return list(by_folder.values())


def fetch(one: Wanted) -> None:
    """Leaves a folder that is whole as it is, and makes any other anew."""
    if folders.is_others(one.folder):
        log.info("a folder that others made is there, and is left as it is", model=one.model, folder=str(one.folder))
        return
    cache = hub.Cache(command.models_folder(), os.environ)
    with lock.held(one.folder.parent):
        for left in folders.sweep(one.folder):
            log.info("removed what an export left behind that was cut off", folder=str(left))
        log.info("looking for the model", model=one.model, folder=str(one.folder))
        if not _export(one, cache):
            raise OSError(f"{one.model} is not there and could not be made (above). {_HELP}")
        cache.forget(one.model)


def _export(one: Wanted, cache: hub.Cache) -> bool:
    arguments = [one.model, "--out", str(one.folder), "--if-absent"]
    arguments += ["--variant", os.environ.get("QUADRATE_FETCH_VARIANT") or "fp32"]
    arguments += ["--revision", one.revision] if one.revision else []

    def each(line: str) -> None:
        problem = line.startswith("export_onnx: error: ")
        (log.error if problem else log.info)(line.removeprefix("export_onnx: error: "), model=one.model)

    return command.run(arguments, cache, one.model, each) == 0
