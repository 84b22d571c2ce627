"""The command line: arguments in, one-line errors out."""

import argparse
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from . import __version__
from .arithmetic import VARIANTS
from .errors import ExportError
from .modules import POOLINGS
from .route import ROUTES, enter_torch, needs_torch

_EXAMPLES = """\
examples:
  scripts/export_onnx.sh BAAI/bge-reranker-v2-m3
  scripts/export_onnx.sh intfloat/multilingual-e5-small --variant fp32,int8
  scripts/export_onnx.sh BAAI/bge-m3 --variant fp16,packed --outputs tokens
  scripts/export_onnx.sh ./my-model --out var/models/my-model --max-length 512
  scripts/export_onnx.sh Qwen/Qwen3-Reranker-0.6B --task rerank
  scripts/export_onnx.sh --random config.json --seed 1 --tokenizer ./my-model --out var/models/random

variants:
  fp32    for CPUs; what the others are measured against
  int8    for CPUs: smaller and faster, a little off
  fp16    for NVIDIA GPUs through CUDA
  packed  the same without padding: texts of mixed lengths cost what their tokens do
  trt     for TensorRT: standard operators only, float32 weights (its own options
          choose the precision of the engine)
  all     every one of them

environment:
  QUADRATE_MODELS_DIR  where model folders go without --out (default var/models
                       of this repository)
  QUADRATE_PYTHON      the Python to run (default var/venv/bin/python)
  QUADRATE_TORCH_PYTHON  the Python of the PyTorch route (default: var/torch-venv,
                       made on first need; a download of 2.6 GB)
  HF_TOKEN, HF_HOME, HF_ENDPOINT, HF_HUB_OFFLINE: as huggingface_hub reads them
"""


def main(arguments: list[str] | None = None, exporter=None) -> int:
    """Returns the exit status: 0 done, 1 failed, 2 wrong usage.

    exporter is the class of the route that was entered; None: the route is still to be chosen.
    """
    parser = _parser()
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(arguments)
    _check(parser, options)
    try:
        return _export(options, arguments, exporter)
    except (ExportError, OSError, KeyboardInterrupt) as error:
        if options.debug:
            raise
        message = "interrupted" if isinstance(error, KeyboardInterrupt) else error
        print(f"export_onnx: error: {message}", file=sys.stderr)
        return 1


def _export(options: argparse.Namespace, arguments: list[str], exporter) -> int:
    # The libraries take a second to load, which --help and wrong usage need not wait for.
    from . import source
    from .export import Exporter

    started = time.monotonic()
    if options.if_absent and (there := _there(options)):
        print(f"{options.source or _name(options)}: {_out(options)} is there ({', '.join(there)}), and is left as it is")
        return 0
    if options.dry_run:
        return _tell(options)
    if options.random:
        found = source.Source(options.random, _name(options), "")
    else:
        found = source.find(options.model, options.revision, options.trust_remote_code)
    if exporter is None and needs_torch(_config(options, found), options.route):
        enter_torch(arguments, _say)
    request = _request(options, found)
    result = (exporter or Exporter)(request, _say).run()
    seconds = f"{time.monotonic() - started:.1f} s"
    name, out = request.source.name, request.out
    if result.made:
        print(f"{name}: {', '.join(result.made)} in {out}, {seconds}")
    else:
        print(f"{name}: {out} is up to date ({', '.join(result.kept)}), nothing to do, {seconds}")
    return 0


def _name(options: argparse.Namespace) -> str:
    """What the model is known by, if nothing else is recorded."""
    from . import source

    return f"random/{options.random.stem}" if options.random else source.name_of(options.model)


def _out(options: argparse.Namespace) -> Path:
    from . import source

    return options.out or source.default_folder(options.name or options.source or _name(options))


def _config(options: argparse.Namespace, found) -> Path:
    return options.random or found.directory / "config.json"


def _request(options: argparse.Namespace, found):
    """The export that the options ask for, of the source that was found."""
    from .export import Random, Request

    return Request(
        source=replace(found, name=options.source or found.name),
        out=_out(options),
        variants=options.variant,
        max_length=options.max_length,
        pooling=options.pooling,
        tokens=options.outputs == "tokens",
        random=Random(options.random, options.seed, options.tokenizer) if options.random else None,
        force=options.force,
        task=options.task,
        instruction=options.instruction,
        trust_remote_code=options.trust_remote_code,
    )


def _there(options: argparse.Namespace) -> list[str]:
    """The variants of a folder that is there as asked for; see present."""
    from . import present

    # A manifest does not say these, so that only the export itself can tell.
    if options.random or options.instruction:
        return []
    wanted = {"source": options.source or _name(options), "revision": options.revision, "task": options.task}
    wanted |= {"max_length": options.max_length, "pooling": options.pooling}
    return present.variants(_out(options), wanted, options.variant, options.outputs == "tokens")


def _tell(options: argparse.Namespace) -> int:
    """Says what would be done, as far as that shows without fetching or writing anything."""
    from huggingface_hub import constants

    from . import source
    from .export import Exporter

    name, out, variants = options.source or _name(options), _out(options), ", ".join(options.variant)
    if options.random:
        found = source.Source(options.random, _name(options), "")
    else:
        found = source.find_here(options.model, options.revision, options.trust_remote_code)
    if found is None:
        print(f"would fetch {options.model} from {constants.ENDPOINT} into {constants.HF_HUB_CACHE}")
        print(f"would write {variants} to {out}, unless it is up to date")
    elif needs_torch(_config(options, found), options.route):
        python = os.environ.get("QUADRATE_TORCH_PYTHON") or "var/torch-venv, which is made where it is not there"
        print(f"would write {variants} of {name} to {out} by PyTorch in {python}, unless it is up to date")
    else:
        _tell_plan(name, out, Exporter(_request(options, found), _say).plan())
    return 0


def _tell_plan(name: str, out: Path, plan) -> None:
    kept = f"{', '.join(plan.kept)} is up to date" if plan.kept else ""
    if plan.made:
        print(f"would write {', '.join(plan.made)} of {name} to {out}{kept and f'; {kept}'}")
    else:
        print(f"{name}: {out}: {kept}, nothing to do")


def _say(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/export_onnx.sh",
        description="Writes a model as a fused ONNX graph with a manifest, for Quadrate to serve. BERT, "
        "RoBERTa and XLM-RoBERTa are written directly; other architectures are traced by PyTorch.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", nargs="?", metavar="MODEL", help="a local directory or a Hugging Face id")
    add(
        "--variant",
        action="append",
        type=_variants,
        metavar="NAME[,NAME]",
        help=f"{', '.join(VARIANTS)} or all; may be repeated (default fp32)",
    )
    add(
        "--outputs",
        choices=("pooled", "tokens"),
        default="pooled",
        help="tokens: also write, beside each variant, a graph that answers with the state of every token "
        "(embedding models only; default pooled)",
    )
    add("--out", type=Path, metavar="DIR", help="the model folder (default: see environment, plus the name)")
    add(
        "--name",
        metavar="NAME",
        help="the folder's name when --out is not given (default: MODEL's last part)",
    )
    add("--source", metavar="ID", help="the source to record in the manifest (default: MODEL)")
    add("--revision", metavar="REV", help="branch, tag or commit on the hub")
    add("--max-length", type=int, metavar="N", help="longest input in tokens, special ones included")
    add("--pooling", choices=POOLINGS, help="for models without a modules.json (default mean)")
    add(
        "--random", type=Path, metavar="CONFIG", help="random weights for this config.json, in place of MODEL"
    )
    add("--seed", type=int, default=0, metavar="N", help="of the random weights (default 0)")
    add("--tokenizer", type=Path, metavar="DIR", help="where a random model takes its tokenizer and modules")
    add(
        "--route",
        choices=ROUTES,
        default="auto",
        help="auto takes torch where builder does not know the model",
    )
    torch = parser.add_argument_group("for the PyTorch route")
    torch.add_argument("--task", choices=("embed", "rerank"), help="what a causal language model is for")
    torch.add_argument(
        "--instruction", metavar="TEXT", help="of a generative reranker (default: its makers')"
    )
    torch.add_argument(
        "--trust-remote-code",
        action="store_true",
        help="run Python code that came with the model, where transformers does not know its architecture",
    )
    add("--force", action="store_true", help="write again what is up to date")
    add(
        "--if-absent",
        action="store_true",
        help="leave a model that is there and whole as it is, whatever has become of its source: "
        "nothing is fetched to compare",
    )
    add("--dry-run", action="store_true", help="say what would be fetched and written")
    add("--debug", action="store_true", help="show the traceback of an error")
    add("--version", action="version", version=f"quadrate_export {__version__}")
    return parser


def _variants(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in (*VARIANTS, "all")]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"{text!r}: choose from {', '.join(VARIANTS)}, all")
    return list(VARIANTS) if "all" in names else names


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if bool(options.model) == bool(options.random):
        parser.error("name either a MODEL or --random CONFIG")
    if options.random and options.revision:
        parser.error("--revision is for models on the hub")
    if options.tokenizer and not options.random:
        parser.error("--tokenizer is for --random: a model has its own")
    if options.seed < 0:
        parser.error("--seed must not be negative")
    if options.if_absent and options.force:
        parser.error("--if-absent leaves what is there, and --force does not")
    if options.name and ("/" in options.name or options.name in (".", "..")):
        parser.error("--name is a folder's name, without a slash; --out takes a path")
    options.variant = tuple(name for names in options.variant or [["fp32"]] for name in names)
