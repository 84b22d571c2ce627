"""Graphs that answer with the states of tokens: numbers, manifest, merging and shared weights."""

import json

import numpy as np
import onnx
import pytest
from interpreter import Interpreter
from small_models import export, make_config, random_samples, write_model

from quadrate_export import layout as layouts
from quadrate_export import verify
from quadrate_export.arithmetic import VARIANTS
from quadrate_export.checkpoint import Checkpoint
from quadrate_export.errors import ExportError
from quadrate_export.modules import Modules
from quadrate_export.reference import Reference
from quadrate_export.weights import open_directory

CONFIG = make_config("xlm-roberta")
LENGTHS = [3, 1, 40, 12]
LIMITS = {"fp32": 2e-5, "trt": 2e-5, "fp16": 2e-2, "packed": 2e-2, "int8": 0.3}


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """A model with a dense layer after its pooling, exported in every variant with its tokens."""
    folder = tmp_path_factory.mktemp("tokens")
    directory = write_model(
        folder / "model",
        CONFIG,
        modules=["Transformer", "Pooling", "Dense"],
        pooling={"pooling_mode_cls_token": True},
        dense=[{"in_features": 32, "out_features": 24}],
    )
    content, _ = export(directory, folder / "out", variants=VARIANTS, tokens=True)
    return directory, folder / "out", content


def states(directory, samples):
    layout = layouts.parse(CONFIG)
    reference = Reference(Checkpoint(layout, open_directory(directory)), Modules(pooling="mean"))
    return reference.states([(sample.ids, sample.types) for sample in samples])


@pytest.mark.parametrize("variant", VARIANTS)
def test_states_of_every_token(everything, variant):
    directory, out, content = everything
    path = out / content["variants"][variant]["tokens"]["file"]
    session = Interpreter(str(path)) if variant == "packed" else verify.open_session(path)
    samples = random_samples(CONFIG, LENGTHS)
    got = verify.run(session, layouts.parse(CONFIG), samples)
    assert got.dtype == np.float32 and got.shape == (4, 40, 32)
    for row, sample, expected in zip(got, samples, states(directory, samples), strict=True):
        np.testing.assert_allclose(row[: len(sample.ids)], expected, atol=LIMITS[variant], rtol=0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_entry_of_the_manifest(everything, variant):
    _, out, content = everything
    entry = content["variants"][variant]
    tokens = entry["tokens"]
    suffix = "" if variant == "fp32" else f"_{variant}"
    assert tokens["file"] == f"model{suffix}_tokens.onnx" and tokens["files"] == [tokens["file"]]
    assert (tokens["output"], tokens["width"], tokens["attention_nodes"]) == ("token_embeddings", 32, 2)
    assert tokens["passed"] is entry["passed"] and tokens.get("note") == entry.get("note")
    assert tokens["tolerance"] == entry["tolerance"]
    assert set(tokens["measured"]) == ({"max_abs", "min_cosine", "company"} if variant != "packed" else set())
    assert content["format"] == 1 and content["dimensions"] == 24
    assert tokens["file"] in [item["path"] for item in content["files"]]
    graph = onnx.load(out / tokens["file"]).graph
    assert [item.name for item in graph.output] == ["token_embeddings"]
    dims = [dim.dim_param or dim.dim_value for dim in graph.output[0].type.tensor_type.shape.dim]
    assert dims == ["batch", "length", 32]


def test_references_carry_the_first_and_the_last_token(everything):
    directory, _, content = everything
    for entry in content["reference"]:
        length = len(entry["ids"])
        assert [item["index"] for item in entry["tokens"]] == [0, length - 1]
        sample = random_samples(CONFIG, [length])[0]
        sample.ids[:], sample.types[:] = entry["ids"], entry["type_ids"]
        expected = states(directory, [sample])[0][[0, -1]]
        got = [item["state"] for item in entry["tokens"]]
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-7)


def test_without_the_flag_nothing_is_added(make_model, tmp_path):
    content, _ = export(make_model(), tmp_path / "out")
    assert "tokens" not in content["variants"]["fp32"] and "tokens" not in content["reference"][0]
    assert not (tmp_path / "out/model_tokens.onnx").exists()


def test_tokens_are_added_and_stay(make_model, tmp_path):
    directory, out = make_model(), tmp_path / "out"
    plain, _ = export(directory, out)
    inode = (out / "model.onnx").stat().st_ino
    _, lines = export(directory, out, tokens=True)
    assert (out / "model.onnx").stat().st_ino == inode, "what is whole is not made again"
    assert not any(line.startswith("fp32: ") for line in lines)
    content, _ = export(directory, out, variants=("int8",))
    entry = dict(content["variants"]["fp32"])
    assert entry.pop("tokens")["file"] == "model_tokens.onnx" and entry == plain["variants"]["fp32"]
    assert "tokens" not in content["variants"]["int8"] and "tokens" in content["reference"][0]


@pytest.mark.parametrize("damaged", ["model.onnx", "model_tokens.onnx"])
def test_a_damaged_file_is_made_again_with_its_other_kept(make_model, tmp_path, damaged):
    directory, out = make_model(), tmp_path / "out"
    before, _ = export(directory, out, tokens=True)
    data = (out / damaged).read_bytes()
    (out / damaged).write_bytes(b"damaged")
    after, _ = export(directory, out)
    assert (out / damaged).read_bytes() == data
    assert after["variants"] == before["variants"]


def test_weights_beside_the_graph_are_shared(make_model, tmp_path):
    directory, out = make_model(config=CONFIG), tmp_path / "out"
    export(directory, out, inline_limit=1000)
    data = (out / "model.onnx_data").read_bytes()
    content, _ = export(directory, out, inline_limit=1000, tokens=True)
    assert content["variants"]["fp32"]["tokens"]["files"] == ["model_tokens.onnx", "model.onnx_data"]
    assert (out / "model_tokens.onnx").stat().st_size < 60_000
    assert (out / "model.onnx_data").read_bytes() == data
    assert json.dumps(content["files"]).count("model.onnx_data") == 1
    session = verify.open_session(out / "model_tokens.onnx")
    samples = random_samples(CONFIG, LENGTHS)
    got = verify.run(session, layouts.parse(CONFIG), samples)
    np.testing.assert_allclose(got[2], states(directory, samples)[2], atol=2e-5, rtol=0)


@pytest.mark.parametrize("damaged", ["model.onnx", "model.onnx_data"])
def test_shared_weights_that_are_damaged_are_made_again(make_model, tmp_path, damaged):
    directory, out = make_model(), tmp_path / "out"
    before, _ = export(directory, out, inline_limit=1000, tokens=True)
    (out / damaged).write_bytes(b"damaged")
    after, _ = export(directory, out, inline_limit=1000, tokens=True)
    assert after["variants"] == before["variants"] and after["files"] == before["files"]


def test_states_that_are_off_fail_the_export(make_model, tmp_path, monkeypatch):
    right = verify.measure_tokens

    def off(path, layout, samples, expected):
        return right(path, layout, samples, [item[::-1] for item in expected])

    monkeypatch.setattr(verify, "measure_tokens", off)
    with pytest.raises(ExportError, match="fp32 tokens is off the reference"):
        export(make_model(), tmp_path / "out", tokens=True)
    assert not (tmp_path / "out").exists()
