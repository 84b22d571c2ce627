"""The metrics that the program has, as its source names them: for documents, alerts and dashboards that name them, too."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
PREFIXES = ("", "upstream_", "container_", "cache_")


def metrics() -> set[str]:
    """All names, with what the parts of the program put before them."""
    files = [file for file in (ROOT / "metrics").glob("*.go") if not file.name.endswith("_test.go")]
    found = set(re.findall(r'"([a-z_]+)"', "".join(file.read_text(encoding="utf-8") for file in files)))
    return {f"quadrate_{prefix}{name}" for name in found for prefix in PREFIXES}


def unknown(text: str) -> set[str]:
    """The metrics that a text names and the program has not; the start of a family's names counts as known."""
    known = metrics()
    named = set(re.findall(r"\bquadrate_[a-z_]*[a-z]", text))
    return {
        name for name in named
        if not {name, re.sub(r"_(bucket|sum|count)$", "", name)} & known and not any(k.startswith(name + "_") for k in known)
    }
