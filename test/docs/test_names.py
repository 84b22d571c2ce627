"""The settings, routes and headers that pages name are those of the references, which are made from the program."""

import re

import pytest
from blocks import ROOT

NAMED_IN = [page for page in sorted((ROOT / "docs").glob("*.md")) if page.name not in ("api.md", "configuration.md")] + [ROOT / "README.md"]
SETTINGS = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
API = (ROOT / "docs/api.md").read_text(encoding="utf-8")
# What is named before a dot, and where the key may stand without its parents.
PARENTS = r"server|runtime|models\[\]|batcher|cache|upstreams\[\]|managed|containers|keys\[\]|classes\[\]|anonymous|tracing|files|log"
# Headers that are set by what stands before a server.
OTHERS = {"X-Forwarded-For"}
# Fields of /health's answer, which are written as settings are.
HEALTH = {"models[].state", "models[].queue", "upstreams[].state"}


def text(page) -> str:
    return page.read_text(encoding="utf-8")


def codes(page, pattern: str) -> set[str]:
    return {found for code in re.findall(r"`([^`\n]+)`", text(page)) for found in re.findall(pattern, code)}


@pytest.mark.parametrize("page", NAMED_IN, ids=lambda page: page.stem)
def test_settings_are_there(page):
    keys = {key.replace("[]", "") for key in re.findall(r"^\| `([^`]+)` \|", SETTINGS, re.MULTILINE)}
    keys |= {key.rpartition(".")[0] for key in keys}
    named = codes(page, rf"(?<![\w./-])((?:{PARENTS})\.[a-z_]+(?:(?:\[\])?\.[a-z_]+)*)(?![\w./(-])")
    known = {name for name in named - HEALTH for key in keys if f".{key}".endswith("." + name.replace("[]", ""))}
    assert not {name for name in named - HEALTH - known if not re.search(r"\.(yaml|md|go|json|log)$", name)}


@pytest.mark.parametrize("page", [page for page in NAMED_IN if page.name != "migration.md"], ids=lambda page: page.stem)
def test_routes_are_there(page):
    known = set(re.findall(r"`(?:GET|POST) (/[^`]*)`", API)) | set(re.findall(r"also at `(/[^`]+)`", API)) | set(re.findall(r", `(/[a-z0-9/]+)`", API))
    for route in codes(page, r"^(?:GET|POST) (/[\w/{}-]*)$"):
        assert re.sub(r"\{\w+\}", "{id}", route) in {re.sub(r"\{\w+\}", "{id}", path) for path in known}, route


@pytest.mark.parametrize("page", NAMED_IN, ids=lambda page: page.stem)
def test_headers_are_there(page):
    named = codes(page, r"^(X-[A-Z][A-Za-z-]*[a-z])$") - OTHERS
    assert not {name for name in named if f"`{name}" not in API}
