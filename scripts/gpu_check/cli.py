"""The command line."""

import argparse
import ctypes
import sys
from pathlib import Path

from . import machine
from .check import Check, Options
from .report import Report, today
from .server import Tools
from .shapes import SHAPES, small

_ROOT = Path(__file__).resolve().parents[2]
_VARIANTS = ("fp32", "fp16", "packed", "trt")

_EPILOG = """\
What it does, for bge-reranker-v2-m3, bge-m3 and MiniLM with random weights: exports every
variant, compares its answers with fp32 on the CPU, measures W1, W2, W3 and W4 over HTTP and in
process with sweeps of batch sizes and sessions, MFU against the measured peak, memory and
start-up, and ends each server by SIGTERM under load. It needs about 12 GB of disk below --work,
and takes about half an hour on a large GPU.

Before it, where nothing is prepared: make setup build bench-client enginebench, and
scripts/setup/setup.sh onnxruntime-gpu. CUDA 13's libraries must be found by the loader
(LD_LIBRARY_PATH where they are not installed system-wide).
"""


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0 all passed, 1 something failed, 2 wrong usage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    shapes = [SHAPES[name] for name in options.models.split(",")] if _known(options.models) else parser.error(
        f"--models {options.models}: there are {', '.join(SHAPES)}")
    tools = Tools(options.bin / "quadrate-bench", options.bin / "quadrate-enginebench", options.bin / "quadrate", options.library)
    for path in (tools.program, tools.bench, tools.enginebench, tools.library, options.tokenizer):
        if not path.exists():
            parser.error(f"there is no {path}; the end of --help says how to prepare")
    if options.provider == "cuda" and not machine.query("gpu=name"):
        parser.error("nvidia-smi shows no GPU here; --provider cpu --small tries the check itself")
    options.work.mkdir(parents=True, exist_ok=True)
    report = Report(options.out, f"Quadrate on a GPU, {today()}" if options.provider == "cuda" else f"Trial of the GPU check on a CPU, {today()}")
    check = Check(Options(
        provider=options.provider, variants=_variants(options, parser), shapes=[small(s) if options.small else s for s in shapes],
        seconds=options.seconds, texts=options.texts, work=options.work.resolve(), tokenizer=options.tokenizer,
        exporter=_ROOT / "scripts/export_onnx.sh"), tools, report)
    check.run()
    print(f"report: {options.out}")
    return 1 if check.failures else 0


def _known(models: str) -> bool:
    return set(models.split(",")) <= set(SHAPES)


def _variants(options: argparse.Namespace, parser: argparse.ArgumentParser) -> list[str]:
    if options.variants:
        chosen = options.variants.split(",")
        if not set(chosen) <= set(_VARIANTS):
            parser.error(f"--variants {options.variants}: there are {', '.join(_VARIANTS)}")
    elif options.provider == "cpu":
        chosen = ["fp32"]
    else:
        chosen = ["fp32", "fp16", "packed"] + (["trt"] if _tensorrt() else [])
    # The CPU's fp32 is what all others are compared with.
    return ["fp32"] + [variant for variant in chosen if variant != "fp32"]


def _tensorrt() -> bool:
    try:
        ctypes.CDLL("libnvinfer.so.10")
    except OSError:
        print("libnvinfer.so.10 is not found: TensorRT is left out", file=sys.stderr)
        return False
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gpu_check.sh", description="Checks and measures Quadrate on this machine's NVIDIA GPU; writes one Markdown report.",
        epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--out", type=Path, default=Path("gpu_report.md"), metavar="FILE", help="the report (default gpu_report.md)")
    add("--models", default=",".join(SHAPES), metavar="LIST", help=f"of {', '.join(SHAPES)} (default all)")
    add("--variants", default="", metavar="LIST", help="of fp32, fp16, packed, trt (default all; trt where TensorRT 10 is found)")
    add("--seconds", type=float, default=5, metavar="S", help="length of one measurement (default 5)")
    add("--texts", type=int, default=64, metavar="N", help="inputs compared with the CPU (default 64)")
    add("--work", type=Path, default=_ROOT / "var/gpu-check", metavar="DIR", help="models, logs and raw results (default var/gpu-check)")
    add("--bin", type=Path, default=_ROOT / "bin", metavar="DIR", help="where the programs are (default bin)")
    add("--library", type=Path, default=_ROOT / "var/gpu-lib/libonnxruntime.so", metavar="FILE", help="ONNX Runtime with CUDA")
    add("--tokenizer", type=Path, default=_ROOT / "var/src/all-MiniLM-L6-v2/tokenizer.json", metavar="FILE", help="a BERT tokenizer.json")
    add("--provider", choices=("cuda", "cpu"), default="cuda", help="cpu tries the check itself where there is no GPU")
    add("--small", action="store_true", help="models of the same kind, but tiny")
    return parser
