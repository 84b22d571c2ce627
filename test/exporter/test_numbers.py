"""Exports against the numpy reference: every architecture, head, pooling and dense layer."""

import numpy as np
import onnx
import pytest
from small_models import export, make_config, random_samples, truth

from quadrate_export import layout as layouts
from quadrate_export import verify

LENGTHS = [1, 2, 3, 7, 16, 31, 60]
TRANSFORMER_POOLING = ["Transformer", "Pooling"]


def compare(directory, out, config, limit, **options):
    """Alone and in a padded batch; returns the manifest."""
    content, _ = export(directory, out, **options)
    layout = layouts.parse(config)
    session = verify.open_session(out / "model.onnx")
    samples = random_samples(config, LENGTHS)
    expected = truth(directory, samples)
    alone = np.concatenate([verify.run(session, layout, [sample]) for sample in samples])
    together = verify.run(session, layout, samples)
    assert alone.dtype == np.float32 and alone.shape == expected.shape
    np.testing.assert_allclose(alone, expected, atol=limit, rtol=0)
    np.testing.assert_allclose(together, alone, atol=1e-5, rtol=0)
    assert np.ptp(expected, axis=0).max() > 0.1, "outputs that hardly differ would show nothing"
    return content


@pytest.mark.parametrize("model_type", ["bert", "roberta", "xlm-roberta"])
@pytest.mark.parametrize("labels", [0, 1, 3])
def test_architectures_and_heads(make_model, tmp_path, model_type, labels):
    head = "ForSequenceClassification" if labels else "Model"
    config = make_config(model_type, head, labels)
    prefix = "" if not labels else "bert." if model_type == "bert" else "roberta."
    content = compare(make_model(config=config, prefix=prefix), tmp_path / "out", config, 2e-5)
    assert content["architecture"] == model_type
    assert content["task"] == {0: "embed", 1: "rerank", 3: "classify"}[labels]
    assert content["dimensions"] == (labels or 32)
    assert content["output"] == ("logits" if labels else "sentence_embedding")
    assert len(content["inputs"]) == (3 if model_type == "bert" else 2)


@pytest.mark.parametrize(
    "flag", ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "lasttoken"]
)
def test_poolings(make_model, tmp_path, flag):
    config = make_config()
    directory = make_model(config=config, modules=TRANSFORMER_POOLING, pooling={f"pooling_mode_{flag}": True})
    compare(directory, tmp_path / "out", config, 2e-5)


@pytest.mark.parametrize("pooling", ["cls_token", "mean_tokens", "lasttoken"])
@pytest.mark.parametrize("bias", [True, False])
def test_dense(make_model, tmp_path, pooling, bias):
    config = make_config("xlm-roberta")
    directory = make_model(
        config=config,
        modules=["Transformer", "Pooling", "Dense", "Dense", "Normalize"],
        pooling={f"pooling_mode_{pooling}": True},
        dense=[
            {
                "in_features": 32,
                "out_features": 24,
                "bias": bias,
                "activation": "torch.nn.modules.activation.Tanh",
            },
            {"in_features": 24, "out_features": 40, "bias": not bias},
        ],
    )
    name = {"cls_token": "cls", "mean_tokens": "mean", "lasttoken": "last"}[pooling]
    content = compare(directory, tmp_path / "out", config, 2e-5)
    assert content["dimensions"] == 40
    assert content["modules"] == [name, "dense", "dense", "normalize"]
    assert content["pooling"] == name and content["normalize"] is True


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "relu"])
def test_activations(make_model, tmp_path, activation):
    config = make_config(hidden_act=activation)
    compare(make_model(config=config), tmp_path / "out", config, 2e-5)
    operators = [node.op_type for node in onnx.load(tmp_path / "out/model.onnx").graph.node]
    expected = {"gelu": "BiasGelu", "relu": "Relu"}.get(activation, "FastGelu")
    assert operators.count(expected) == config["num_hidden_layers"]


def test_tanh_gelu_is_not_exact_gelu(make_model):
    samples = random_samples(make_config(), [12])
    exact = truth(make_model("exact"), samples)
    tanh = truth(make_model("tanh", config=make_config(hidden_act="gelu_new")), samples)
    assert 1e-5 < np.abs(exact - tanh).max() < 1e-2


@pytest.mark.parametrize("model_type", ["bert", "xlm-roberta"])
@pytest.mark.parametrize("types", [1, 2])
def test_token_types(make_model, tmp_path, model_type, types):
    config = make_config(model_type, type_vocab_size=types)
    content = compare(make_model(config=config), tmp_path / "out", config, 2e-5)
    assert ("token_type_ids" in content["inputs"]) == (types == 2)


def test_roberta_positions_skip_padding_ids_inside_a_text(make_model, tmp_path):
    config = make_config("xlm-roberta")
    directory = make_model(config=config)
    export(directory, tmp_path / "out")
    session = verify.open_session(tmp_path / "out/model.onnx")
    samples = random_samples(config, [9])
    samples[0].ids[4] = config["pad_token_id"]
    got = verify.run(session, layouts.parse(config), samples)
    np.testing.assert_allclose(got, truth(directory, samples), atol=2e-5, rtol=0)


def test_longest_input_fits_the_position_table(make_model, tmp_path):
    config = make_config("xlm-roberta")
    directory = make_model(config=config)
    content, _ = export(directory, tmp_path / "out")
    assert content["max_length"] == 80 - 2
    session = verify.open_session(tmp_path / "out/model.onnx")
    samples = random_samples(config, [78])
    got = verify.run(session, layouts.parse(config), samples)
    np.testing.assert_allclose(got, truth(directory, samples), atol=2e-5, rtol=0)


@pytest.mark.parametrize("pooling", ["cls_token", "mean_tokens", "max_tokens", "lasttoken"])
@pytest.mark.parametrize("variant", ["fp32", "fp16", "int8", "trt"])
def test_a_row_of_padding_gives_no_nan_and_changes_no_other(make_model, tmp_path, pooling, variant):
    config = make_config()
    directory = make_model(
        config=config, modules=TRANSFORMER_POOLING, pooling={f"pooling_mode_{pooling}": True}
    )
    content, _ = export(directory, tmp_path / "out", variants=(variant,))
    session = verify.open_session(tmp_path / "out" / content["variants"][variant]["file"])
    ids = np.random.default_rng(0).integers(5, 1000, (3, 12))
    mask = np.ones_like(ids)
    mask[1] = 0
    feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    full = session.run(None, feeds)[0]
    without = session.run(None, {name: value[[0, 2]] for name, value in feeds.items()})[0]
    assert np.isfinite(full).all()
    np.testing.assert_allclose(full[[0, 2]], without, atol=1e-5, rtol=0)


def test_masked_tokens_do_not_count_however_large_the_scores(make_model, tmp_path):
    """A mask of -10000 would be too small here: scores reach tens of thousands."""
    config = make_config()
    directory = make_model(config=config)
    grow_attention(directory, 20_000)
    export(directory, tmp_path / "out")
    session = verify.open_session(tmp_path / "out/model.onnx")
    layout = layouts.parse(config)
    samples = random_samples(config, [4, 40])
    alone = verify.run(session, layout, samples[:1])
    padded = verify.run(session, layout, samples)[:1]
    np.testing.assert_allclose(padded, alone, atol=1e-5, rtol=0)


def grow_attention(directory, factor):
    from safetensors.numpy import load_file, save_file

    path = directory / "model.safetensors"
    tensors = {name: tensor.copy() for name, tensor in load_file(path).items()}
    for name in tensors:
        if "query.weight" in name:
            tensors[name] *= factor
    save_file(tensors, path)
