"""What a release consists of: archives that run where they are unpacked, and say what they are."""

import hashlib
import json
import platform
import subprocess
import tarfile

import pytest

from servers import ROOT, Server, first, http, ready

VERSION = "v9.8.7-test"
PLATFORMS = ["linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"]
MAGIC = {"linux": b"\x7fELF", "darwin": b"\xcf\xfa\xed\xfe"}
HERE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
SERVER = f"quadrate-{VERSION}-linux-{HERE}"


def build(out, *options):
    subprocess.run([ROOT / "scripts/release.sh", "--out", out, *options, VERSION], cwd=ROOT, check=True)
    return out


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    return build(tmp_path_factory.mktemp("dist"))


def unpack(archive, to):
    with tarfile.open(archive) as tar:
        tar.extractall(to, filter="data")
    return to / archive.name.removesuffix(".tar.gz")


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
    for name in ("quadrate", "quadrate-bench"):
        assert (folder / "bin" / name).read_bytes().startswith(MAGIC[system])
    assert list((folder / "licences").rglob("LICENSE*")) and (folder / "licences/pages/LICENSES.txt").exists()
    for name in ("bash-completion/completions/quadrate", "zsh/site-functions/_quadrate", "fish/vendor_completions.d/quadrate.fish"):
        assert "quadrate" in (folder / "share" / name).read_text()
    if where == f"linux-{HERE}":
        told = json.loads(subprocess.run([folder / "bin/quadrate", "version", "-json"], check=True, capture_output=True, text=True).stdout)
        assert told["version"] == VERSION and told["engine_problem"]
        checked = subprocess.run([folder / "bin/quadrate", "-check"], cwd=folder, env=environment(OLLAMA_MODELS="bge-m3"), capture_output=True, text=True)
        assert checked.returncode == 0 and " 0 local models, 1 upstreams" in checked.stdout, checked.stdout + checked.stderr
        assert "not a dynamic executable" in subprocess.run(["ldd", folder / "bin/quadrate"], capture_output=True, text=True).stderr


def test_bill_names_what_is_inside(dist):
    for name in (SERVER, f"quadrate-gateway-{VERSION}-linux-amd64"):
        bill = json.loads((dist / f"{name}.cdx.json").read_text())
        assert bill["bomFormat"] == "CycloneDX"
        held = {c["name"]: c["version"] for c in bill["components"]}
        assert "github.com/gofiber/fiber/v2" in held
        assert ("github.com/yalue/onnxruntime_go" in held) == (name == SERVER)


def test_server_runs_where_it_is_unpacked(dist, tmp_path):
    folder = unpack(dist / f"{SERVER}.tar.gz", tmp_path / "a folder")
    moved = folder.rename(tmp_path / "moved")
    told = json.loads(subprocess.run([moved / "bin/quadrate", "version", "-json"], cwd="/", check=True, capture_output=True, text=True).stdout)
    assert told["version"] == VERSION and str(moved / "lib") in told["engine"]
    process = subprocess.Popen([moved / "bin/quadrate"], cwd=moved, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    server = Server("http://" + first(process, tmp_path / "server.log", ready), process)
    try:
        answer = http.post(server.url + "/v1/embeddings", json={"model": "default", "input": ["a"]})
        assert answer.status_code == 200 and len(answer.json()["data"][0]["embedding"]) == 384
        assert http.get(server.url + "/health").json()["version"] == VERSION
    finally:
        server.stop()


def test_the_same_commit_makes_the_same_gateway(dist, tmp_path):
    again = build(tmp_path / "again", "--gateway-only")
    for where in PLATFORMS:
        for name in (f"quadrate-gateway-{VERSION}-{where}.tar.gz", f"quadrate-gateway-{VERSION}-{where}.cdx.json"):
            assert (again / name).read_bytes() == (dist / name).read_bytes(), name


@pytest.mark.parametrize("arguments", [["--nonsense"], ["v1/../../etc"], ["v1 2"]])
def test_wrong_arguments(arguments, tmp_path):
    done = subprocess.run([ROOT / "scripts/release.sh", "--out", tmp_path, *arguments], capture_output=True, text=True)
    assert done.returncode == 2 and arguments[0].split("/")[0] in done.stderr
    assert not list(tmp_path.iterdir())
