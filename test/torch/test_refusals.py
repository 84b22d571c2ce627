"""What the route does not export, and how it says so; resuming; the command."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from exported import export
from quadrate_export.errors import ExportError
from quadrate_export.export import Random
from safetensors.torch import load_file, save_file
from tiny_transformers import MODERNBERT, QWEN3, SIZES

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def change(directory: Path, **values) -> None:
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_int8_is_refused_with_the_reason(make):
    with pytest.raises(ExportError, match="lets texts in a batch change each other"):
        export(make("modernbert", MODERNBERT), variants=("fp32", "int8"))


def test_what_only_the_builder_writes_is_refused(make):
    directory = make("modernbert", MODERNBERT)
    with pytest.raises(ExportError, match="packed, trt cannot be had"):
        export(directory, variants=("fp32", "packed", "trt"))
    with pytest.raises(ExportError, match="--outputs tokens cannot be had"):
        export(directory, tokens=True)


def test_code_of_the_models_own_is_not_run_unasked(make):
    directory = make("modernbert", MODERNBERT)
    (directory / "configuration_own.py").write_text(
        "from transformers import ModernBertConfig\n\nclass OwnConfig(ModernBertConfig):\n    model_type = 'own'\n"
    )
    (directory / "modeling_own.py").write_text(
        "from transformers import ModernBertModel\n"
        "from .configuration_own import OwnConfig\n\n"
        "class OwnModel(ModernBertModel):\n    config_class = OwnConfig\n"
    )
    names = {"AutoConfig": "configuration_own.OwnConfig", "AutoModel": "modeling_own.OwnModel"}
    change(directory, model_type="own", auto_map=names)
    with pytest.raises(ExportError, match="--trust-remote-code runs that code, unchecked"):
        export(directory)
    _, manifest, _ = export(directory, trust_remote_code=True)
    assert manifest["architecture"] == "own"
    assert manifest["variants"]["fp32"]["attention_nodes"] == 3


def test_an_unknown_architecture_is_named(make):
    directory = make("modernbert", MODERNBERT)
    change(directory, model_type="sparkle")
    with pytest.raises(ExportError, match="'sparkle'"):
        export(directory)


def test_a_checkpoint_that_leaves_weights_to_chance_is_refused(make):
    directory = make("modernbert", MODERNBERT)
    tensors = load_file(directory / "model.safetensors")
    del tensors["layers.1.attn.Wqkv.weight"]
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ExportError, match=r"lacks .*layers\.1\.attn\.Wqkv\.weight"):
        export(directory)


@pytest.mark.parametrize(
    ("kind", "message"), [("t5", "encoder with a decoder"), ("vit", "is it a text model")]
)
def test_other_kinds_of_models_are_refused(make, kind, message):
    directory = make("modernbert", MODERNBERT)
    (directory / "config.json").write_text(json.dumps({"model_type": kind}))
    with pytest.raises(ExportError, match=message):
        export(directory)


def test_rotary_embeddings_that_move_are_refused(make):
    rope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    directory = make("qwen3", QWEN3)
    change(directory, rope_parameters=rope)
    with pytest.raises(ExportError, match="type dynamic"):
        export(directory)


def test_learned_positions_limit_the_length(make):
    directory = make("mpnet", SIZES)
    _, manifest, lines = export(directory)
    assert manifest["max_length"] == 320 - 2
    assert any("318" in line for line in lines)


def test_a_task_that_does_not_fit_is_refused(make):
    with pytest.raises(ExportError, match="made for embed"):
        export(make("modernbert", MODERNBERT), task="rerank")
    with pytest.raises(ExportError, match="--instruction is for"):
        export(make("modernbert", MODERNBERT), instruction="Find")


def test_a_second_export_has_nothing_to_do(make):
    directory = make("modernbert", MODERNBERT)
    folder, manifest, _ = export(directory)
    first = (folder / "model.onnx").stat().st_mtime_ns
    _, again, lines = export(directory, variants=("fp32", "fp16"))
    assert (folder / "model.onnx").stat().st_mtime_ns == first
    assert again["reference"] == manifest["reference"]
    assert set(again["variants"]) == {"fp32", "fp16"}
    _, _, lines = export(directory, variants=("fp32", "fp16"))
    assert not any("wrote" in line for line in lines)


def test_random_weights_follow_a_config(make, tmp_path):
    directory = make("modernbert", MODERNBERT)
    config = tmp_path / "shape.json"
    config.write_text((directory / "config.json").read_text())
    random = Random(config, seed=3, tokenizer=directory)
    _, manifest, _ = export(directory, random=random)
    assert manifest["variants"]["fp32"]["attention_nodes"] == 3
    assert (
        manifest["input_sha256"]
        != export(directory, tmp_path / "other", random=Random(config, 4, directory))[1]["input_sha256"]
    )


def test_the_command_takes_the_route_by_itself(make, tmp_path):
    directory = make("modernbert", MODERNBERT)
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    command = [str(SCRIPTS / "export_onnx.sh"), str(directory), "--out", str(tmp_path / "out")]
    result = subprocess.run(
        command,
        env=kept | {"QUADRATE_PYTHON": sys.executable, "QUADRATE_TORCH_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "loaded ModernBertModel" in result.stdout
    assert "Warning" not in result.stderr
    manifest = json.loads((tmp_path / "out" / "quadrate.json").read_text())
    assert {"torch", "transformers"} <= manifest["tools"].keys()
