"""Whether a model folder that is there already is what was asked for, as far as the folder says itself.

The weights' source is not looked at, so that nothing has to be fetched to know: what was exported
from other weights of the same name counts as there.
"""

import json
from pathlib import Path

from . import folder, manifest


def variants(out: Path, wanted: dict, names: tuple[str, ...], tokens: bool) -> list[str]:
    """The variants in the folder out, if those of names are among them and every file fits its checksum.

    Empty where anything is absent or damaged, or a key of the manifest is another than wanted has it;
    None there: any will do. tokens: the variants must come with the states of tokens.
    """
    content = _manifest(out / manifest.NAME)
    found = content.get("variants", {})
    if any(value not in (None, content.get(key)) for key, value in wanted.items()):
        return []
    if not all(name in found and (not tokens or "tokens" in found[name]) for name in names):
        return []
    return list(found) if _is_whole(out, content) else []


def _is_whole(out: Path, content: dict) -> bool:
    listed = {item["path"] for item in content["files"]}
    needed = {file for entry in content["variants"].values() for file in entry["files"]}
    return needed <= listed and all(folder.matches(out / item["path"], item) for item in content["files"])


def _manifest(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) and content.get("format") == manifest.FORMAT else {}
