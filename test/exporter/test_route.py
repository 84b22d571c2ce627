"""Which route a model takes, and that the builder's does without PyTorch."""

import ast
import json
import sys
from pathlib import Path

import pytest
from quadrate_export import route
from test_command import MODEL, SCRIPTS, run


@pytest.fixture
def unknown(tmp_path):
    """The directory of a model that the builder does not know."""
    directory = tmp_path / "model"
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps({"model_type": "modernbert"}))
    return directory


def recorder(tmp_path: Path) -> Path:
    """Stands in for the Python of the other route: prints its arguments."""
    path = tmp_path / "python"
    path.write_text(f"#!{sys.executable}\nimport sys, os\nprint(sys.argv[1:], os.environ['PYTHONPATH'])\n")
    path.chmod(0o755)
    return path


def test_routes(unknown):
    known, other = MODEL / "config.json", unknown / "config.json"
    assert not route.needs_torch(known, "auto")
    assert route.needs_torch(other, "auto")
    assert route.needs_torch(known, "torch")
    assert not route.needs_torch(other, "builder")


@pytest.mark.parametrize("script", [True, False])
def test_an_unknown_architecture_goes_to_pytorch_with_the_same_arguments(unknown, tmp_path, script):
    python = str(recorder(tmp_path))
    arguments = [str(unknown), "--variant", "fp32,fp16", "--out", str(tmp_path / "out")]
    result = run(*arguments, script=script, QUADRATE_TORCH_PYTHON=python)
    assert result.returncode == 0, result.stderr
    assert str(["-m", "quadrate_export_torch", *arguments]) in result.stdout
    assert str(SCRIPTS) in result.stdout


def test_the_routes_can_be_named(unknown, tmp_path):
    python = str(recorder(tmp_path))
    result = run(MODEL, "--route", "torch", "--out", tmp_path / "out", QUADRATE_TORCH_PYTHON=python)
    assert "quadrate_export_torch" in result.stdout
    result = run(unknown, "--route", "builder", "--out", tmp_path / "out", QUADRATE_TORCH_PYTHON=python)
    assert result.returncode == 1
    assert "'modernbert' is not supported" in result.stderr


def test_a_python_that_is_not_there_is_named(unknown, tmp_path):
    result = run(unknown, QUADRATE_TORCH_PYTHON=str(tmp_path / "none"))
    assert result.returncode == 1
    assert result.stderr == f"export_onnx: error: cannot run {tmp_path}/none: No such file or directory\n"


def test_the_builder_needs_no_pytorch():
    for path in sorted((SCRIPTS / "quadrate_export").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & {
                "torch",
                "transformers",
                "quadrate_export_torch",
            }
