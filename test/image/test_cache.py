"""What quadrate-export leaves on the volume of what it has fetched; the exporter itself is played."""

import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "scripts/image"))
from quadrate_fetch import command  # noqa: E402

MODEL, OTHER = "BAAI/bge-m3", "team/other"


@pytest.fixture
def export(tmp_path, monkeypatch):
    """Exports MODEL with a status; says whose downloads are still there."""
    monkeypatch.setenv("QUADRATE_MODELS_DIR", str(tmp_path))
    monkeypatch.delenv("HF_HOME", raising=False)
    monkeypatch.setattr(command.os, "geteuid", lambda: 10001)

    def once(status: int) -> set[str]:
        def run(arguments, cache, model, each):
            for name in (MODEL, OTHER):
                (cache.folder / "hub" / f"models--{name.replace('/', '--')}").mkdir(parents=True, exist_ok=True)
            return status

        monkeypatch.setattr(command, "run", run)
        assert command.export([MODEL, "--out", str(tmp_path / "bge-m3"), "--if-absent", "--variant", "fp32,fp16"]) == status
        return {folder.name for folder in tmp_path.rglob("models--*")}

    return once


def test_a_models_files_go_once_it_is_exported(export):
    assert export(0) == {"models--team--other"}


def test_an_export_that_failed_goes_on_from_what_came(export):
    assert export(1) == {"models--BAAI--bge-m3", "models--team--other"}


def test_a_place_of_the_owners_is_left_alone(export, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "mine"))
    assert len(export(0)) == 2
