"""Reading checkpoints: dtypes, shards, prefixes, old names, and what is refused."""

import json

import numpy as np
import pytest
from small_models import TESTDATA, export, make_config, random_tensors, write_json

from quadrate_export.errors import ExportError
from quadrate_export.weights import RandomWeights, open_directory


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16", "F64"])
def test_dtypes_are_read_exactly(make_model, dtype):
    directory = make_model(dtype=dtype)
    weights = open_directory(directory)
    for name, tensor in random_tensors(make_config(), "", dtype, {}, 0).items():
        got = weights.read(name)
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, tensor.astype(np.float32))


@pytest.mark.parametrize("dtype", ["F16", "BF16"])
def test_half_precision_checkpoints_export(make_model, tmp_path, dtype):
    content, _ = export(make_model(dtype=dtype), tmp_path / "out")
    assert content["variants"]["fp32"]["passed"] is True


def test_shards_give_the_same_file_as_one(make_model, tmp_path):
    export(make_model("one"), tmp_path / "a")
    export(make_model("three", shards=3), tmp_path / "b")
    assert (tmp_path / "a/model.onnx").read_bytes() == (tmp_path / "b/model.onnx").read_bytes()


@pytest.mark.parametrize(
    ("prefix", "rename", "head"),
    [
        ("bert.", {}, "ForMaskedLM"),
        ("bert.", {}, "ForPreTraining"),
        ("", {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}, "Model"),
    ],
)
def test_prefixes_and_old_names(make_model, tmp_path, prefix, rename, head):
    export(make_model("plain"), tmp_path / "a")
    other = make_model("other", config=make_config(head=head), prefix=prefix, rename=rename)
    export(other, tmp_path / "b")
    assert (tmp_path / "a/model.onnx").read_bytes() == (tmp_path / "b/model.onnx").read_bytes()


def refused(directory, tmp_path, *words):
    with pytest.raises(ExportError) as caught:
        export(directory, tmp_path / "out")
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*")), "a failed export leaves nothing behind"


@pytest.mark.parametrize("model_type", ["modernbert", "qwen3", "t5", None])
def test_other_architectures_are_refused(make_model, tmp_path, model_type):
    directory = make_model()
    write_json(directory / "config.json", make_config() | {"model_type": model_type})
    refused(directory, tmp_path, repr(model_type), "bert, roberta, xlm-roberta")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"architectures": ["BertForTokenClassification"]}, ["BertForTokenClassification"]),
        ({"position_embedding_type": "relative_key"}, ["relative_key"]),
        ({"hidden_act": "silu"}, ["hidden_act", "silu"]),
        ({"is_decoder": True}, ["is_decoder"]),
        ({"num_attention_heads": 5}, ["num_attention_heads"]),
        ({"intermediate_size": 64}, ["does not fit", "intermediate.dense.weight", "[48, 32]", "[64, 32]"]),
        ({"num_hidden_layers": 3}, ["encoder.layer.2.attention.self.query.weight is missing", "more"]),
        ({"vocab_size": None}, ["does not fit", "word_embeddings"]),
    ],
)
def test_configurations_that_are_refused(make_model, tmp_path, changes, words):
    directory = make_model()
    write_json(directory / "config.json", make_config() | changes)
    refused(directory, tmp_path, *words)


def test_a_missing_size_is_named(make_model, tmp_path):
    directory = make_model()
    config = make_config()
    del config["intermediate_size"]
    write_json(directory / "config.json", config)
    refused(directory, tmp_path, "intermediate_size")


def test_pickled_weights_are_refused(make_model, tmp_path):
    directory = make_model()
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    refused(directory, tmp_path, "pytorch_model.bin", "safetensors")


def test_missing_weights_shards_and_tokenizer(make_model, tmp_path):
    directory = make_model("a")
    (directory / "model.safetensors").unlink()
    refused(directory, tmp_path, "no model.safetensors")
    directory = make_model("b", shards=2)
    (directory / "model-00002-of-00002.safetensors").unlink()
    refused(directory, tmp_path, "model-00002-of-00002.safetensors")
    directory = make_model("c")
    (directory / "tokenizer.json").unlink()
    refused(directory, tmp_path, "tokenizer.json")


def test_damaged_files_are_named(make_model, tmp_path):
    directory = make_model("short")
    data = (directory / "model.safetensors").read_bytes()
    (directory / "model.safetensors").write_bytes(data[:-10])
    refused(directory, tmp_path, "model.safetensors")
    directory = make_model("config")
    (directory / "config.json").write_text("{")
    refused(directory, tmp_path, "config.json is not JSON")
    directory = make_model("tokenizer")
    (directory / "tokenizer.json").write_text("{}")
    refused(directory, tmp_path, "tokenizer.json")
    directory = make_model("index", shards=2)
    (directory / "model.safetensors.index.json").write_text('{"weight_map": 3}')
    refused(directory, tmp_path, "index.json")


def test_weights_that_are_not_finite_are_refused(make_model, tmp_path):
    from safetensors.numpy import load_file, save_file

    directory = make_model()
    tensors = dict(load_file(directory / "model.safetensors"))
    name = "encoder.layer.0.output.dense.bias"
    tensors[name] = np.full_like(tensors[name], np.nan)
    save_file(tensors, directory / "model.safetensors")
    refused(directory, tmp_path, "not finite")


def test_a_tokenizer_larger_than_the_vocabulary_is_refused(make_model, tmp_path):
    refused(make_model(config=make_config(vocab_size=300)), tmp_path, "vocab_size 300")


def test_random_weights_depend_on_seed_and_name_only():
    shapes = {"a.weight": (4, 6), "b.weight": (4, 6)}
    one, again = RandomWeights(shapes, 1), RandomWeights({"a.weight": (4, 6)}, 1)
    np.testing.assert_array_equal(one.read("a.weight"), again.read("a.weight"))
    assert not np.array_equal(one.read("a.weight"), one.read("b.weight"))
    assert not np.array_equal(one.read("a.weight"), RandomWeights(shapes, 2).read("a.weight"))


def test_committed_models_fit_their_configs():
    for config in sorted((TESTDATA / "models").glob("*/config.json")):
        assert json.loads(config.read_text())["architectures"], config
        assert sum(path.stat().st_size for path in config.parent.rglob("*") if path.is_file()) < 600_000
