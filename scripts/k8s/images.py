"""Makes container images of single programs, without an engine: `images.py OUT.tar NAME=PROGRAM...` writes an
archive that containerd and Docker import. Each image is the program, which is static, and starts it."""

import hashlib
import io
import json
import pathlib
import platform
import sys
import tarfile

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


def entry(name: str, data: bytes, mode: int = 0o644) -> tuple[tarfile.TarInfo, io.BytesIO]:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), mode
    return info, io.BytesIO(data)


def layer(program: pathlib.Path) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(*entry(program.name, program.read_bytes(), 0o755))
    return out.getvalue()


def add(tar: tarfile.TarFile, name: str, program: pathlib.Path) -> dict:
    """Adds an image's parts, and returns its line of the archive's list."""
    data = layer(program)
    digest = hashlib.sha256(data).hexdigest()
    config = json.dumps({
        "architecture": ARCHITECTURE, "os": "linux", "config": {"Entrypoint": ["/" + program.name]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest]}, "history": [{"created_by": "images.py"}],
    }).encode()
    file = hashlib.sha256(config).hexdigest() + ".json"
    tar.addfile(*entry(f"{digest}/layer.tar", data))
    tar.addfile(*entry(file, config))
    return {"Config": file, "RepoTags": ["docker.io/library/" + name], "Layers": [f"{digest}/layer.tar"]}


def main(out: str, *images: str) -> None:
    with tarfile.open(out, "w") as tar:
        listed = [add(tar, name, pathlib.Path(program)) for name, program in (image.split("=", 1) for image in images)]
        tar.addfile(*entry("manifest.json", json.dumps(listed).encode()))


if __name__ == "__main__":
    main(*sys.argv[1:])
