"""requirements_for.py chooses the lines of the lock for the Python of an image's base."""

import subprocess
import sys

import pytest
from conftest import ROOT


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_each_package_is_there_once_with_its_sums(version):
    lock = (ROOT / "scripts/requirements.txt").read_text()
    done = subprocess.run([sys.executable, ROOT / "scripts/image/requirements_for.py", version], input=lock, capture_output=True, text=True, check=True, timeout=60)
    lines = done.stdout.splitlines()
    names = [line.split("==")[0] for line in lines]
    assert len(names) == len(set(names)) and {"numpy", "onnx", "onnxruntime", "tokenizers", "safetensors", "huggingface-hub", "pyyaml"} <= set(names)
    assert all("--hash=sha256:" in line and ";" not in line for line in lines)
    assert not {"colorama", "httpx2-jsfetch", "tomli"} & set(names), "those are for other systems and older Pythons"


def test_the_version_decides():
    lock = "a==1 ; python_full_version < '3.12' \\\n    --hash=sha256:aa \\\n    --hash=sha256:ab\n    # via b\na==2 ; python_full_version >= '3.12' \\\n    --hash=sha256:bb\n"
    def chosen(version):
        return subprocess.run([sys.executable, ROOT / "scripts/image/requirements_for.py", version], input=lock, capture_output=True, text=True, check=True, timeout=60).stdout
    assert chosen("3.11") == "a==1 --hash=sha256:aa --hash=sha256:ab\n"
    assert chosen("3.12") == "a==2 --hash=sha256:bb\n"
