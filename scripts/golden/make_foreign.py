"""Makes the small ONNX models of testdata/foreign, as other people's exporters write them, and their goldens.

Run once; the results are committed. Needs scripts/golden/requirements.txt and
the tokenizers of testdata/models. Weights are random, layouts are real.

  bert     BertModel for feature extraction: int64 inputs, last_hidden_state;
           model.onnx, model_fp16.onnx (float16 output) and model_quantized.onnx
           (dynamic int8) below onnx/; goldens for every pooling of
           sentence-transformers, and token states
  distil   DistilBERT as sentence-transformers exports it: int32 inputs, no token
           types, token_embeddings and sentence_embedding (cls, dense, tanh)
  xlmr     XLM-RoBERTa reranker that takes position_ids, beside its own folder
           without onnx/
"""

import argparse
import json
import os
import shutil
import warnings
from importlib.metadata import version
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import texts  # noqa: E402
import torch  # noqa: E402
from make_goldens import encode, numbers, write  # noqa: E402
from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: E402
from onnxruntime.transformers.float16 import convert_float_to_float16  # noqa: E402
from sentence_transformers.models import Pooling  # noqa: E402
from transformers import (  # noqa: E402
    AutoTokenizer,
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

ROOT = Path(__file__).resolve().parent.parent.parent
POOLINGS = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
ITEMS = ("word", "sentence", "korean", "empty", "long")
LENGTH = 64
HIDDEN = 16
OPSET = 17


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=Path, default=ROOT / "testdata/models")
    parser.add_argument("--out", type=Path, default=ROOT / "testdata/foreign")
    parser.add_argument("--goldens", type=Path, default=ROOT / "testdata/golden")
    options = parser.parse_args()
    torch.manual_seed(20)
    with torch.inference_mode():
        bert(options.out / "bert", options.models / "bert-mean", options.goldens / "foreign-bert.json")
        distil(options.out / "distil", options.models / "bert-mean", options.goldens / "foreign-distil.json")
        xlmr(options.out / "xlmr", options.models / "xlmr-rerank", options.goldens / "foreign-xlmr.json")
    for path in sorted(options.out.rglob("*.onnx")):
        print(f"{path.relative_to(options.out)}: {path.stat().st_size / 1000:.0f} kB")


class Bert(torch.nn.Module):
    def __init__(self, model: BertModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.model(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state


class Distil(torch.nn.Module):
    """The whole of a sentence-transformers model: cls, a dense layer, tanh."""

    def __init__(self, model: DistilBertModel, dense: torch.nn.Linear) -> None:
        super().__init__()
        self.model, self.dense = model, dense

    def forward(self, input_ids, attention_mask):
        states = self.model(
            input_ids=input_ids.long(), attention_mask=attention_mask.long()
        ).last_hidden_state
        return states, torch.tanh(self.dense(states[:, 0]))


class Reranker(torch.nn.Module):
    def __init__(self, model: XLMRobertaForSequenceClassification) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, position_ids):
        return self.model(
            input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids
        ).logits


def bert(folder: Path, source: Path, golden: Path) -> None:
    start(folder, source)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=HIDDEN, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=LENGTH, attn_implementation="eager",
        architectures=["BertModel"], pad_token_id=0,
    )  # fmt: skip
    model = spread(BertModel(config, add_pooling_layer=False).eval())
    config.save_pretrained(folder)
    path = folder / "onnx" / "model.onnx"
    export(Bert(model), path, ["input_ids", "attention_mask", "token_type_ids"], {"last_hidden_state": 3})
    half = convert_float_to_float16(onnx.load(path), keep_io_types=False)
    onnx.save(half, path.with_name("model_fp16.onnx"))
    quantize_dynamic(path, path.with_name("model_quantized.onnx"), weight_type=QuantType.QInt8)
    rows = []
    for key in ITEMS:
        inputs = tokens(tokenizer, texts.EMBEDDERS[key])
        states = model(**inputs).last_hidden_state
        rows.append(row(f"states/{key}", key, inputs, states))
        for mode in POOLINGS:
            rows.append(row(f"{mode}/{key}", key, inputs, pooled(states, inputs, mode)))
        rows.append(row(f"cls,mean/{key}", key, inputs, pooled(states, inputs, ("cls", "mean"))))
    write(golden, header("bert") | {"items": rows})


def distil(folder: Path, source: Path, golden: Path) -> None:
    start(folder, source)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = DistilBertConfig(
        vocab_size=len(tokenizer), dim=HIDDEN, n_layers=1, n_heads=2, hidden_dim=32,
        max_position_embeddings=LENGTH, attn_implementation="eager", architectures=["DistilBertModel"],
    )  # fmt: skip
    model = spread(DistilBertModel(config).eval())
    dense = torch.nn.Linear(HIDDEN, 12).eval()
    config.save_pretrained(folder)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 48, "do_lower_case": False})
    modules = ("Transformer", ""), ("Pooling", "1_Pooling"), ("Dense", "2_Dense")
    write_json(
        folder / "modules.json",
        [
            {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{name}"}
            for index, (name, path) in enumerate(modules)
        ],
    )
    whole = Distil(model, dense)
    path = folder / "onnx" / "model.onnx"
    names = {"token_embeddings": 3, "sentence_embedding": 2}
    export(whole, path, ["input_ids", "attention_mask"], names, torch.int32)
    rows = []
    for key in ITEMS:
        inputs = tokens(tokenizer, texts.EMBEDDERS[key], 48)
        states, vector = whole(inputs["input_ids"], inputs["attention_mask"])
        rows += [row(f"states/{key}", key, inputs, states), row(f"sentence/{key}", key, inputs, vector)]
    write(golden, header("distil") | {"items": rows})


def xlmr(folder: Path, source: Path, golden: Path) -> None:
    start(folder, source)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer), hidden_size=HIDDEN, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=LENGTH + 2, type_vocab_size=1, num_labels=1,
        pad_token_id=1, bos_token_id=0, eos_token_id=2, attn_implementation="eager",
        architectures=["XLMRobertaForSequenceClassification"],
    )  # fmt: skip
    model = spread(XLMRobertaForSequenceClassification(config).eval())
    config.save_pretrained(folder)
    inputs = ["input_ids", "attention_mask", "position_ids"]
    export(Reranker(model), folder / "model.onnx", inputs, {"logits": 2})
    rows = []
    for key, (text, pair) in list(texts.PAIRS.items())[:12]:
        pairs = tokenizer(
            [text], [pair], return_tensors="pt", truncation="longest_first", max_length=LENGTH
        )
        # Without position_ids, so that the library counts them.
        logits = model(input_ids=pairs["input_ids"], attention_mask=pairs["attention_mask"]).logits[0]
        ids = pairs["input_ids"][0].tolist()
        rows.append({"name": key, "text": text, "pair": pair, "ids": ids, "logits": numbers(logits)})
    write(golden, header("xlmr") | {"items": rows})


def start(folder: Path, source: Path) -> None:
    """A folder with the tokenizer of another model and nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "onnx").mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(source / name, folder / name)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    write_json(folder / "tokenizer_config.json", config | {"model_max_length": LENGTH})


def spread(model: torch.nn.Module) -> torch.nn.Module:
    """Larger weights than a fresh model's, so that tokens and neighbours matter."""
    for name, weight in model.named_parameters():
        if weight.dim() == 2:
            torch.nn.init.normal_(weight, std=0.5 if "embeddings" in name else 0.3)
    return model


def export(module: torch.nn.Module, path: Path, inputs: list[str], outputs: dict[str, int], kind=torch.int64):
    path.parent.mkdir(exist_ok=True)
    values = {name: torch.ones(2, 7, dtype=kind) for name in inputs}
    if "position_ids" in values:
        values["position_ids"] = torch.arange(2, 9, dtype=kind).repeat(2, 1)
    axes = {name: {0: "batch", 1: "sequence"} for name in inputs}
    axes |= {name: {0: "batch", 1: "sequence"} if rank == 3 else {0: "batch"} for name, rank in outputs.items()}
    torch.onnx.export(
        module.eval(), tuple(values.values()), str(path), input_names=inputs, output_names=list(outputs),
        dynamic_axes=axes, opset_version=OPSET, dynamo=False,
    )  # fmt: skip


def tokens(tokenizer, text: str, limit: int = LENGTH) -> dict[str, torch.Tensor]:
    inputs = tokenizer([text], return_tensors="pt", truncation=True, max_length=limit, padding=False)
    return {name: value for name, value in inputs.items()}


def pooled(states: torch.Tensor, inputs: dict, mode) -> torch.Tensor:
    features = {"token_embeddings": states, "attention_mask": inputs["attention_mask"]}
    return Pooling(HIDDEN, pooling_mode=mode)(features)["sentence_embedding"]


def row(name: str, key: str, inputs: dict, values: torch.Tensor) -> dict:
    ids = inputs["input_ids"][0].tolist()
    return {"name": name, "text": texts.EMBEDDERS[key], "ids": ids, "vector": encode(values[0].numpy().ravel())}


def header(name: str) -> dict:
    libraries = ("torch", "transformers", "sentence-transformers", "onnxruntime", "onnx")
    return {"model": name, "libraries": {library: version(library) for library in libraries}}


def write_json(path: Path, value: dict | list) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
