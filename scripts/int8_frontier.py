"""Measures ways to compute all-MiniLM-L6-v2 in int8: speed to fp32 and cosine to fp32, one row each.

make int8-frontier, or: python scripts/int8_frontier.py [--only NAME,…] [--rounds N] [--work DIR]
Prints Markdown; docs/benchmarks/int8.md holds a run of it. Cosines are taken over
the goldens (texts answered by sentence-transformers) and over several hundred further
texts (answered by the fp32 graph). "company" is the largest change of a number of a unit
vector in a padded batch. Speeds are fp32's best time by the variant's, best of alternating
rounds, sessions without spinning.
"""

import argparse
import base64
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime
from quadrate_export import calibration, verify
from quadrate_export import layout as layouts
from quadrate_export import modules as modules_
from quadrate_export import recipe as recipes
from quadrate_export.build import build
from quadrate_export.checkpoint import Checkpoint
from quadrate_export.int8 import RECIPE
from quadrate_export.quantiser import Calibration, Quantiser
from quadrate_export.recipe import PARTS, Recipe, Scheme
from quadrate_export.reference import Reference
from quadrate_export.samples import Sample, load_tokenizer
from quadrate_export.weights import RandomWeights, open_directory

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "var/src/all-MiniLM-L6-v2"
GOLDEN = ROOT / "testdata/golden"
SHAPES = ((1, 16), (8, 64), (32, 64), (1, 256))
FLAGS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")

SYMMETRIC, FLOOR = Scheme("symmetric", 0.5), Scheme("floor")
CENTRED, FIXED = Scheme("symmetric", 0.5, True), Scheme("fixed", 0.5)
FIXED_CENTRED = Scheme("fixed", 0.5, True)
PLAIN = Recipe(*[Scheme("asymmetric")] * 4, rounding=False)
RECIPES = {
    "rows asymmetric, plain rounding": PLAIN,
    "rows asymmetric, last product fp32, plain rounding": replace(PLAIN, output=Scheme("float")),
    "rows asymmetric": replace(PLAIN, rounding=True),
    "rows symmetric, plain rounding": Recipe(*[Scheme("symmetric")] * 4, rounding=False),
    "rows smoothed, plain rounding": Recipe(SYMMETRIC, SYMMETRIC, SYMMETRIC, FLOOR, rounding=False),
    "rows smoothed": Recipe(SYMMETRIC, SYMMETRIC, SYMMETRIC, FLOOR),
    "rows smoothed, asymmetric": Recipe(*[Scheme("asymmetric", 0.5)] * 3, FLOOR),
    "rows smoothed, centred (shipped)": RECIPE,
    "rows smoothed, centred; context fixed": Recipe(CENTRED, FIXED_CENTRED, CENTRED, FLOOR),
    "attention by rows, rest fixed but the last": Recipe(CENTRED, FIXED_CENTRED, FIXED_CENTRED, FLOOR),
    "fixed, last by rows": Recipe(FIXED, FIXED, FIXED, FLOOR),
    "fixed, centred, last by rows": Recipe(FIXED_CENTRED, FIXED_CENTRED, FIXED_CENTRED, FLOOR),
    "fixed, last by rows, weights of 7 bits": Recipe(FIXED, FIXED, FIXED, FLOOR, largest=63),
    "all fixed, last smoothed": Recipe(FIXED, FIXED, FIXED, Scheme("fixed", 0.4)),
    "all fixed, none smoothed": Recipe(*[Scheme("fixed")] * 4),
    "shipped, weights of 7 bits": replace(RECIPE, largest=63),
}


@dataclass
class Model:
    """A checkpoint with what is needed to export and feed it."""

    layout: layouts.Layout
    checkpoint: Checkpoint
    modules: modules_.Modules
    calibration: Calibration


@dataclass
class Text:
    """Inputs with the unit vector that is true for them."""

    sample: Sample
    vector: np.ndarray


def main() -> None:
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    print(_machine())
    for part in options.parts:
        {"table": _table, "large": _large, "saturation": _saturation}[part](options)


def _table(options: argparse.Namespace) -> None:
    model = _minilm()
    fp32 = _write(model, "fp32", options.work / "fp32.onnx")
    goldens, others = _goldens(), _others(fp32, model)
    print(f"{len(goldens)} goldens, {len(others)} further texts, {options.rounds} rounds\n")
    speeds = " | ".join(f"{batch}x{length}" for batch, length in SHAPES)
    print(f"| variant | min cosine | mean | min, further | mean | company | top 3 | threads | {speeds} |")
    print("|" + "---|" * (8 + len(SHAPES)))
    for name in options.only or RECIPES:
        path = _write(model, "int8", options.work / "int8.onnx", RECIPES[name])
        truth = _truth(verify.open_session(path), model, goldens, others)
        for threads in (2, 1):
            ratios = _race(fp32, path, model, threads, options.rounds)
            print(f"| {name} | {truth} | {threads} | {_row(ratios)} |", flush=True)


def _row(ratios: list[float]) -> str:
    return " | ".join(f"{ratio:.2f}" for ratio in ratios)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", type=lambda text: text.split(";"), help="variants, separated by semicolons")
    parts = ["table", "large", "saturation"]
    parser.add_argument("--parts", type=lambda text: text.split(","), default=parts, help=",".join(parts))
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--work", type=Path, default=ROOT / "var/int8-frontier")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    return options


def _machine() -> str:
    text = Path("/proc/cpuinfo").read_text()
    fields = dict(line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    found = [flag for flag in FLAGS if flag in fields["flags"].split()]
    cores = text.count("processor\t")
    return (
        f"{time.strftime('%Y-%m-%d')}; {fields['model name']}, {cores} cores, {' '.join(found)}; "
        f"ONNX Runtime {onnxruntime.__version__}, numpy {np.__version__}"
    )


def _minilm() -> Model:
    layout = layouts.parse(layouts.read_json(MODEL / "config.json"))
    shown = calibration.make(layout, MODEL / "tokenizer.json", 256)
    checkpoint = Checkpoint(layout, open_directory(MODEL))
    modules = modules_.read(MODEL, layout)
    return Model(layout, checkpoint, modules, _collected(checkpoint, modules, shown))


def _collected(
    checkpoint: Checkpoint, modules: modules_.Modules, shown: list[calibration.Sequence]
) -> Calibration:
    """The calibration of all variants, computed once."""
    layers = list(Reference(checkpoint, modules).products(shown))
    return lambda: iter(layers)


def _write(model: Model, variant: str, path: Path, recipe: Recipe = RECIPE) -> Path:
    graph = build(model.checkpoint, model.modules, variant, calibration=model.calibration, recipe=recipe)
    graph.write(path)
    return path


def _goldens() -> list[Text]:
    items = json.loads((GOLDEN / "minilm.json").read_text(encoding="utf-8"))["items"]
    return [
        Text(
            Sample(item["text"], None, item["ids"], [0] * len(item["ids"])),
            np.frombuffer(base64.b64decode(item["vector"]), "<f4"),
        )
        for item in items
    ]


def _others(fp32: Path, model: Model) -> list[Text]:
    """Texts of the repository that calibration does not show, pieces of them, and random tokens."""
    tokenizer = load_tokenizer(MODEL / "tokenizer.json")
    rng = np.random.default_rng(1)
    lines = (ROOT / "scripts/golden/corpus.txt").read_text(encoding="utf-8").splitlines()
    prose = [line for path in sorted(ROOT.glob("*.md")) for line in path.read_text("utf-8").splitlines()]
    texts = lines + [line for line in prose if len(line) > 40][:150]
    bodies = [tokenizer.encode(text, add_special_tokens=False).ids[:254] for text in texts if text.strip()]
    pieces = []
    for ids in bodies[: len(lines)]:
        for length in (1, 2, 4):
            start = int(rng.integers(0, max(1, len(ids) - length)))
            pieces.append(ids[start : start + length])
    random = [rng.integers(0, model.layout.vocabulary, length).tolist() for length in range(1, 254, 8)]
    samples = [
        Sample("", None, [101, *ids, 102], [0] * (len(ids) + 2)) for ids in [*bodies, *pieces, *random] if ids
    ]
    session = verify.open_session(fp32)
    rows = verify.unit(np.concatenate([verify.run(session, model.layout, [sample]) for sample in samples]))
    return [Text(sample, row) for sample, row in zip(samples, rows, strict=True)]


def _truth(
    session: onnxruntime.InferenceSession, model: Model, goldens: list[Text], others: list[Text]
) -> str:
    figures, company = [], 0.0
    for texts in (goldens, others):
        samples = [text.sample for text in texts]
        rows = [verify.run(session, model.layout, [sample]) for sample in samples]
        alone = verify.unit(np.concatenate(rows))
        cosines = (alone * np.stack([text.vector for text in texts])).sum(axis=1)
        figures += [f"{cosines.min():.5f}", f"{cosines.mean():.5f}"]
        for index, row in _in_company(session, model, samples):
            company = max(company, float(np.abs(row - alone[index]).max()))
    order = "same" if _same_order(session, model) else "**other**"
    return " | ".join([*figures, f"{company:.0e}", order])


def _in_company(
    session: onnxruntime.InferenceSession, model: Model, samples: list[Sample], size: int = 16
) -> Iterator[tuple[int, np.ndarray]]:
    """Each sample's index and unit vector, in batches of mixed lengths."""
    for start in range(size):
        part = list(range(start, len(samples), size))
        for index, row in zip(
            part, verify.unit(verify.run(session, model.layout, [samples[i] for i in part])), strict=True
        ):
            yield index, row


def _same_order(session: onnxruntime.InferenceSession, model: Model) -> bool:
    tokenizer = load_tokenizer(MODEL / "tokenizer.json")
    for entry in json.loads((GOLDEN / "minilm_rerank.json").read_text(encoding="utf-8"))["sets"]:
        encodings = tokenizer.encode_batch([entry["query"], *entry["documents"]])
        samples = [Sample("", None, item.ids, item.type_ids) for item in encodings]
        vectors = verify.unit(verify.run(session, model.layout, samples))
        if np.argsort(-(vectors[1:] @ vectors[0]), kind="stable").tolist()[:3] != entry["order"][:3]:
            return False
    return True


def _race(base: Path, path: Path, model: Model, threads: int, rounds: int) -> list[float]:
    """Base's best time by path's for each shape."""
    sessions = [_session(item, threads) for item in (base, path)]
    ratios = []
    for shape in SHAPES:
        ids = np.random.default_rng(0).integers(1000, model.layout.vocabulary, shape)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        feeds = {name: feeds[name] for name in model.layout.inputs}
        runs = max(1, 1024 // math.prod(shape) // 4)
        best = [math.inf, math.inf]
        for _ in range(rounds + 1):  # the first warms up as well
            for index, session in enumerate(sessions):
                for _ in range(runs):
                    started = time.perf_counter()
                    session.run(None, feeds)
                    best[index] = min(best[index], time.perf_counter() - started)
        ratios.append(best[0] / best[1])
    return ratios


def _session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # As the server has it: the optimiser would make fp32 slower than what is served.
    options.add_session_config_entry("optimization.disable_specified_optimizers", "SkipLayerNormFusion")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _large(options: argparse.Namespace) -> None:
    """Speed on two layers of XLM-R-large's shape with random weights."""
    print("\nXLM-R-large's shape (1024, 4096), two layers, random weights, 2 threads:\n")
    print("| variant | " + " | ".join(f"{batch}x{length}" for batch, length in SHAPES) + " |")
    print("|" + "---|" * (1 + len(SHAPES)))
    config = layouts.read_json(ROOT / "testdata/models/xlmr-rerank/config.json") | {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_attention_heads": 16,
        "num_hidden_layers": 2,
        "max_position_embeddings": 514,
        "vocab_size": 4000,
    }
    layout = layouts.parse(config)
    checkpoint = Checkpoint(layout, RandomWeights(layouts.shapes(layout), 0))
    modules = modules_.Modules()
    shown = calibration.make(layout, None, 128)[:12]  # the speed does not depend on it
    model = Model(layout, checkpoint, modules, _collected(checkpoint, modules, shown))
    fp32 = _write(model, "fp32", options.work / "fp32.onnx")
    names = ("rows asymmetric, plain rounding", "rows smoothed, centred (shipped)", "fixed, last by rows")
    for name in names:
        path = _write(model, "int8", options.work / "int8.onnx", replace(RECIPES[name], rounding=False))
        ratios = _race(fp32, path, model, 2, options.rounds)
        print(f"| {name} | {_row(ratios)} |", flush=True)


def _saturation(_: argparse.Namespace) -> None:
    """What processors without VNNI make of the products: there, vpmaddubsw adds two of them in 16 bits."""
    model = _minilm()
    print("\n16-bit sums of two products, as without VNNI, over the calibration:\n")
    print("| weights | product | sums cut | error by spread, worst layer |\n|---|---|---|---|")
    for bits, recipe in (("8 bits", RECIPE), ("7 bits", replace(RECIPE, largest=63))):
        for part, share, error in _cut(model, recipe):
            print(f"| {bits} | {part} | {share:.1e} | {error:.1e} |", flush=True)


def _cut(model: Model, recipe: Recipe, rows: int = 48) -> Iterator[tuple[str, float, float]]:
    """What 16-bit sums of two products do: part, share of sums cut, root mean square error by spread."""
    quantiser = Quantiser(model.checkpoint, model.calibration, recipe)
    seen = {part: [] for part in PARTS}
    for layer, inputs in enumerate(model.calibration()):
        for part in PARTS:
            product = quantiser.product(layer, part)
            smoothed = (inputs[part] * product.factor + product.offset)[:: len(inputs[part]) // rows]
            seen[part].append(_cut_sums(recipes.bytes_of(smoothed, recipe.scheme(part)), product.values))
    for part, pairs in seen.items():
        shares, errors = zip(*pairs, strict=True)
        yield part, float(np.mean(shares)), float(np.max(errors))


def _cut_sums(inputs: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    cut, total, wrong = 0, np.zeros((len(inputs), weight.shape[1])), np.zeros((len(inputs), weight.shape[1]))
    for start in range(0, weight.shape[0], 2):
        pair = inputs[:, start : start + 2].astype(np.int32) @ weight[start : start + 2].astype(np.int32)
        short = np.clip(pair, -(2**15), 2**15 - 1)
        cut += int((pair != short).sum())
        total, wrong = total + pair, wrong + (short - pair)
    return cut / (total.size * weight.shape[0] / 2), float(np.sqrt((wrong**2).mean()) / total.std())


if __name__ == "__main__":
    main()
