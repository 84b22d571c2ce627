"""Architectures of transformers against transformers itself, through the written files."""

import numpy as np
import onnx
import pytest
import torch
from exported import export, run
from tiny_transformers import MODERNBERT, QWEN3, SIZES, qwen_tokenizer
from tokenizers import Tokenizer
from transformers import AutoModel, AutoModelForSequenceClassification

LIMIT = 1e-4
DISTILBERT = {"dim": 32, "hidden_dim": 48, "n_layers": 2, "n_heads": 4, "max_position_embeddings": 320}
DEBERTA = SIZES | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 32}
GEMMA3 = QWEN3 | {"sliding_window": 16, "use_bidirectional_attention": True, "num_hidden_layers": 6}

# Model type, sizes, layers that must be fused.
EMBEDDERS = [
    ("modernbert", MODERNBERT, 3),
    ("gte", SIZES, 2),
    ("nomic_bert", SIZES, 2),
    ("jina_embeddings_v3", SIZES, 2),
    ("eurobert", SIZES | {"num_key_value_heads": 4, "head_dim": 8}, 2),
    ("mpnet", SIZES, 2),
    ("distilbert", DISTILBERT, 2),
    ("electra", SIZES | {"embedding_size": 16}, 2),
    ("camembert", SIZES, 2),
    ("albert", SIZES | {"embedding_size": 16}, 2),
    ("rembert", SIZES | {"input_embedding_size": 16}, 2),
    ("qwen3", QWEN3, 2),
    ("gemma3_text", GEMMA3, 6),
    ("roformer", SIZES, 0),
    ("deberta-v2", DEBERTA, 0),
    ("gemma2", QWEN3, 0),  # caps the scores of attention, which the operator does not
]


def inputs(folder, count: int = 5, seed: int = 0) -> list[list[int]]:
    """Rows of 1 to 90 tokens, longer than any window of local attention here."""
    vocabulary = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size()
    rng = np.random.default_rng(seed)
    return [rng.integers(5, vocabulary - 5, length).tolist() for length in (90, 1, 2, 17, 41)[:count]]


def states(model, row: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        return model(input_ids=torch.tensor([row])).last_hidden_state[0]


@pytest.mark.parametrize(("kind", "sizes", "fused"), EMBEDDERS, ids=[item[0] for item in EMBEDDERS])
def test_embedders_equal_transformers(make, kind, sizes, fused):
    directory = make(kind, sizes, pooling="mean")
    folder, manifest, lines = export(directory)
    variant = manifest["variants"]["fp32"]
    assert variant["attention_nodes"] == fused
    assert ("note" in variant) == (fused == 0) == any("not fused" in line for line in lines)
    model = AutoModel.from_pretrained(directory, dtype=torch.float32).eval()
    rows = inputs(folder)
    want = np.stack([states(model, row).mean(0).numpy() for row in rows])
    together = run(folder, rows)
    alone = np.concatenate([run(folder, [row]) for row in rows])
    print(f"{kind}: {np.abs(together - want).max():.1e} to transformers")
    assert np.abs(together - want).max() <= LIMIT
    assert np.abs(together - alone).max() <= 1e-5


@pytest.mark.parametrize("pooling", ["cls", "last", "max", "mean"])
def test_pooling_and_dense_layers(make, pooling):
    directory = make("modernbert", MODERNBERT, pooling=pooling, dense=24)
    folder, manifest, _ = export(directory)
    assert manifest["dimensions"] == 24
    assert manifest["modules"] == [pooling, "dense", "normalize"]
    model = AutoModel.from_pretrained(directory, dtype=torch.float32).eval()
    from safetensors.torch import load_file

    dense = load_file(directory / "2_Dense" / "model.safetensors")
    rows = inputs(folder)
    picked = {
        "cls": lambda s: s[0],
        "last": lambda s: s[-1],
        "max": lambda s: s.max(0).values,
        "mean": lambda s: s.mean(0),
    }
    pooled = torch.stack([picked[pooling](states(model, row)) for row in rows])
    want = torch.tanh(pooled @ dense["linear.weight"].T + dense["linear.bias"]).numpy()
    assert np.abs(run(folder, rows) - want).max() <= LIMIT


def test_qwen3_embedder_ends_texts_and_pools_the_last_token(make):
    prompts = {"query": "Instruct: find\nQuery:", "document": ""}
    directory = make(
        "qwen3",
        QWEN3,
        head="ForCausalLM",
        pooling="last",
        tokenizer=qwen_tokenizer(end=True),
        prompts=prompts,
    )
    folder, manifest, _ = export(directory)
    end = Tokenizer.from_file(str(folder / "tokenizer.json")).token_to_id("<|endoftext|>")
    assert manifest["task"] == "embed" and manifest["pooling"] == "last" and manifest["normalize"]
    assert manifest["prompts"] == {"query": "Instruct: find\nQuery:"}
    assert all(item["ids"][-1] == end for item in manifest["reference"])
    nodes = [
        node for node in onnx.load(folder / "model.onnx").graph.node if node.op_type == "MultiHeadAttention"
    ]
    assert len(nodes) == 2
    for node in nodes:
        # No mask: the causal order hides padding on the right, and kernels are fastest without one.
        assert len(node.input) == 3
        assert {item.name: item for item in node.attribute}["unidirectional"].i == 1


@pytest.mark.parametrize(
    ("kind", "sizes"), [("modernbert", MODERNBERT), ("electra", SIZES), ("deberta-v2", DEBERTA)]
)
@pytest.mark.parametrize("labels", [1, 3])
def test_classifiers_equal_transformers(make, kind, sizes, labels):
    directory = make(kind, sizes, head="ForSequenceClassification", pooling=None, num_labels=labels)
    folder, manifest, _ = export(directory)
    assert manifest["task"] == ("rerank" if labels == 1 else "classify")
    assert manifest["output"] == "logits" and len(manifest["labels"]) == labels
    model = AutoModelForSequenceClassification.from_pretrained(directory, dtype=torch.float32).eval()
    rows = inputs(folder)
    with torch.inference_mode():
        want = np.stack([model(input_ids=torch.tensor([row])).logits[0].numpy() for row in rows])
    assert np.abs(run(folder, rows) - want).max() <= LIMIT


def test_token_types_reach_the_model(make):
    directory = make("electra", SIZES, head="ForSequenceClassification", pooling=None, num_labels=1)
    folder, manifest, _ = export(directory)
    assert manifest["inputs"] == ["input_ids", "attention_mask", "token_type_ids"]
    row = inputs(folder, 1)[0]
    types = [int(place > 40) for place in range(len(row))]
    model = AutoModelForSequenceClassification.from_pretrained(directory, dtype=torch.float32).eval()
    with torch.inference_mode():
        want = model(input_ids=torch.tensor([row]), token_type_ids=torch.tensor([types])).logits.numpy()
    got = run(folder, [row], types=[types])
    assert np.abs(got - want).max() <= LIMIT
    assert np.abs(got - run(folder, [row])).max() > 1e-3


def test_fp16_is_near_and_not_passed(make):
    directory = make("qwen3", QWEN3, pooling="last", tokenizer=qwen_tokenizer(end=True))
    folder, manifest, _ = export(directory, variants=("fp32", "fp16"))
    assert manifest["variants"]["fp32"]["passed"]
    half = manifest["variants"]["fp16"]
    assert not half["passed"] and half["note"] and half["attention_nodes"] == 2
    weights = onnx.load(folder / half["file"]).graph.initializer
    large = [tensor for tensor in weights if np.prod(tensor.dims) > 500]
    assert large and all(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in large)
    rows = inputs(folder)
    full, low = run(folder, rows), run(folder, rows, "fp16")
    assert low.dtype == np.float32
    cosine = (full * low).sum(1) / np.linalg.norm(full, axis=1) / np.linalg.norm(low, axis=1)
    assert cosine.min() > 0.999
    assert np.abs(full - low).max() > 0


def test_weights_above_the_limit_stand_beside_the_file(make):
    directory = make("modernbert", MODERNBERT)
    folder, manifest, _ = export(directory, inline_limit=1000)
    assert manifest["variants"]["fp32"]["files"] == ["model.onnx", "model.onnx_data"]
    whole, _, _ = export(directory, directory.with_name("whole"))
    rows = inputs(folder)
    assert np.array_equal(run(folder, rows), run(whole, rows))
