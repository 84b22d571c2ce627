"""Makes the exporter importable and small models to export."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "scripts"), str(Path(__file__).resolve().parent)]

from small_models import write_model  # noqa: E402


@pytest.fixture
def make_model(tmp_path):
    """Writes a small random model directory; see small_models.write_model."""

    def make(name: str = "model", **options) -> Path:
        return write_model(tmp_path / name, **options)

    return make
