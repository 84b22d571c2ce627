"""The packed variant: its numbers by the interpreter, its structure, and what ONNX Runtime says to it."""

import functools

import numpy as np
import onnx
import pytest
from interpreter import Interpreter
from small_models import export, make_config, random_samples, truth

from quadrate_export import build as build_module
from quadrate_export import layout as layouts
from quadrate_export import verify
from quadrate_export.checkpoint import Checkpoint
from quadrate_export.errors import ExportError
from quadrate_export.modules import Modules
from quadrate_export.packed import Packed
from quadrate_export.weights import RandomWeights

LENGTHS = [7, 1, 31, 2, 60, 3, 16]
FILE = "model_packed.onnx"


@pytest.fixture
def in_float32(monkeypatch):
    """Packs without rounding to float16, so that a wrong row cannot hide in it."""
    monkeypatch.setattr(build_module, "Packed", functools.partial(Packed, dtype=np.float32))


def run_both(path, config):
    """Answers alone and in a padded batch, in the order of LENGTHS."""
    session, layout = Interpreter(str(path)), layouts.parse(config)
    samples = random_samples(config, LENGTHS)
    alone = np.concatenate([verify.run(session, layout, [sample]) for sample in samples])
    return samples, alone, verify.run(session, layout, samples)


def compare(directory, out, config, limit):
    export(directory, out, variants=("packed",))
    samples, alone, together = run_both(out / FILE, config)
    expected = truth(directory, samples)
    assert alone.dtype == np.float32 and alone.shape == expected.shape
    np.testing.assert_allclose(alone, expected, atol=limit, rtol=0)
    np.testing.assert_allclose(together, expected, atol=limit, rtol=0)
    assert np.ptp(expected, axis=0).max() > 0.1, "outputs that hardly differ would show nothing"


@pytest.mark.usefixtures("in_float32")
@pytest.mark.parametrize("model_type", ["bert", "roberta", "xlm-roberta"])
@pytest.mark.parametrize("labels", [0, 1, 3])
def test_architectures_and_heads(make_model, tmp_path, model_type, labels):
    head = "ForSequenceClassification" if labels else "Model"
    config = make_config(model_type, head, labels)
    prefix = "" if not labels else "bert." if model_type == "bert" else "roberta."
    compare(make_model(config=config, prefix=prefix), tmp_path / "out", config, 2e-5)


@pytest.mark.usefixtures("in_float32")
@pytest.mark.parametrize(
    "flag", ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "lasttoken"]
)
def test_poolings(make_model, tmp_path, flag):
    config = make_config(hidden_act="gelu_new")
    pooling = {f"pooling_mode_{flag}": True}
    directory = make_model(config=config, modules=["Transformer", "Pooling"], pooling=pooling)
    compare(directory, tmp_path / "out", config, 2e-5)


def test_float16_is_near(make_model, tmp_path):
    config = make_config("xlm-roberta")
    directory = make_model(config=config)
    content, _ = export(directory, tmp_path / "out", variants=("packed",))
    samples, alone, together = run_both(tmp_path / "out" / FILE, config)
    expected = verify.unit(truth(directory, samples))
    assert (verify.unit(alone) * expected).sum(axis=1).min() > 0.9999
    assert (verify.unit(together) * expected).sum(axis=1).min() > 0.9999
    graph = onnx.load(tmp_path / "out" / FILE).graph
    words = next(item for item in graph.initializer if "word_embeddings" in item.name)
    assert words.data_type == onnx.TensorProto.FLOAT16
    entry = content["variants"]["packed"]
    assert entry["passed"] is False and entry["measured"] == {} and "CUDA only" in entry["note"]
    assert entry["attention_nodes"] == 2 and entry["tolerance"] == {"min_cosine": 0.999}


@pytest.mark.parametrize("pooling", ["cls", "last", "mean", "max"])
def test_a_text_without_tokens_changes_no_other(make_model, tmp_path, pooling):
    config = make_config()
    flag = {"cls": "cls_token", "last": "lasttoken", "mean": "mean_tokens", "max": "max_tokens"}[pooling]
    directory = make_model(
        config=config, modules=["Transformer", "Pooling"], pooling={f"pooling_mode_{flag}": True}
    )
    export(directory, tmp_path / "out", variants=("packed",))
    session = Interpreter(str(tmp_path / "out" / FILE))
    ids = np.random.default_rng(0).integers(5, 1000, (4, 12))
    mask = np.ones_like(ids)
    mask[1], mask[3] = 0, 0
    feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    full = session.run(None, feeds)[0]
    without = session.run(None, {name: value[[0, 2]] for name, value in feeds.items()})[0]
    assert np.isfinite(full).all()
    np.testing.assert_allclose(full[[0, 2]], without, atol=1e-3, rtol=0)


@pytest.mark.parametrize(("pooling", "restored"), [("cls", 0), ("last", 0), ("mean", 1), ("max", 1)])
def test_padding_is_restored_only_where_all_tokens_are_pooled(pooling, restored):
    layout = layouts.parse(make_config())
    checkpoint = Checkpoint(layout, RandomWeights(layouts.shapes(layout), 0))
    nodes = build_module.build(checkpoint, Modules(pooling=pooling), "packed")._nodes
    names = [node.op_type for node in nodes]
    assert names.count("RemovePadding") == 1 and names.count("RestorePadding") == restored
    assert names.count("PackedAttention") == 2 and "Attention" not in names


@pytest.fixture
def packed(make_model, tmp_path):
    export(make_model(), tmp_path / "out", variants=("packed",))
    path = tmp_path / "out" / FILE
    return path, onnx.load(path), layouts.parse(make_config())


def test_the_gate_counts_packed_attention_only(packed):
    path, model, layout = packed
    assert verify.check_packed(path, layout) == 2
    node = next(node for node in model.graph.node if node.op_type == "PackedAttention")
    node.op_type = "Attention"
    onnx.save(model, path)
    with pytest.raises(ExportError, match="1 packed of 2 attention operators for 2 layers"):
        verify.check_packed(path, layout)


def test_onnx_runtime_must_lack_nothing_but_the_packing(packed):
    path, model, layout = packed
    node = next(node for node in model.graph.node if node.op_type == "PackedAttention")
    node.attribute.pop()
    onnx.save(model, path)
    with pytest.raises(ExportError, match="does not load model_packed.onnx.*num_heads"):
        verify.check_packed(path, layout)


def test_types_must_fit(packed):
    path, model, layout = packed
    cast = next(node for node in model.graph.node if node.output[0] == "lengths")
    cast.attribute[0].i = onnx.TensorProto.INT64
    onnx.save(model, path)
    with pytest.raises(ExportError, match="does not load model_packed.onnx.*int64"):
        verify.check_packed(path, layout)
