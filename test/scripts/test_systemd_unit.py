"""deploy/systemd/quadrate.service, as systemd's own tools judge it. test/release runs it."""

import re
import subprocess

from conftest import ROOT

# Exposure is told from 0 to 10, and is medium from 5 on.
MOST_EXPOSED = 2.0


def analyze(tmp_path, *words):
    """With a program that is there in the place of /opt/quadrate's."""
    unit = tmp_path / "quadrate.service"
    unit.write_text((ROOT / "deploy/systemd/quadrate.service").read_text().replace("/opt/quadrate/bin/quadrate", "/bin/true"))
    return subprocess.run(["systemd-analyze", *words, unit], capture_output=True, text=True)


def test_systemd_understands_every_line(tmp_path):
    """What it says of other units of this machine is not ours."""
    done = analyze(tmp_path, "verify")
    assert done.returncode == 0 and "quadrate.service" not in done.stderr, done.stderr


def test_it_is_confined(tmp_path):
    """The figure of docs/releases.md."""
    done = analyze(tmp_path, "security", "--offline=true", f"--threshold={MOST_EXPOSED * 10:.0f}")
    assert done.returncode == 0, done.stdout + done.stderr
    exposure = re.search(r"Overall exposure level for quadrate.service: (\d\.\d)", done.stdout)[1]
    told = re.search(r"exposure of (\d\.\d)", (ROOT / "docs/releases.md").read_text())[1]
    assert float(exposure) <= float(told) <= MOST_EXPOSED
