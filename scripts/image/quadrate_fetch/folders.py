"""Model folders on the volume, as far as they say themselves what they are."""

import re
import shutil
from pathlib import Path

_MANIFEST = "quadrate.json"


class Unknown(Exception):
    """A folder that is nothing this program may use or replace."""


def is_others(folder: Path) -> bool:
    """Whether it holds an ONNX file that others made, which is served as it is."""
    if not folder.exists() or (folder / _MANIFEST).exists() or not any(folder.iterdir()):
        return False
    if any(folder.rglob("*.onnx")):
        return True
    raise Unknown(f"{folder} is neither empty nor a model's folder: it has no {_MANIFEST} and no ONNX file")


def sweep(folder: Path) -> list[Path]:
    """Removes what an export into folder left behind that was cut off; the lock must be held."""
    left = re.compile(rf"\.{re.escape(folder.name)}-(old-)?[a-z0-9_]{{8}}")
    found = [path for path in folder.parent.glob(f".{folder.name}-*") if left.fullmatch(path.name)]
    for path in found:
        shutil.rmtree(path, ignore_errors=True)
    return found
