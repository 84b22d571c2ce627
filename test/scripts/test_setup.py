"""scripts/setup: what is missing is named, a step that fails ends the set-up, and the message says what to do."""

import os
import shutil
import subprocess

import pytest
from conftest import ROOT

# A set-up with steps of its own around the real steps.sh, whose text is here as another user might not
# get at the clone.
SETUP = f"""set -euo pipefail
var=var stamps=var/stamps
{(ROOT / "scripts/setup/steps.sh").read_text()}
inputs() {{ echo "$1"; }}
result() {{ echo .; }}
title() {{ echo "step $1"; }}
fetched_from() {{ echo "PyPI (PIP_INDEX_URL)"; }}
step_good() {{ echo good >>done; }}
step_broken() {{ echo "amid it" >&2; false; echo "went on" >>done; }}
step_offline() {{ echo "Failed to establish a new connection: [Errno -3] Temporary failure in name resolution"; return 1; }}
run_steps "$@"
"""


def set_up(folder, *steps, **options):
    return subprocess.run(["bash", "-c", SETUP, "setup", *steps], cwd=folder, capture_output=True, text=True, timeout=30, **options)


def done(folder) -> str:
    return (folder / "done").read_text() if (folder / "done").exists() else ""


def test_steps_run_once(tmp_path):
    first, second = set_up(tmp_path, "good"), set_up(tmp_path, "good")
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "step good" in first.stdout and "done in" in first.stdout and "already there" in second.stdout
    assert done(tmp_path) == "good\n"


def test_a_command_that_fails_amid_a_step_ends_it_and_the_set_up(tmp_path):
    result = set_up(tmp_path, "broken", "good")
    assert result.returncode == 1
    assert "FAILED after" in result.stderr and "amid it" in result.stderr
    assert done(tmp_path) == "", "the step, or the one after it, went on"
    assert not (tmp_path / "var/stamps/broken").exists()
    assert "could not be reached" not in result.stderr


def test_servers_that_cannot_be_reached_are_named(tmp_path):
    result = set_up(tmp_path, "offline")
    assert result.returncode == 1
    assert "This step fetches from PyPI (PIP_INDEX_URL). HTTPS_PROXY names a proxy." in result.stderr


@pytest.mark.skipif(not shutil.which("setpriv"), reason="setpriv is Linux's")
def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    as_another = ["setpriv", "--reuid", "65534", "--clear-groups"] if os.getuid() == 0 else []
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if folder.stat().st_uid == os.getuid() and str(folder) != "/tmp":
            folder.chmod(folder.stat().st_mode | 0o555)
    (tmp_path / "var").mkdir(mode=0o555)
    result = subprocess.run([*as_another, "bash", "-c", SETUP, "setup", "good"], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert result.returncode == 1
    assert f"The set-up goes into {tmp_path}/var" in result.stderr and "chown -R" in result.stderr
    assert "mkdir" not in result.stderr and done(tmp_path) == ""


def test_all_that_is_missing_is_named_at_once_with_the_way_to_get_it(tmp_path):
    for name, says in {"go": "go1.19.8", "cargo": "cargo 1.63.0", "python3": "Python 3.9.2", "bash": ""}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\necho {says}\n" if says else '#!/bin/sh\nexec /bin/bash "$@"\n')
        (tmp_path / name).chmod(0o755)
    for tool in ("sort", "grep", "head", "env"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    result = subprocess.run([ROOT / "scripts/setup/prerequisites.sh"], env={"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=30)
    assert result.returncode == 1 and result.stdout == ""
    for line in (
        "Go 1.26 or newer: found 1.19.8, which is too old. Install the current release from go.dev/dl",
        "git 2.20 or newer: not found. Debian and Ubuntu: apt-get install git.",
        "a C compiler (gcc) 9.0 or newer: not found. Debian and Ubuntu: apt-get install gcc g++ libc6-dev.",
        "Rust (cargo) 1.82 or newer: found 1.63.0, which is too old. Debian 13: apt-get install cargo.",
        "Python (python3) 3.10 or newer: found 3.9.2, which is too old. Debian 12, Ubuntu 22.04 and later: apt-get install python3 python3-pip python3-venv.",
    ):
        assert line in result.stderr
