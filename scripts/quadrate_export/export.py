"""Exports a model: source in, model folder out, whole or not at all."""

import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from . import __version__, calibration, folder, manifest, parts, samples
from . import layout as layouts
from . import modules as modules_
from .checkpoint import Checkpoint
from .errors import ExportError
from .graph import INLINE_LIMIT, PROTOBUF_LIMIT
from .parts import FILES, Part, References, seconds
from .quantiser import Calibration
from .reference import Reference
from .source import Source
from .tolerance import tolerance
from .weights import RandomWeights, Weights, checkpoint_files, open_directory

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
    tokens: bool = False  # the states of tokens too, as a second file a variant
    max_length: int | None = None
    pooling: str | None = None
    random: Random | None = None  # source is then a name only
    force: bool = False
    inline_limit: int = INLINE_LIMIT
    # For the PyTorch route only.
    task: str | None = None
    instruction: str | None = None
    trust_remote_code: bool = False


@dataclass
class Result:
    """What was done: parts made now, and those that were there already (see parts.Part)."""

    made: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


class Exporter:
    """Runs one request. report is given a line of progress at each step.

    Describing, opening, computing the references and writing a graph are the
    builder's here; the PyTorch route has its own (quadrate_export_torch).
    """

    def __init__(self, request: Request, report=print):
        self._request = request
        self._report = report
        # A random model has its tokenizer's directory for everything but config and weights.
        self._directory = request.random.tokenizer if request.random else request.source.directory
        self._config_path = request.random.config if request.random else self._directory / "config.json"
        self._config = layouts.read_json(self._config_path)
        self._layout = self._describe()
        self._modules = modules_.read(self._directory, self._layout, request.pooling)
        self._max_length = self._choose_max_length()
        if request.tokens and self._layout.labels:
            raise ExportError(
                f"{request.source.name} is a cross-encoder: its answer is a score of two texts, and --outputs "
                "tokens is for embedding models"
            )

    def _describe(self) -> layouts.Layout:
        return layouts.parse(self._config)

    def plan(self) -> Result:
        """What run would make and keep; writes nothing."""
        _, existing, missing = self._look()
        return Result([str(part) for part in missing], _kept(existing, missing))

    def _look(self) -> tuple[str, dict, list[Part]]:
        """The input's fingerprint, the manifest that is there, and the parts that are missing."""
        for warning in self._modules.warnings:
            self._report(f"warning: {warning}")
        self._check_inputs()
        fingerprint = self._fingerprint()
        existing = self._existing(fingerprint)
        missing = self._missing(existing)
        if missing:
            self._refuse_foreign_folder()
        return fingerprint, existing, missing

    def run(self) -> Result:
        """Writes what is missing; leaves a folder that is up to date untouched."""
        fingerprint, existing, missing = self._look()
        kept = _kept(existing, missing)
        if not missing:
            return Result(kept=kept)
        self._request.out.parent.mkdir(parents=True, exist_ok=True)
        made = Path(mkdtemp(prefix=f".{self._request.out.name}-", dir=self._request.out.parent))
        try:
            made.chmod(0o755)
            self._fill(made, existing, missing, fingerprint)
            folder.replace(made, self._request.out)
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return Result(made=[str(part) for part in missing], kept=kept)

    def _fill(self, made: Path, existing: dict, missing: list[Part], fingerprint: str) -> None:
        if existing:
            written = set().union(*(part.writes for part in missing))
            # onnx checks no file whose weights have a second name in the file system.
            read = {part.side for part in missing if part.tokens}
            folder.link_tree(self._request.out, made, written | {manifest.NAME}, read)
        else:
            self._copy_files(made)
        checkpoint = self._open()
        references = self._references(checkpoint)
        variants = dict(existing.get("variants", {}))
        for part in missing:
            entry = self._make(made, part, checkpoint, references)
            if part.tokens:
                variants[part.variant]["tokens"] = entry
            else:
                old = variants.get(part.variant, {})
                variants[part.variant] = entry | {key: old[key] for key in ("tokens",) if key in old}
        content = existing or manifest.describe(
            self._layout,
            self._modules,
            source=self._request.source.name,
            revision=self._request.source.revision,
            max_length=self._max_length,
            activation=modules_.activation(self._directory, self._config, self._layout),
        )
        content |= {"input_sha256": fingerprint, "tools": self._tools(), **self._extras()}
        content["variants"] = {name: variants[name] for name in FILES if name in variants}
        content["files"] = manifest.files(made)
        states = references.states if any("tokens" in entry for entry in variants.values()) else None
        content["reference"] = manifest.references(references.inputs, references.outputs, states)
        manifest.write(made, content)

    def _open(self) -> Checkpoint:
        return Checkpoint(self._layout, self._weights())

    def _tools(self) -> dict[str, str]:
        return manifest.tools()

    def _extras(self) -> dict:
        """What a route adds to the manifest."""
        return {}

    def _settings(self) -> list:
        """What a route's result depends on beside the files and the request."""
        return []

    def _references(self, checkpoint: Checkpoint) -> References:
        started = time.monotonic()
        inputs = samples.make(self._layout, self._tokenizer(), self._max_length)
        reference = Reference(checkpoint, self._modules)
        states = reference.states([(sample.ids, sample.types) for sample in inputs])
        outputs = reference.vectors(states)
        if not all(np.isfinite(output).all() for output in outputs):
            raise ExportError(
                "the reference computation gives numbers that are not finite: are the weights whole?"
            )
        self._report(f"reference: {len(inputs)} inputs in numpy, {seconds(started)}")
        return References(inputs, outputs, states)

    def _make(self, made: Path, part: Part, checkpoint: Checkpoint, references: References) -> dict:
        """Writes and checks one part; returns its entry of the manifest."""
        started = time.monotonic()
        files, attention = self._write(made, part, checkpoint)
        size = sum(file.stat().st_size for file in files if file.name in part.writes)
        self._report(f"{part}: wrote {part.file}, {size / 2**20:.1f} MiB, {seconds(started)}")
        bounds = self._tolerance(part.variant, references)
        measured = None
        if part.runs_on_cpu:
            started = time.monotonic()
            measured = parts.measure(files[0], part, self._layout, references)
            self._report(f"{part}: {parts.summary(measured)}, {seconds(started)}")
            # A trt file holds the weights unrounded; only an engine may lose precision.
            exact = "fp32" if part.variant == "trt" else part.variant
            required = self._tolerance(exact, references)
            if not parts.within(measured, required):
                found = parts.summary(measured)
                raise ExportError(f"{part} is off the reference ({found}); tolerance: {json.dumps(required)}")
        return parts.entry(files, part, attention, bounds, measured, self._layout)

    def _write(self, made: Path, part: Part, checkpoint: Checkpoint) -> tuple[list[Path], int]:
        """Writes one part; returns its files and its number of attention operators."""
        # TensorRT's parser takes weights from a side file only on request.
        limit = PROTOBUF_LIMIT if part.variant == "trt" else self._request.inline_limit
        files = parts.write(made, part, checkpoint, self._modules, self._calibration(checkpoint), limit)
        return files, parts.check_structure(files[0], part, self._layout, self._modules)

    def _calibration(self, checkpoint: Checkpoint) -> Calibration:
        def products() -> Iterator[dict[str, np.ndarray]]:
            sequences = calibration.make(self._layout, self._tokenizer(), self._max_length)
            return Reference(checkpoint, self._modules).products(sequences)

        return products

    def _tolerance(self, variant: str, references: References) -> dict[str, float]:
        return tolerance(variant, self._layout, references.outputs)

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

    def _copy_files(self, made: Path) -> None:
        shutil.copyfile(self._config_path, made / "config.json")
        for path in self._copied():
            shutil.copyfile(path, made / path.name)

    def _fingerprint(self) -> str:
        """A digest of everything that the export depends on, variants aside."""
        digest = hashlib.sha256()
        request = self._request
        seed = request.random.seed if request.random else None
        settings = [__version__, request.source.name, request.source.revision]
        settings += [self._max_length, self._modules.pooling, seed, *self._settings()]
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
        return all(folder.matches(self._request.out / name, sums.get(name)) for name in names)

    def _missing(self, existing: dict) -> list[Part]:
        """What was asked for and is not there whole, and what must be made with it."""
        sums = {item["path"]: item for item in existing.get("files", [])}
        present = _present(existing)

        def is_whole(part: Part) -> bool:
            return part in present and all(
                folder.matches(self._request.out / file, sums.get(file)) for file in present[part]["files"]
            )

        wanted = [Part(name) for name in FILES if name in self._request.variants]
        # Tokens that are there already are kept whole with their variant.
        tokens = [Part(part.variant, tokens=True) for part in wanted]
        wanted += [part for part in tokens if self._request.tokens or part in present]
        return [part for part in wanted if not is_whole(part)]

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


def _kept(existing: dict, missing: list[Part]) -> list[str]:
    return [str(part) for part in _present(existing) if part not in missing]


def _present(existing: dict) -> dict[Part, dict]:
    """The entries of a manifest by part."""
    found = {}
    for name, entry in existing.get("variants", {}).items():
        found[Part(name)] = entry
        if "tokens" in entry:
            found[Part(name, tokens=True)] = entry["tokens"]
    return found
