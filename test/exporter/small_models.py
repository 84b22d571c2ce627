"""Small random model directories in the Hugging Face layout, and ways to run their exports."""

import json
import shutil
from pathlib import Path

import ml_dtypes
import numpy as np
from safetensors.numpy import save

from quadrate_export import layout as layouts
from quadrate_export.checkpoint import Checkpoint
from quadrate_export.export import Exporter, Request
from quadrate_export.modules import read as read_modules
from quadrate_export.reference import Reference
from quadrate_export.samples import Sample
from quadrate_export.source import Source
from quadrate_export.weights import RandomWeights, open_directory

TESTDATA = Path(__file__).resolve().parents[2] / "testdata"
TOKENIZERS = {"bert": "bert-mean", "roberta": "xlmr-rerank", "xlm-roberta": "xlmr-rerank"}
VOCABULARY = {"bert": 1400, "roberta": 717, "xlm-roberta": 717}
CLASSES = {"bert": "Bert", "roberta": "Roberta", "xlm-roberta": "XLMRoberta"}
DTYPES = {"F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16, "F64": np.float64}


def make_config(model_type: str = "bert", head: str = "Model", labels: int = 0, **changes) -> dict:
    """A config.json of four heads and two layers."""
    config = {
        "model_type": model_type,
        "architectures": [CLASSES.get(model_type, model_type) + head],
        "hidden_size": 32,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "intermediate_size": 48,
        "vocab_size": VOCABULARY.get(model_type, 100),
        "max_position_embeddings": 80,
        "type_vocab_size": 2 if model_type == "bert" else 1,
        "pad_token_id": 0 if model_type == "bert" else 1,
        "layer_norm_eps": 1e-12 if model_type == "bert" else 1e-5,
        "hidden_act": "gelu",
    }
    if labels:
        config["id2label"] = {str(index): f"label {index}" for index in range(labels)}
    return config | changes


def write_model(
    folder: Path,
    config: dict | None = None,
    *,
    prefix: str = "",
    dtype: str = "F32",
    shards: int = 1,
    rename: dict[str, str] | None = None,
    modules: list[str] | None = None,
    pooling: dict | None = None,
    dense: list[dict] | None = None,
    files: dict[str, dict] | None = None,
    seed: int = 0,
) -> Path:
    """Writes config, tokenizer, weights and modules; files are further JSON files by name."""
    config = config or make_config()
    folder.mkdir(parents=True)
    write_json(folder / "config.json", config)
    tokenizer = TESTDATA / "models" / TOKENIZERS[config["model_type"]]
    shutil.copy(tokenizer / "tokenizer.json", folder)
    write_tensors(folder, random_tensors(config, prefix, dtype, rename or {}, seed), shards, dtype)
    if modules is not None:
        write_module_list(folder, modules)
    if pooling is not None:
        write_json(folder / "1_Pooling" / "config.json", pooling)
    for index, layer in enumerate(dense or []):
        write_dense(folder / f"{index + 2}_Dense", layer, seed + index)
    for name, value in (files or {}).items():
        write_json(folder / name, value)
    return folder


def random_tensors(config: dict, prefix: str, dtype: str, rename: dict, seed: int) -> dict[str, np.ndarray]:
    shapes = layouts.shapes(layouts.parse(config))
    random = RandomWeights(shapes, seed)
    tensors = {}
    for name in shapes:
        full = name if name.startswith("classifier") else prefix + name
        for old, new in rename.items():
            full = full.replace(old, new)
        tensors[full] = random.read(name).astype(DTYPES[dtype])
    return tensors


def write_tensors(folder: Path, tensors: dict[str, np.ndarray], shards: int, dtype: str) -> None:
    if shards == 1:
        (folder / "model.safetensors").write_bytes(save_tensors(tensors, dtype))
        return
    names = list(tensors)
    weight_map = {}
    for index in range(shards):
        file = f"model-{index + 1:05}-of-{shards:05}.safetensors"
        part = {name: tensors[name] for name in names[index::shards]}
        (folder / file).write_bytes(save_tensors(part, dtype))
        weight_map |= dict.fromkeys(part, file)
    write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": weight_map})


def save_tensors(tensors: dict[str, np.ndarray], dtype: str) -> bytes:
    """A safetensors file; the library writes no bfloat16 from numpy, so its header is edited."""
    if dtype != "BF16":
        return save(tensors)
    data = save({name: tensor.view(np.float16) for name, tensor in tensors.items()})
    length = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + length].replace(b'"dtype":"F16"', b'"dtype":"BF16"')
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


def write_module_list(folder: Path, names: list[str]) -> None:
    items = [
        {
            "idx": index,
            "name": str(index),
            "path": f"{index}_{name}" if index else "",
            "type": f"sentence_transformers.models.{name}",
        }
        for index, name in enumerate(names)
    ]
    (folder / "modules.json").write_text(json.dumps(items))


def write_dense(folder: Path, layer: dict, seed: int) -> None:
    activation = layer.pop("activation", "torch.nn.modules.linear.Identity")
    config = {"bias": True, "activation_function": activation} | layer
    write_json(folder / "config.json", config)
    shapes = {"linear.weight": (config["out_features"], config["in_features"])}
    if config["bias"]:
        shapes["linear.bias"] = (config["out_features"],)
    random = RandomWeights(shapes, seed + 100)
    (folder / "model.safetensors").write_bytes(save({name: random.read(name) for name in shapes}))


def write_json(path: Path, value: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def export(directory: Path, out: Path, **options) -> tuple[dict, list[str]]:
    """Exports and returns the manifest and the lines of progress."""
    lines: list[str] = []
    source = options.pop("source", Source(directory, "team/model", ""))
    Exporter(Request(source=source, out=out, **options), lines.append).run()
    return json.loads((out / "quadrate.json").read_text(encoding="utf-8")), lines


def truth(directory: Path, samples: list[Sample]) -> np.ndarray:
    """The numpy reference's outputs for a model directory."""
    layout = layouts.parse(layouts.read_json(directory / "config.json"))
    reference = Reference(Checkpoint(layout, open_directory(directory)), read_modules(directory, layout))
    return np.stack(reference.outputs([(sample.ids, sample.types) for sample in samples]))


def random_samples(config: dict, lengths: list[int], seed: int = 0) -> list[Sample]:
    """Random ids, none of them padding; the second half of each has token type 1 where there is one."""
    rng = np.random.default_rng(seed)
    samples = []
    for length in lengths:
        ids = rng.integers(2, config["vocab_size"], length).tolist()
        types = [int(config["type_vocab_size"] > 1 and index >= length // 2) for index in range(length)]
        samples.append(Sample("", None, ids, types))
    return samples
