"""The model folder: manifest, merging, idempotence, atomicity, external data, the fusion gate."""

import hashlib
import json
import os

import numpy as np
import onnx
import pytest
from safetensors.numpy import load_file, save_file
from small_models import TESTDATA, export, make_config, truth

from quadrate_export import export as export_module
from quadrate_export import layout as layouts
from quadrate_export import parts, verify
from quadrate_export.build import build
from quadrate_export.checkpoint import Checkpoint
from quadrate_export.errors import ExportError
from quadrate_export.graph import PROTOBUF_LIMIT
from quadrate_export.modules import Modules
from quadrate_export.source import Source
from quadrate_export.weights import RandomWeights

KEYS = {
    "format": int,
    "source": str,
    "revision": str,
    "created": str,
    "architecture": str,
    "task": str,
    "layers": int,
    "dimensions": int,
    "max_length": int,
    "vocab_size": int,
    "pad_id": int,
    "inputs": list,
    "output": str,
    "pooling": str,
    "modules": list,
    "normalize": bool,
    "prompts": dict,
    "default_prompt": str,
    "labels": list,
    "problem_type": str,
    "activation": str,
    "opset": int,
    "tools": dict,
    "input_sha256": str,
    "variants": dict,
    "files": list,
    "reference": list,
}


def read(out):
    return json.loads((out / "quadrate.json").read_text(encoding="utf-8"))


def test_manifest(make_model, tmp_path):
    out = tmp_path / "out"
    content, _ = export(make_model(), out, source=Source(tmp_path / "model", "team/name", "abc"))
    assert {key: type(value) for key, value in content.items()} == KEYS
    assert (content["format"], content["source"], content["revision"]) == (1, "team/name", "abc")
    assert (content["layers"], content["vocab_size"], content["pad_id"], content["opset"]) == (2, 1400, 0, 17)
    assert content["created"].endswith("Z") and len(content["created"]) == 20
    assert {"quadrate_export", "onnx", "numpy", "safetensors", "python"} <= set(content["tools"])
    variant = content["variants"]["fp32"]
    assert variant["file"] == "model.onnx" and variant["files"] == ["model.onnx"]
    assert variant["attention_nodes"] == 2 and variant["passed"] is True
    assert variant["tolerance"] == {"max_abs": 1e-5, "min_cosine": 0.99999}
    assert 0 <= variant["measured"]["max_abs"] <= 1e-5
    assert str(tmp_path) not in (out / "quadrate.json").read_text()


def test_manifest_lists_every_file_with_its_digest(make_model, tmp_path):
    out = tmp_path / "out"
    content, _ = export(make_model(), out)
    paths = sorted(path.name for path in out.iterdir() if path.name != "quadrate.json")
    assert [entry["path"] for entry in content["files"]] == paths
    assert {"model.onnx", "tokenizer.json", "config.json"} <= set(paths)
    for entry in content["files"]:
        data = (out / entry["path"]).read_bytes()
        assert entry["bytes"] == len(data) and entry["sha256"] == hashlib.sha256(data).hexdigest()


def test_references_are_the_numpy_outputs_of_the_tokenizers_ids(make_model, tmp_path):
    directory = make_model()
    content, _ = export(directory, tmp_path / "out")
    tokenizer = export_module.samples.load_tokenizer(directory / "tokenizer.json")
    assert 6 <= len(content["reference"]) <= 8
    rows = []
    for entry in content["reference"]:
        assert "pair" not in entry
        assert entry["ids"] == tokenizer.encode(entry["text"]).ids
        assert len(entry["type_ids"]) == len(entry["ids"])
        rows.append(export_module.samples.Sample(entry["text"], None, entry["ids"], entry["type_ids"]))
    expected = truth(directory, rows)
    np.testing.assert_allclose(
        [entry["output"] for entry in content["reference"]], expected, rtol=1e-6, atol=1e-7
    )
    lengths = [len(entry["ids"]) for entry in content["reference"]]
    assert min(lengths) < 6 and max(lengths) > 40


def test_references_of_rerankers_are_pairs(make_model, tmp_path):
    config = make_config("xlm-roberta", "ForSequenceClassification", 1, max_position_embeddings=200)
    content, _ = export(make_model(config=config, prefix="roberta."), tmp_path / "out")
    for entry in content["reference"]:
        assert entry["pair"] and entry["ids"].count(2) == 3 and len(entry["output"]) == 1
    assert content["variants"]["fp32"]["tolerance"].keys() == {"max_abs"}


def test_exporting_again_changes_nothing_and_says_so(make_model, tmp_path):
    directory, out = make_model(), tmp_path / "out"
    export(directory, out)
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in out.iterdir()}
    lines = []
    request = export_module.Request(source=Source(directory, "team/model", ""), out=out)
    result = export_module.Exporter(request, lines.append).run()
    assert (result.made, result.kept) == ([], ["fp32"])
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in out.iterdir()} == before


def test_force_writes_again(make_model, tmp_path):
    directory, out = make_model(), tmp_path / "out"
    export(directory, out)
    data, inode = (out / "model.onnx").read_bytes(), (out / "model.onnx").stat().st_ino
    export(directory, out, force=True)
    assert (out / "model.onnx").stat().st_ino != inode and (out / "model.onnx").read_bytes() == data


def test_a_second_variant_is_merged(make_model, tmp_path):
    directory, out = make_model(), tmp_path / "out"
    first, _ = export(directory, out)
    (out / "notes.txt").write_text("mine")
    data = (out / "model.onnx").read_bytes()
    second, _ = export(directory, out, variants=("int8",))
    assert list(second["variants"]) == ["fp32", "int8"]
    assert second["variants"]["fp32"] == first["variants"]["fp32"]
    assert second["created"] == first["created"] and second["reference"] == first["reference"]
    assert (out / "model.onnx").read_bytes() == data and (out / "notes.txt").read_text() == "mine"
    assert {"model.onnx", "model_int8.onnx"} <= {entry["path"] for entry in second["files"]}


@pytest.mark.parametrize("damage", ["change", "delete"])
def test_a_damaged_file_is_made_again(make_model, tmp_path, damage):
    directory, out = make_model(), tmp_path / "out"
    export(directory, out, variants=("fp32", "fp16"))
    path = out / "model.onnx"
    data = path.read_bytes()
    if damage == "change":
        path.write_bytes(b"\0" * len(data))
    else:
        path.unlink()
    content, _ = export(directory, out)
    assert path.read_bytes() == data and list(content["variants"]) == ["fp32", "fp16"]


def test_a_damaged_tokenizer_is_made_again(make_model, tmp_path):
    directory, out = make_model(), tmp_path / "out"
    export(directory, out)
    (out / "tokenizer.json").write_text("{}")
    _, lines = export(directory, out)
    assert any("damaged" in line for line in lines)
    assert (out / "tokenizer.json").read_bytes() == (directory / "tokenizer.json").read_bytes()


def test_another_input_replaces_the_folder(make_model, tmp_path):
    out = tmp_path / "out"
    export(make_model("one", seed=1), out, variants=("fp32", "fp16"))
    content, lines = export(make_model("two", seed=2), out)
    assert list(content["variants"]) == ["fp32"] and not (out / "model_fp16.onnx").exists()
    assert any("replaced" in line for line in lines)


def test_a_folder_of_something_else_is_left_alone(make_model, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("precious")
    with pytest.raises(ExportError, match="not empty"):
        export(make_model(), out)
    assert (out / "thesis.txt").read_text() == "precious"
    with pytest.raises(ExportError, match="not a folder"):
        export(make_model("other"), out / "thesis.txt")


@pytest.mark.parametrize("existing", [False, True])
def test_a_failure_leaves_the_target_as_it_was(make_model, tmp_path, monkeypatch, existing):
    directory, out = make_model(), tmp_path / "out"
    if existing:
        export(directory, out)

    def fail(*_):
        raise ExportError("disk on fire")

    monkeypatch.setattr(export_module.manifest, "write", fail)
    with pytest.raises(ExportError, match="disk on fire"):
        export(directory, out, variants=("int8",))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"] + ["out"] * existing
    if existing:
        assert list(read(out)["variants"]) == ["fp32"] and not (out / "model_int8.onnx").exists()


def test_files_in_use_are_never_written_into(make_model, tmp_path, monkeypatch):
    directory, out = make_model(), tmp_path / "out"
    export(directory, out)
    (out / "model.onnx").write_bytes(b"damaged")
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def fail(*_):
        raise OSError("no rename")

    monkeypatch.setattr(export_module.folder, "replace", fail)
    with pytest.raises(OSError, match="no rename"):
        export(directory, out, variants=("fp32", "int8"))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_weights_beside_the_graph(make_model, tmp_path):
    directory = make_model()
    inline, outside = tmp_path / "inline", tmp_path / "outside"
    export(directory, inline)
    content, _ = export(directory, outside, inline_limit=1000)
    assert content["variants"]["fp32"]["files"] == ["model.onnx", "model.onnx_data"]
    assert {"model.onnx", "model.onnx_data"} <= {entry["path"] for entry in content["files"]}
    assert (outside / "model.onnx").stat().st_size < 60_000 < (outside / "model.onnx_data").stat().st_size
    model = onnx.load(outside / "model.onnx", load_external_data=False)
    entries = [
        {item.key: item.value for item in tensor.external_data}
        for tensor in model.graph.initializer
        if tensor.data_location == onnx.TensorProto.EXTERNAL
    ]
    assert len(entries) >= 10
    assert all(
        entry["location"] == "model.onnx_data" and int(entry["offset"]) % 4096 == 0 for entry in entries
    )
    one, other = (onnx.load(folder / "model.onnx") for folder in (inline, outside))
    for left, right in zip(one.graph.initializer, other.graph.initializer, strict=True):
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(left), onnx.numpy_helper.to_array(right))


def test_the_limit_is_below_what_a_protobuf_holds():
    assert 2**31 - 2**26 < PROTOBUF_LIMIT < 2**31


@pytest.mark.parametrize("variant", ["fp32", "fp16", "int8"])
def test_the_gate_fails_when_attention_is_missing(make_model, tmp_path, variant):
    config = make_config()
    content, _ = export(make_model(config=config), tmp_path / "out", variants=(variant,))
    path = tmp_path / "out" / content["variants"][variant]["file"]
    layout = layouts.parse(config)
    assert verify.check_structure(path, layout) == 2
    model = onnx.load(path)
    node = next(node for node in model.graph.node if node.op_type.endswith("Attention"))
    node.op_type = "Identity"
    onnx.save(model, path)
    with pytest.raises(ExportError, match="1 fused attention operators for 2 layers"):
        verify.check_structure(path, layout)


def test_an_export_without_fused_attention_fails(make_model, tmp_path, monkeypatch):
    monkeypatch.setattr(verify, "ATTENTION_OPS", ("PackedAttention",))
    with pytest.raises(ExportError, match="0 fused attention operators for 2 layers"):
        export(make_model(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_export_that_is_off_the_reference_fails(make_model, tmp_path, monkeypatch):
    right = export_module.Reference.vectors
    monkeypatch.setattr(
        export_module.Reference, "vectors", lambda self, items: [value + 0.01 for value in right(self, items)]
    )
    with pytest.raises(ExportError, match="fp32 is off the reference"):
        export(make_model(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_weights_beyond_float16_are_refused(make_model, tmp_path):
    directory = make_model()
    tensors = dict(load_file(directory / "model.safetensors"))
    name = "encoder.layer.1.intermediate.dense.weight"
    tensors[name] = tensors[name] * np.float32(1e7)
    save_file(tensors, directory / "model.safetensors")
    with pytest.raises(ExportError, match=rf"{name} has values that float16 cannot hold"):
        export(directory, tmp_path / "out", variants=("fp16",))


def test_numbers_that_are_not_finite_never_pass():
    measured = verify.Measured(max_abs=float("nan"), min_cosine=float("nan"), company=0.0)
    assert not parts.within(measured, {"max_abs": 1.0})
    assert not parts.within(measured, {"min_cosine": 0.5})
    with pytest.raises(ExportError):
        verify.check_company(verify.Measured(0, 1, float("nan")), "fp32", layouts.parse(make_config()))


@pytest.mark.parametrize(("variant", "norm"), [("fp32", "LayerNormalization"), ("fp16", "SkipLayerNormalization")])
def test_each_layer_is_of_fused_operators(variant, norm):
    layout = layouts.parse(make_config())
    checkpoint = Checkpoint(layout, RandomWeights(layouts.shapes(layout), 0))
    names = [node.op_type for node in build(checkpoint, Modules(pooling="mean"), variant)._nodes]
    counts = {name: names.count(name) for name in set(names)}
    assert counts["EmbedLayerNormalization"] == 1
    assert (counts["Attention"], counts[norm], counts["BiasGelu"]) == (2, 4, 2)
    assert ("SkipLayerNormalization" in counts) == (variant == "fp16")
    assert counts["MatMul"] == 3 * 2 + 1, "three a layer and the mean"


@pytest.mark.parametrize("pooling", ["cls", "last"])
def test_only_the_pooled_token_passes_the_last_layer(pooling):
    layout = layouts.parse(make_config())
    checkpoint = Checkpoint(layout, RandomWeights(layouts.shapes(layout), 0))
    nodes = build(checkpoint, Modules(pooling=pooling), "fp32")._nodes
    selecting = [node.output[0] for node in nodes if node.op_type in ("Gather", "GatherND")]
    assert selecting == ["encoder.layer.1.attention.selected", "encoder.layer.1.selected"]


def test_fp16_masks_with_what_float16_can_hold(make_model, tmp_path):
    export(make_model(), tmp_path / "out", variants=("fp16",))
    nodes = onnx.load(tmp_path / "out/model_fp16.onnx").graph.node
    values = [
        attribute.f for node in nodes for attribute in node.attribute if attribute.name == "mask_filter_value"
    ]
    assert values == [-65504.0] * 2


@pytest.mark.parametrize("variant", ["fp16", "int8"])
@pytest.mark.parametrize("model", ["bert-mean", "bert-cls", "bert-classify", "xlmr-rerank"])
def test_other_variants(tmp_path, variant, model):
    content, _ = export(TESTDATA / "models" / model, tmp_path / "out", variants=(variant,))
    entry = content["variants"][variant]
    assert entry["file"] == f"model_{variant}.onnx" and entry["measured"]["company"] <= 1e-4
    if variant == "fp16":
        assert entry["passed"] is False and "float16 kernels were not run" in entry["note"]
        graph = onnx.load(tmp_path / "out" / entry["file"]).graph
        words = next(item for item in graph.initializer if "word_embeddings" in item.name)
        assert words.data_type == onnx.TensorProto.FLOAT16
        assert graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    else:
        assert entry["passed"] is True and "note" not in entry


def test_random_model_is_reproducible(tmp_path):
    config = tmp_path / "layout.json"
    config.write_text(json.dumps(make_config("xlm-roberta", "ForSequenceClassification", 1)))
    source = Source(config, "random/layout", "")
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        random = export_module.Random(config, seed)
        content, lines = export(config, tmp_path / name, source=source, random=random)
        assert any("no tokenizer" in line for line in lines)
        assert np.ptp([entry["output"][0] for entry in content["reference"]]) > 0.5
    first, second, third = ((tmp_path / name / "model.onnx").read_bytes() for name in "abc")
    assert first == second != third
    assert sorted(os.listdir(tmp_path / "a")) == ["config.json", "model.onnx", "quadrate.json"]


def test_random_model_takes_tokenizer_and_modules_from_a_directory(tmp_path):
    tokenizer = TESTDATA / "models" / "bert-mean"
    random = export_module.Random(tokenizer / "config.json", 1, tokenizer)
    content, _ = export(tokenizer, tmp_path / "out", random=random)
    assert (tmp_path / "out/tokenizer.json").read_bytes() == (tokenizer / "tokenizer.json").read_bytes()
    assert content["max_length"] == 64 and content["normalize"] is True
    assert content["reference"][0]["text"] == "Hello"


def test_temporary_folders_are_beside_the_target(make_model, tmp_path, monkeypatch):
    seen = []
    write = export_module.manifest.write
    monkeypatch.setattr(
        export_module.manifest, "write", lambda folder, content: (seen.append(folder), write(folder, content))
    )
    export(make_model(), tmp_path / "deep" / "er" / "out")
    assert seen[0].parent == tmp_path / "deep" / "er"
    assert os.listdir(tmp_path / "deep" / "er") == ["out"]
    assert (tmp_path / "deep/er/out").stat().st_mode & 0o777 == 0o755
