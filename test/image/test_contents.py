"""What is in the image is listed in it, with its licences, and the labels say where it comes from."""

import datetime
import json

import pytest
from conftest import docker, image

DOCUMENTS = "/usr/local/share/doc/quadrate"


def inside(*command: str, variant: str = "") -> str:
    return docker("run", "--rm", "--entrypoint", command[0], image() + variant, *command[1:])


@pytest.fixture(scope="module")
def bill() -> dict:
    """What is in the server and in the exporter."""
    server, exporter = [json.loads(inside("cat", f"{DOCUMENTS}/{name}.cdx.json")) for name in ("sbom", "exporter")]
    assert server["bomFormat"] == exporter["bomFormat"] == "CycloneDX"
    return server | {"components": server["components"] + exporter["components"]}


def test_the_smaller_image_lists_no_exporter():
    assert "exporter.cdx.json" not in inside("ls", DOCUMENTS, variant="-slim")
    assert "pkg:pypi" not in inside("cat", f"{DOCUMENTS}/sbom.cdx.json", variant="-slim")


def test_the_bill_names_what_each_part_is_made_of(bill):
    assert bill["metadata"]["component"]["name"].startswith("github.com/quadrate-maas/quadrate")
    found = {one["purl"].split("?")[0].rsplit("@", 1)[0]: one for one in bill["components"]}
    for purl in ("pkg:golang/github.com/gofiber/fiber/v2", "pkg:generic/onnxruntime", "pkg:pypi/numpy", "pkg:pypi/onnxruntime",
                 "pkg:pypi/huggingface-hub", "pkg:cargo/tokenizers", "pkg:huggingface/sentence-transformers/all-MiniLM-L6-v2"):
        assert purl in found, sorted(found)
    assert all(one["version"] for one in bill["components"])
    references = [one["bom-ref"] for one in bill["components"]]
    assert len(references) == len(set(references))


def test_the_bill_has_every_python_package_and_go_module(bill):
    script = "import importlib.metadata as m, json; print(json.dumps([[d.metadata['Name'], d.version] for d in m.distributions(path=['/usr/local/lib/quadrate/exporter/site-packages'])]))"
    listed = {(one["name"], one["version"]) for one in bill["components"]}
    packages = json.loads(inside("python3", "-I", "-c", script))
    assert len(packages) > 15 and all(tuple(package) in listed for package in packages)
    modules = json.loads(inside("/usr/local/bin/quadrate", "version", "-json"))["modules"]
    assert modules and all((module["path"], module["version"]) in listed for module in modules)


def test_the_libraries_sums_are_those_of_the_files(bill):
    sums = {one["hashes"][0]["content"] for one in bill["components"] if one["purl"].startswith("pkg:generic/onnxruntime")}
    files = inside("sh", "-c", "sha256sum /usr/local/lib/libonnxruntime*.so").splitlines()
    assert sums == {line.split()[0] for line in files}


def test_licences_are_there():
    files = inside("find", DOCUMENTS, "-type", "f").splitlines()
    for part in ("/LICENSE", "onnxruntime-ThirdPartyNotices.txt", "licences/go/github.com/gofiber/fiber/v2/LICENSE", "licences/rust/tokenizers/", "licences/rust/regex/", "licences/pages/"):
        assert any(part in file for file in files), part
    assert inside("sh", "-c", "ls -d /usr/local/lib/quadrate/exporter/site-packages/numpy-*/licenses /usr/share/doc/libpython3*-minimal/copyright")


@pytest.mark.parametrize("variant", ["", "-export", "-slim"])
def test_labels(variant):
    labels = json.loads(docker("image", "inspect", image() + variant))[0]["Config"]["Labels"]
    label = lambda name: labels[f"org.opencontainers.image.{name}"]  # noqa: E731
    assert label("title") == ("quadrate-export" if variant == "-export" else "quadrate")
    for name in ("version", "revision", "description", "base.name"):
        assert label(name) not in ("", "unknown"), name
    assert "MIT" in label("licenses") and label("source").startswith("https://") and label("documentation").startswith(label("source"))
    assert datetime.datetime.fromisoformat(label("created")).year > 2000


def test_nothing_is_set_to_run_as_another_user_beyond_the_base():
    ours = inside("find", "/usr/local", "/models", "/etc/quadrate", "-perm", "/6000", "-o", "-perm", "-0002", "!", "-type", "l")
    assert ours == ""


@pytest.mark.parametrize("variant", ["", "-slim"])
def test_size_is_reported(variant):
    lines = docker("history", "--human=false", "--format", "{{.Size}}\t{{.CreatedBy}}", image() + variant).splitlines()
    layers = [(int(size), made) for size, _, made in (line.partition("\t") for line in lines)]
    for size, made in reversed(layers):
        if size > 10_000:
            print(f"{size / 1e6:8.1f} MB  {made[:100]}")
    whole, base = sum(size for size, _ in layers), layers[-1][0]
    print(f"{whole / 1e6:8.1f} MB in all, of it {(whole - base) / 1e6:.0f} MB on top of the base")
    labels = json.loads(docker("image", "inspect", image() + variant))[0]["Config"]["Labels"]
    # ONNX Runtime's GPU libraries have 285 MB more, and the model has a second variant.
    bound = 900e6 if labels["org.opencontainers.image.description"].endswith("CUDA") else 500e6
    assert whole - base < bound
