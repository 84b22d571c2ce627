"""What the documents lead to is there: files, headings, and the pages that code and settings name."""

import functools
import pathlib
import re
import subprocess

import pytest
from blocks import FENCE, ROOT

TRACKED = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
PAGES = [name for name in TRACKED if name.endswith(".md") and (ROOT / name).exists()]


def plain(page: pathlib.Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


@functools.cache
def anchors(page: pathlib.Path) -> set[str]:
    """What a page's headings are called in links, as GitHub makes it; those of one name are numbered."""
    found: dict[str, int] = {}
    names = set()
    for heading in re.findall(r"^#{1,6} +(.*?) *#*$", plain(page), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
        again = found.get(name, 0)
        found[name] = again + 1
        names.add(f"{name}-{again}" if again else name)
    return names


def broken(page: pathlib.Path, text: str) -> list[str]:
    """The links of a text that lead to nothing, as seen from a page."""
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text)):
        if re.match(r"[a-z]+:", link):
            continue  # other servers cannot be asked here
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or anchor and (target.suffix != ".md" or anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    assert not broken(ROOT / name, plain(ROOT / name))


def test_what_leads_nowhere_is_seen():
    page = ROOT / "docs/runbook.md"
    text = "[a](security.md) [b](nothing.md) [c](#exit-codes) [d](#exit-code) [e](../README.md#routes) [f](../README.md#roads) [g](../Makefile#help)"
    assert broken(page, text) == ["nothing.md", "#exit-code", "../README.md#roads", "../Makefile#help"]


def test_pages_that_code_names_are_there():
    named = {}
    for name in TRACKED:
        if name.startswith(("playground/assets/", "testdata/")) or not (ROOT / name).is_file():
            continue
        text = (ROOT / name).read_bytes().decode("utf-8", "ignore")
        for page, anchor in re.findall(r"(?<![\w/-])docs/([\w/-]+\.md)(?:#([\w-]+))?", text):
            named.setdefault((f"docs/{page}", anchor), name)
    assert len(named) > 10
    missing = {what: where for what, where in named.items() if not (ROOT / what[0]).exists() or what[1] and what[1] not in anchors(ROOT / what[0])}
    assert not missing


def test_no_page_is_forgotten():
    """README or ARCHITECTURE.md leads to every page for users, the list of decisions to every decision."""
    lead = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "ARCHITECTURE.md"))
    assert not [name for name in PAGES if re.fullmatch(r"docs/[\w-]+\.md", name) and name not in lead]
    listed = (ROOT / "docs/decisions/README.md").read_text(encoding="utf-8")
    decisions = sorted((ROOT / "docs/decisions").glob("0*.md"))
    assert len(decisions) > 20
    for page in decisions:
        number, title = page.name[:4], page.read_text(encoding="utf-8").partition("\n")[0]
        assert title.startswith(f"# {number} "), f"{page.name} begins with {title}"
        assert f"| [{number}]({page.name}) |" in listed, page.name


FOLDERS = {name.split("/")[0] for name in TRACKED if "/" in name} - {"docs"}


def test_paths_that_pages_name_are_there():
    """A file or folder of this repository that a page names in code, as `proxy/count.go`."""
    made = {"scripts/benchmark_result.json"}
    named = {}
    for page in PAGES:
        for path in re.findall(r"`(?:\./)?([a-z]+/[\w./-]*\w)/?`", plain(ROOT / page)):
            if path.split("/")[0] in FOLDERS:
                named[path] = page
    assert len(named) > 60
    assert not {path: page for path, page in named.items() if path not in made and not (ROOT / path).exists() and not (ROOT / page).parent.joinpath(path).exists()}
