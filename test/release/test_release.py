"""What a release consists of: archives that run where they are unpacked, and say what they are."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import tarfile
import tempfile

import pytest

from conftest import HERE, SERVER, VERSION, build, unpack
from servers import ROOT, Server, first, http, ready

PLATFORMS = ["linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"]
# Of each system's programs: how they begin, where they say which processor they are for, and what.
MAGIC = {"linux": b"\x7fELF", "darwin": b"\xcf\xfa\xed\xfe"}
PROCESSOR = {"linux-amd64": ("<18xH", 0x3E), "linux-arm64": ("<18xH", 0xB7), "darwin-amd64": ("<4xI", 0x01000007), "darwin-arm64": ("<4xI", 0x0100000C)}
# Where a signature begins; macOS on arm64 starts no program without one.
SIGNATURE = b"\xfa\xde\x0c\xc0"
NOBODY = 65534


def environment(**more):
    return {"PATH": "/usr/bin:/bin", "QUADRATE_SERVER_HOST": "127.0.0.1", "QUADRATE_SERVER_PORT": "0", "QUADRATE_LOG_FORMAT": "json",
            "QUADRATE_SERVER_DRAIN_DELAY": "0s", **more}


def test_sums_are_those_of_all_files(dist):
    sums = dict(reversed(line.split("  ")) for line in (dist / "SHA256SUMS").read_text().splitlines())
    assert set(sums) == {f.name for f in dist.iterdir()} - {"SHA256SUMS"}
    assert len(sums) == 2 * (len(PLATFORMS) + 1)
    for name, digest in sums.items():
        assert hashlib.sha256((dist / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("where", PLATFORMS)
def test_gateway(dist, where, tmp_path):
    folder = unpack(dist / f"quadrate-gateway-{VERSION}-{where}.tar.gz", tmp_path)
    system = where.split("-")[0]
    layout, processor = PROCESSOR[where]
    for name in ("quadrate", "quadrate-bench"):
        program = (folder / "bin" / name).read_bytes()
        assert program.startswith(MAGIC[system]) and struct.unpack_from(layout, program) == (processor,)
        assert where != "darwin-arm64" or SIGNATURE in program
    assert list((folder / "licences").rglob("LICENSE*")) and (folder / "licences/pages/LICENSES.txt").exists()
    assert "quadrate-VERSION-linux-amd64.tar.gz" in (folder / "docs/releases.md").read_text()
    for name in ("bash-completion/completions/quadrate", "zsh/site-functions/_quadrate", "fish/vendor_completions.d/quadrate.fish"):
        assert "quadrate" in (folder / "share" / name).read_text()
    if where == f"linux-{HERE}":
        told = json.loads(subprocess.run([folder / "bin/quadrate", "version", "-json"], check=True, capture_output=True, text=True).stdout)
        assert told["version"] == VERSION and told["engine_problem"]
        assert re.fullmatch(r"[0-9a-f]{40}", told["revision"])
        checked = subprocess.run([folder / "bin/quadrate", "-check"], cwd=folder, env=environment(OLLAMA_MODELS="bge-m3"), capture_output=True, text=True)
        assert checked.returncode == 0 and " 0 local models, 1 upstream" in checked.stdout, checked.stdout + checked.stderr
        assert "not a dynamic executable" in subprocess.run(["ldd", folder / "bin/quadrate"], capture_output=True, text=True).stderr


def test_bill_names_what_is_inside(dist):
    for name in (SERVER, f"quadrate-gateway-{VERSION}-linux-amd64"):
        bill = json.loads((dist / f"{name}.cdx.json").read_text())
        assert bill["bomFormat"] == "CycloneDX"
        held = {c["name"]: c["version"] for c in bill["components"]}
        assert "github.com/gofiber/fiber/v2" in held
        assert ("github.com/yalue/onnxruntime_go" in held) == (name == SERVER)


def test_anybody_may_read_what_is_unpacked(dist):
    for archive in dist.glob("*.tar.gz"):
        with tarfile.open(archive) as tar:
            for member in tar:
                assert member.uid == member.gid == 0
                assert member.mode in ((0o755,) if member.isdir() else (0o644, 0o755)), (archive.name, member.name, oct(member.mode))


def test_the_documents_commands(dist, tmp_path):
    """The first block of docs/releases.md, with another folder in the place of /opt."""
    block = (ROOT / "docs/releases.md").read_text().split("```sh\n")[1].split("```")[0]
    assert block.endswith("\nbin/quadrate\n")  # test_server_runs_where_it_is_unpacked does that
    script = block.removesuffix("bin/quadrate\n").replace("VERSION-linux-amd64", f"{VERSION}-linux-{HERE}").replace("/opt", str(tmp_path)).replace("sudo ", "")
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=dist, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{SERVER}.tar.gz: OK" in done.stdout and f"quadrate {VERSION} " in done.stdout and "all-MiniLM-L6-v2: ok" in done.stdout


@pytest.fixture
def elsewhere():
    """A folder that every user reaches, with a blank in its name."""
    assert os.geteuid() == 0, "this test needs root: it starts the server as another user, who sees nothing of the source tree"
    with tempfile.TemporaryDirectory(prefix="a release ") as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


def as_nobody(*words):
    """Has words run by a user without any right, where the source tree is not."""
    hidden = 'mount -t tmpfs none "$1" && shift && exec setpriv --reuid="$1" --regid="$1" --clear-groups --bounding-set=-all --inh-caps=-all "${@:2}"'
    return ["unshare", "--mount", "bash", "-ec", hidden, "-", str(ROOT), str(NOBODY), *map(str, words)]


def test_server_runs_where_it_is_unpacked(dist, elsewhere, tmp_path):
    """By another user, who cannot write there, without the tree that it was built from."""
    moved = unpack(dist / f"{SERVER}.tar.gz", elsewhere / "unpacked").rename(elsewhere / "moved")
    before = {path: path.stat().st_mtime_ns for path in moved.rglob("*")}
    told = json.loads(subprocess.run(as_nobody(moved / "bin/quadrate", "version", "-json"), cwd="/", check=True, capture_output=True, text=True).stdout)
    assert told["version"] == VERSION and str(moved / "lib") in told["engine"]
    process = subprocess.Popen(as_nobody(moved / "bin/quadrate"), cwd=moved, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    server = Server("http://" + first(process, tmp_path / "server.log", ready), process)
    try:
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        assert f"Uid:\t{NOBODY}\t" in status and "CapEff:\t0000000000000000" in status
        answer = http.post(server.url + "/v1/embeddings", json={"model": "default", "input": ["a"]})
        assert answer.status_code == 200 and len(answer.json()["data"][0]["embedding"]) == 384
        assert http.get(server.url + "/health").json()["version"] == VERSION
        results = elsewhere / "results"
        results.mkdir()
        os.chown(results, NOBODY, NOBODY)
        subprocess.run(as_nobody(moved / "bin/quadrate-bench", "-url", server.url, "-model", "default", "-duration", "200ms", "-out", results), cwd="/", check=True)
        assert json.loads((results / "benchmark_result.json").read_text())["results"][0]["requests"] > 0
    finally:
        server.stop()
    assert {path: path.stat().st_mtime_ns for path in moved.rglob("*")} == before


def test_the_same_commit_makes_the_same_archives(tmp_path):
    """In two clones of the last commit, which differ in their place, and in no file that somebody edits meanwhile."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
    made = []
    for name in ("one", "another clone"):
        clone = tmp_path / name
        subprocess.run(["git", "clone", "--quiet", "--shared", "--no-checkout", ROOT, clone], check=True)
        subprocess.run(["git", "checkout", "--quiet", commit], cwd=clone, check=True)
        (clone / "var").symlink_to(ROOT / "var")
        made.append(build(tmp_path / f"made by {name}", clone))
    one, another = made
    assert {file.name for file in one.iterdir()} == {file.name for file in another.iterdir()}
    assert not [file.name for file in one.iterdir() if file.read_bytes() != (another / file.name).read_bytes()]


def test_a_failure_leaves_what_was_there(tmp_path):
    (tmp_path / "SHA256SUMS").write_text("before")
    go = tmp_path / "commands/go"
    go.parent.mkdir()
    go.write_text(f'#!/bin/sh\ncase "$*" in build*) echo "no space left" >&2; exit 1 ;; esac\nexec "{shutil.which("go")}" "$@"\n')
    go.chmod(0o755)
    done = subprocess.run([ROOT / "scripts/release.sh", "--out", tmp_path, "--gateway-only", VERSION], cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "PATH": f"{go.parent}:{os.environ['PATH']}"})
    assert done.returncode == 1 and "no space left" in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["SHA256SUMS"] and (tmp_path / "SHA256SUMS").read_text() == "before"


@pytest.mark.parametrize("arguments", [["--nonsense"], ["v1/../../etc"], ["v1 2"]])
def test_wrong_arguments(arguments, tmp_path):
    done = subprocess.run([ROOT / "scripts/release.sh", "--out", tmp_path, *arguments], capture_output=True, text=True)
    assert done.returncode == 2 and arguments[0].split("/")[0] in done.stderr
    assert not list(tmp_path.iterdir())
