"""Makes both exporter packages and the maker of tiny checkpoints importable."""

import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path[:0] = [str(SCRIPTS), str(SCRIPTS / "golden")]

import quadrate_export_torch  # noqa: E402, F401  (before PyTorch: it sets what that reads)
import tiny_transformers  # noqa: E402


@pytest.fixture
def make(tmp_path):
    """Writes a tiny checkpoint; see tiny_transformers.write."""

    def write(model_type: str, sizes=None, name: str = "model", **options) -> Path:
        return tiny_transformers.write(
            tmp_path / name, model_type, sizes or tiny_transformers.SIZES, **options
        )

    return write
