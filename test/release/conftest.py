"""The release that the tests try, made once."""

import pathlib
import platform
import subprocess
import tarfile

import pytest

from servers import ROOT

VERSION = "v9.8.7-test"
HERE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
SERVER = f"quadrate-{VERSION}-linux-{HERE}"


def build(out, root=ROOT):
    """With a umask by which nobody else could read what is unpacked, were it kept."""
    subprocess.run([root / "scripts/release.sh", "--out", out, VERSION], cwd=root, check=True, umask=0o077)
    return out


@pytest.fixture(scope="session")
def dist(tmp_path_factory):
    return build(tmp_path_factory.mktemp("dist"))


def unpack(archive: pathlib.Path, to: pathlib.Path) -> pathlib.Path:
    with tarfile.open(archive) as tar:
        tar.extractall(to, filter="data")
    return to / archive.name.removesuffix(".tar.gz")
