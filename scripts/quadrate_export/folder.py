"""Brings a finished folder into place, with as little copying as the file system allows."""

import os
import shutil
from pathlib import Path
from tempfile import mkdtemp

from . import manifest


def matches(path: Path, entry: dict | None) -> bool:
    """Whether path is the file that a manifest's entry (bytes, sha256) describes."""
    if entry is None or not path.is_file() or path.stat().st_size != entry["bytes"]:
        return False
    return manifest.sha256(path) == entry["sha256"]


def link_tree(source: Path, target: Path, without: set[str], copied: set[str]) -> None:
    """Brings what is already in the folder along, without a second copy of its bytes.

    Files that are about to be written are left out: a link would be written through,
    into the folder that is being served. Those in copied become files of their own.
    """

    def ignore(_: str, names: list[str]) -> set[str]:
        return without.intersection(names)

    def bring(path: str, copy: str) -> None:
        if Path(path).name in copied:
            shutil.copyfile(path, copy)
        else:
            _link(path, copy)

    shutil.copytree(source, target, ignore=ignore, copy_function=bring, dirs_exist_ok=True)


def replace(folder: Path, out: Path) -> None:
    """Puts the new folder in place of the old one."""
    if not out.exists():
        folder.rename(out)
        return
    old = Path(mkdtemp(prefix=f".{out.name}-old-", dir=out.parent))
    out.rename(old / "folder")
    try:
        folder.rename(out)
    except OSError:
        (old / "folder").rename(out)
        raise
    shutil.rmtree(old)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
