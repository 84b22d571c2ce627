"""The systemd unit as its comment installs it, out of a release's archive, under a real systemd with
all of the unit's confinement (systemd.sh says how)."""

import json
import os
import pathlib
import re
import subprocess

import pytest

from conftest import SERVER, unpack
from servers import ROOT, free_port

HERE = pathlib.Path(__file__).resolve().parent
UNIT = (ROOT / "deploy/systemd/quadrate.service").read_text()
STEPS = re.findall(r"^#   (\S.*)$", UNIT, re.MULTILINE)
TIMEOUT_S = 180

SCRIPT = """
set -uo pipefail
note() { local name=$1; shift; printf '%s=%s\\n' "$name" "$("$@" 2>&1 | tr '\\n' ' ')" >>/mnt/notes; }
ask() { curl -s --max-time 10 "http://127.0.0.1:@PORT@$@"; }
show() { systemctl show -P "$1" quadrate; }
@INSTALL@
printf 'QUADRATE_SERVER_PORT=@PORT@\\nQUADRATE_SERVER_HOST=127.0.0.1\\n' >/etc/quadrate/environment
chmod 0600 /etc/quadrate/environment
systemctl daemon-reload
note started sh -c 'systemctl enable --now quadrate >/dev/null 2>&1; echo $?'
[ "$(show ActiveState)" = active ] || { note journal journalctl --unit quadrate --output cat --no-pager; exit 1; }
# Nothing is waited for: it is up when it is ready.
note ready ask /health/ready
note status show StatusText
note embedded ask /v1/embeddings -d '{"model": "default", "input": ["a"], "dimensions": 2}'
note process grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' "/proc/$(show MainPID)/status"
note reloaded sh -c 'systemctl reload quadrate; echo $?'
note still show ActiveState
{ sleep 1; note draining show StatusText; note not_ready ask /health/ready -o /dev/null -w '%{http_code}'; } &
note stopped sh -c 'systemctl stop quadrate; echo $?'
wait
note result show Result
# What has ended without being asked to is started again.
systemctl start quadrate
kill -KILL "$(show MainPID)"
until [ "$(show NRestarts) $(show ActiveState)" = "1 active" ]; do sleep 0.2; done
note again ask /health/ready
systemctl stop quadrate
# What cannot start is told by the start.
echo 'QUADRATE_SERVER_PORT=none' >>/etc/quadrate/environment
note refused sh -c 'systemctl start quadrate >/dev/null 2>&1; echo $?'
systemctl stop quadrate
# Nor may a start wait for ever for a server that ends by itself: this port is for root.
sed -i 's/^QUADRATE_SERVER_PORT=.*/QUADRATE_SERVER_PORT=1/' /etc/quadrate/environment
note ended sh -c 'timeout 60 systemctl start quadrate >/dev/null 2>&1; echo $?'
systemctl stop quadrate
note journal journalctl --unit quadrate --output cat --no-pager
"""


@pytest.fixture(scope="module")
def notes(dist, tmp_path_factory):
    """What the script has noted."""
    assert os.geteuid() == 0, "this test needs root: it starts a systemd in namespaces of its own"
    folder = tmp_path_factory.mktemp("systemd")
    unpack(dist / f"{SERVER}.tar.gz", folder).rename(folder / "opt")
    (folder / "script").write_text(SCRIPT.replace("@PORT@", str(free_port())).replace("@INSTALL@", "\n".join(step for step in STEPS if "systemctl" not in step)))
    done = subprocess.run([HERE / "systemd.sh", folder], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S)
    said = (folder / "said").read_text() if (folder / "said").exists() else ""
    assert (folder / "notes").exists(), said + done.stdout[-2000:] + done.stderr[-2000:]
    found = dict(line.split("=", 1) for line in (folder / "notes").read_text().splitlines())
    found = {name: value.strip() for name, value in found.items()}
    assert found["started"] == "0" and "refused" in found, (said + found.get("journal", ""))[-2000:]
    return found


def test_the_unit_says_how_it_is_installed():
    assert len(STEPS) == 6 and STEPS[0].startswith("useradd") and STEPS[-1] == "systemctl daemon-reload && systemctl enable --now quadrate"


def test_the_start_ends_when_models_are_served(notes):
    assert json.loads(notes["ready"]) == {"status": "ready"}, notes
    assert notes["status"].startswith("serving on 127.0.0.1:")
    assert len(json.loads(notes["embedded"])["data"][0]["embedding"]) == 2
    assert "/var/lib/quadrate/models/all-MiniLM-L6-v2" in notes["journal"]


def test_it_runs_without_any_right(notes):
    words = notes["process"].split()
    assert words[words.index("Uid:") + 1] != "0"
    assert words[words.index("CapEff:") + 1] == "0000000000000000"
    assert words[words.index("NoNewPrivs:") + 1] == "1" and words[words.index("Seccomp:") + 1] == "2"


def test_reload_drain_and_stop(notes):
    assert notes["reloaded"] == "0" and notes["still"] == "active" and '"msg":"reloaded"' in notes["journal"]
    assert notes["draining"] == "draining, then stopping" and notes["not_ready"] == "503"
    assert notes["stopped"] == "0" and notes["result"] == "success"


def test_what_was_killed_is_started_again(notes):
    assert json.loads(notes["again"]) == {"status": "ready"}


def test_what_cannot_start_is_told(notes):
    assert notes["refused"] == "1" and 'server.port: "none" is not a whole number' in notes["journal"]
    assert notes["ended"] == "1" and "listen tcp 127.0.0.1:1: bind: permission denied" in notes["journal"]
