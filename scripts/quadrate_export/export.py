"""Exports a model: source in, model folder out, whole or not at all."""

import hashlib
import json
import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from . import __version__, manifest, samples, verify
from . import layout as layouts
from . import modules as modules_
from .build import build
from .checkpoint import Checkpoint
from .errors import ExportError
from .graph import INLINE_LIMIT
from .reference import Reference
from .source import Source
from .tolerance import tolerance
from .weights import RandomWeights, Weights, checkpoint_files, open_directory

FILES = {"fp32": "model.onnx", "fp16": "model_fp16.onnx", "int8": "model_int8.onnx"}

_FP16_NOTE = "checked on the CPU only, where float16 operators run in float32; float16 kernels were not run"

_COPIED = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
)


@dataclass(frozen=True)
class Random:
    """Random weights in place of a checkpoint."""

    config: Path  # the config.json to follow
    seed: int
    tokenizer: Path | None = None  # directory to take tokenizer and modules from


@dataclass(frozen=True)
class Request:
    """What to export and where to; see the command line's help for the meaning of each."""

    source: Source
    out: Path
    variants: tuple[str, ...] = ("fp32",)
    max_length: int | None = None
    pooling: str | None = None
    random: Random | None = None  # source is then a name only
    force: bool = False
    inline_limit: int = INLINE_LIMIT


@dataclass
class Result:
    """What was done: variants made now, and those that were there already."""

    made: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


class Exporter:
    """Runs one request. report is given a line of progress at each step."""

    def __init__(self, request: Request, report=print):
        self._request = request
        self._report = report
        # A random model has its tokenizer's directory for everything but config and weights.
        self._directory = request.random.tokenizer if request.random else request.source.directory
        self._config_path = request.random.config if request.random else self._directory / "config.json"
        self._config = layouts.read_json(self._config_path)
        self._layout = layouts.parse(self._config)
        self._modules = modules_.read(self._directory, self._layout, request.pooling)
        self._max_length = self._choose_max_length()

    def run(self) -> Result:
        """Writes what is missing; leaves a folder that is up to date untouched."""
        for warning in self._modules.warnings:
            self._report(f"warning: {warning}")
        self._check_inputs()
        fingerprint = self._fingerprint()
        existing = self._existing(fingerprint)
        missing = self._missing(existing)
        kept = [name for name in existing.get("variants", {}) if name not in missing]
        if not missing:
            return Result(kept=kept)
        self._refuse_foreign_folder()
        self._request.out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(mkdtemp(prefix=f".{self._request.out.name}-", dir=self._request.out.parent))
        try:
            folder.chmod(0o755)
            self._fill(folder, existing, missing, fingerprint)
            _replace(folder, self._request.out)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return Result(made=missing, kept=kept)

    def _fill(self, folder: Path, existing: dict, missing: list[str], fingerprint: str) -> None:
        if existing:
            written = {FILES[name] for name in missing} | {FILES[name] + "_data" for name in missing}
            _link_tree(self._request.out, folder, written | {manifest.NAME})
        else:
            self._copy_files(folder)
        checkpoint = Checkpoint(self._layout, self._weights())
        inputs, outputs = self._references(checkpoint)
        variants = dict(existing.get("variants", {}))
        for name in missing:
            variants[name] = self._variant(folder, name, checkpoint, inputs, outputs)
        content = existing or manifest.describe(
            self._layout,
            self._modules,
            source=self._request.source.name,
            revision=self._request.source.revision,
            max_length=self._max_length,
            activation=modules_.activation(self._directory, self._config, self._layout),
        )
        content |= {"input_sha256": fingerprint, "tools": manifest.tools()}
        content["variants"] = {name: variants[name] for name in FILES if name in variants}
        content["files"] = manifest.files(folder)
        content["reference"] = manifest.references(inputs, outputs)
        manifest.write(folder, content)

    def _references(self, checkpoint: Checkpoint) -> tuple[list[samples.Sample], list[np.ndarray]]:
        started = time.monotonic()
        inputs = samples.make(self._layout, self._tokenizer(), self._max_length)
        outputs = Reference(checkpoint, self._modules).outputs(
            [(sample.ids, sample.types) for sample in inputs]
        )
        if not all(np.isfinite(output).all() for output in outputs):
            raise ExportError(
                "the reference computation gives numbers that are not finite: are the weights whole?"
            )
        self._report(f"reference: {len(inputs)} inputs in numpy, {_seconds(started)}")
        return inputs, outputs

    def _variant(
        self,
        folder: Path,
        name: str,
        checkpoint: Checkpoint,
        inputs: list[samples.Sample],
        outputs: list[np.ndarray],
    ) -> dict:
        started = time.monotonic()
        path = folder / FILES[name]
        files = build(checkpoint, self._modules, name).write(path, self._request.inline_limit)
        size = sum(file.stat().st_size for file in files)
        attention = verify.check_structure(path, self._layout)
        self._report(f"{name}: wrote {path.name}, {size / 2**20:.1f} MiB, {_seconds(started)}")
        started = time.monotonic()
        measured = verify.measure(path, self._layout, inputs, outputs)
        bounds = tolerance(name, self._layout, outputs)
        self._report(f"{name}: {_summary(measured)}, {_seconds(started)}")
        verify.check_company(measured, name, self._layout)
        if not _within(measured, bounds):
            raise ExportError(
                f"{name} is off the reference ({_summary(measured)}); tolerance: {json.dumps(bounds)}"
            )
        note = _FP16_NOTE if name == "fp16" else ""
        return manifest.variant(
            [file.name for file in files], attention, bounds, measured, passed=not note, note=note
        )

    def _choose_max_length(self) -> int:
        limit = self._layout.position_limit
        wanted = self._request.max_length
        if wanted is None:
            return modules_.max_length(self._directory, self._layout)
        if not 4 <= wanted <= limit:
            raise ExportError(
                f"--max-length {wanted} is not between 4 and {limit}, the rows of the position table"
            )
        return wanted

    def _tokenizer(self) -> Path | None:
        return self._directory / "tokenizer.json" if self._directory else None

    def _check_inputs(self) -> None:
        path = self._tokenizer()
        if path is None:
            self._report("warning: no tokenizer: the folder can be run, but not served")
        elif not path.is_file():
            raise ExportError(f"{path.parent} has no tokenizer.json; a fast tokenizer is needed")
        else:
            _check_lower_case(path)

    def _weights(self) -> Weights:
        if self._request.random:
            return RandomWeights(layouts.shapes(self._layout), self._request.random.seed)
        return open_directory(self._directory)

    def _copied(self) -> list[Path]:
        """The files that go into the folder beside config.json."""
        if self._directory is None:
            return []
        return [self._directory / name for name in _COPIED if (self._directory / name).is_file()]

    def _copy_files(self, folder: Path) -> None:
        shutil.copyfile(self._config_path, folder / "config.json")
        for path in self._copied():
            shutil.copyfile(path, folder / path.name)

    def _fingerprint(self) -> str:
        """A digest of everything that the export depends on, variants aside."""
        digest = hashlib.sha256()
        request = self._request
        seed = request.random.seed if request.random else None
        settings = [__version__, request.source.name, request.source.revision]
        settings += [self._max_length, self._modules.pooling, seed]
        digest.update(json.dumps(settings).encode())
        paths = [self._config_path, *self._copied()]
        if not request.random:
            open_directory(self._directory)
            paths += checkpoint_files(self._directory)
        if self._directory:
            paths += sorted(self._directory.glob("*_*/*.json")) + sorted(
                self._directory.glob("*_*/*.safetensors")
            )
        for path in paths:
            digest.update(f"{path.name} {manifest.sha256(path)}\n".encode())
        return digest.hexdigest()

    def _existing(self, fingerprint: str) -> dict:
        """The manifest in the target folder if it was made from the same input, else nothing."""
        path = self._request.out / manifest.NAME
        if self._request.force or not path.is_file():
            return {}
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            content = {}
        same = content.get("format") == manifest.FORMAT and content.get("input_sha256") == fingerprint
        if same and self._copies_are_whole(content):
            return content
        other = content.get("source")
        if other and other != self._request.source.name:
            raise ExportError(
                f"{self._request.out} holds an export of {other}: name another folder with --out, or replace "
                "it with --force"
            )
        self._report(
            f"{self._request.out} holds an export of another input, or a damaged one: it is replaced"
        )
        return {}

    def _copies_are_whole(self, content: dict) -> bool:
        sums = {item["path"]: item for item in content["files"]}
        names = ["config.json", *(path.name for path in self._copied())]
        return all(_matches(self._request.out / name, sums.get(name)) for name in names)

    def _missing(self, existing: dict) -> list[str]:
        sums = {item["path"]: item for item in existing.get("files", [])}

        def is_whole(name: str) -> bool:
            entry = existing.get("variants", {}).get(name)
            return entry is not None and all(
                _matches(self._request.out / file, sums.get(file)) for file in entry["files"]
            )

        return [name for name in FILES if name in self._request.variants and not is_whole(name)]

    def _refuse_foreign_folder(self) -> None:
        out = self._request.out
        if out.is_dir() and any(out.iterdir()) and not (out / manifest.NAME).is_file():
            raise ExportError(
                f"{out} is not empty and holds no {manifest.NAME}: name another folder with --out"
            )
        if out.exists() and not out.is_dir():
            raise ExportError(f"{out} is not a folder")


def _check_lower_case(tokenizer: Path) -> None:
    """sentence-transformers can lower-case a text itself; the server leaves that to the tokenizer."""
    path = tokenizer.with_name("sentence_bert_config.json")
    if not (path.is_file() and layouts.read_json(path).get("do_lower_case")):
        return
    normalizer = json.dumps(layouts.read_json(tokenizer).get("normalizer"))
    if '"lowercase": true' not in normalizer and '"Lowercase"' not in normalizer:
        raise ExportError(f"{path} sets do_lower_case, but tokenizer.json does not lower-case")


def _within(measured: verify.Measured, bounds: dict) -> bool:
    if "max_abs" in bounds and not measured.max_abs <= bounds["max_abs"]:
        return False
    return "min_cosine" not in bounds or measured.min_cosine >= bounds["min_cosine"]


def _summary(measured: verify.Measured) -> str:
    text = f"largest difference to the reference {measured.max_abs:.1e}"
    if measured.min_cosine is not None:
        text += f", smallest cosine {measured.min_cosine:.6f}"
    return f"{text}, alone or in a padded batch {measured.company:.1e}"


def _matches(path: Path, entry: dict | None) -> bool:
    if entry is None or not path.is_file() or path.stat().st_size != entry["bytes"]:
        return False
    return manifest.sha256(path) == entry["sha256"]


def _link_tree(source: Path, target: Path, without: set[str]) -> None:
    """Brings what is already in the folder along, without a second copy of its bytes.

    Files that are about to be written are left out: a link would be written through,
    into the folder that is being served.
    """

    def ignore(_: str, names: list[str]) -> set[str]:
        return without.intersection(names)

    shutil.copytree(source, target, ignore=ignore, copy_function=_link, dirs_exist_ok=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _replace(folder: Path, out: Path) -> None:
    """Puts the new folder in place of the old one."""
    if not out.exists():
        folder.rename(out)
        return
    old = Path(mkdtemp(prefix=f".{out.name}-old-", dir=out.parent))
    out.rename(old / "folder")
    try:
        folder.rename(out)
    except OSError:
        (old / "folder").rename(out)
        raise
    shutil.rmtree(old)


def _seconds(started: float) -> str:
    return f"{time.monotonic() - started:.1f} s"
