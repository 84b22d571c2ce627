"""Decides which of the two routes a model takes, and enters the PyTorch one."""

import os
import subprocess
import sys
from pathlib import Path

from .errors import ExportError
from .layout import ARCHITECTURES, read_json

ROUTES = ("auto", "builder", "torch")

_SCRIPTS = Path(__file__).resolve().parents[1]
_SETUP = _SCRIPTS / "setup" / "setup.sh"


def needs_torch(config: Path, route: str) -> bool:
    """Whether the model of this config.json goes the PyTorch way."""
    if route == "auto":
        return read_json(config).get("model_type") not in ARCHITECTURES
    return route == "torch"


def enter_torch(arguments: list[str], report) -> None:
    """Replaces this process by the same command in PyTorch's environment, which is made on first need."""
    python = os.environ.get("QUADRATE_TORCH_PYTHON") or _own_python(report)
    path = os.pathsep.join(filter(None, [str(_SCRIPTS), os.environ.get("PYTHONPATH")]))
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        command = [python, "-m", "quadrate_export_torch", *arguments]
        os.execve(python, command, os.environ | {"PYTHONPATH": path})
    except OSError as error:
        raise ExportError(f"cannot run {python}: {error.strerror}") from error


def _own_python(report) -> str:
    python = _SCRIPTS.parent / "var" / "torch-venv" / "bin" / "python"
    report("this model needs PyTorch; its environment is set up or checked first")
    # Its lines of progress are no part of what a script reads from this one.
    result = subprocess.run([str(_SETUP), "torch"], stdout=sys.stderr, check=False)
    if result.returncode != 0:
        raise ExportError(
            "PyTorch's environment could not be set up (see above); QUADRATE_TORCH_PYTHON names another "
            "Python that has torch, transformers and scripts/requirements.txt"
        )
    return str(python)
