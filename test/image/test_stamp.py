"""stamp.sh says of which version and commit an image is made."""

import os
import shutil
import subprocess

import pytest
from conftest import ROOT

EPOCH = "1700000000"


def git(folder, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false"]
    return subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


@pytest.fixture
def tree(tmp_path):
    """A folder with nothing but the script."""
    (tmp_path / "scripts/image").mkdir(parents=True)
    shutil.copy(ROOT / "scripts/image/stamp.sh", tmp_path / "scripts/image")
    return tmp_path


def stamp(tree, **environment: str) -> subprocess.CompletedProcess:
    own = {name: value for name, value in os.environ.items() if name not in ("VERSION", "SOURCE_DATE_EPOCH")}
    return subprocess.run([tree / "scripts/image/stamp.sh"], env=own | environment, capture_output=True, text=True, timeout=60)


def arguments(done: subprocess.CompletedProcess) -> dict[str, str]:
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert all(line.startswith("--build-arg ") for line in lines)
    return dict(line.removeprefix("--build-arg ").split("=", 1) for line in lines)


def test_the_version_is_the_tags_and_the_revision_the_commits(tree):
    git(tree, "init", "--quiet")
    git(tree, "add", ".")
    git(tree, "commit", "--quiet", "--message", "one")
    head = git(tree, "rev-parse", "HEAD")
    told = arguments(stamp(tree))
    assert told["REVISION"] == head and head.startswith(told["VERSION"])
    git(tree, "tag", "v1.2.3")
    told = arguments(stamp(tree, SOURCE_DATE_EPOCH=EPOCH))
    assert told == {"VERSION": "v1.2.3", "REVISION": head, "CREATED": "2023-11-14T22:13:20Z"}
    with (tree / "scripts/image/stamp.sh").open("a") as script:
        script.write("# changed\n")
    assert arguments(stamp(tree))["VERSION"] == "v1.2.3-dirty"
    assert arguments(stamp(tree, VERSION="mine"))["VERSION"] == "mine"


def test_what_is_no_clone_is_told(tree):
    done = stamp(tree, GIT_CEILING_DIRECTORIES=str(tree.parent))
    assert done.returncode == 1 and "no clone" in done.stderr and not done.stdout
