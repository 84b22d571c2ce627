"""digests.sh, with a registry that is a script on PATH."""

import os
import subprocess

import pytest
from conftest import ROOT

ANSWER = '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","digest":"sha256:%s","size":1,"manifests":[{"digest":"sha256:%s"}]}' % ("a" * 64, "b" * 64)


def digests(tmp_path, body: str, *arguments: str) -> subprocess.CompletedProcess:
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\n{body}\n")
    docker.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    return subprocess.run([ROOT / "scripts/image/digests.sh", *arguments], env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("file", ["Dockerfile", "Dockerfile.cuda"])
def test_every_image_is_pinned_to_the_indexs_own_digest(tmp_path, file):
    done = digests(tmp_path, f"echo '{ANSWER}'", file)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split("=")[0] for line in lines] == ["--build-arg BASE", "--build-arg GO_IMAGE", "--build-arg RUST_IMAGE"]
    assert all(line.endswith("@sha256:" + "a" * 64) for line in lines)


def test_a_registry_that_does_not_answer_is_named(tmp_path):
    done = digests(tmp_path, "echo unreachable >&2; exit 1")
    assert done.returncode == 1 and "debian:12" in done.stderr and "does not tell its digest" in done.stderr


@pytest.mark.parametrize("file", ["Dockerfile", "Dockerfile.cuda"])
def test_tags_are_exact(file):
    for line in (ROOT / file).read_text().splitlines():
        if line.startswith(("ARG BASE=", "ARG GO_IMAGE=", "ARG RUST_IMAGE=")):
            tag = line.split(":", 1)[1]
            assert tag.split("-")[0].count(".") >= 1 and tag != "latest", line
