"""README in Korean and Russian have what the English one has: parts, rows, commands and links."""

import pathlib
import re

import pytest
from blocks import blocks as marked

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRANSLATIONS = ["README.ko.md", "README.ru.md"]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str) -> list[str]:
    """Code blocks without their comments, which are translated."""
    found = re.findall(r"^```(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [re.sub(r"\s*#.*", "", block) for block in found]


def shape(text: str) -> dict:
    plain = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return {
        "headings": re.findall(r"^(#+) ", plain, re.MULTILINE),
        "rows": [row.count("|") for row in re.findall(r"^\|.*$", plain, re.MULTILINE)],
        "items": len(re.findall(r"^(?:\d+\.|-) ", plain, re.MULTILINE)),
        "links": sorted(link for link in re.findall(r"\]\(([^)]+)\)", plain) if not link.startswith("README")),
    }


@pytest.mark.parametrize("name", TRANSLATIONS)
def test_translation_has_the_same_parts(name):
    assert shape(read(name)) == shape(read("README.md"))


@pytest.mark.parametrize("name", TRANSLATIONS)
def test_translation_has_the_same_commands(name):
    assert blocks(read(name)) == blocks(read("README.md"))
    assert [block.mark for block in marked(name)] == [block.mark for block in marked("README.md")]


@pytest.mark.parametrize("name", TRANSLATIONS)
def test_translation_names_the_same_code(name):
    def named(text):
        return set(re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)))
    assert named(read(name)) == named(read("README.md"))


def test_each_names_the_others():
    for name in ["README.md", *TRANSLATIONS]:
        first = "".join(read(name).split("\n")[1:4])
        assert set(re.findall(r"\((README[.a-z]*md)\)", first)) == {"README.md", *TRANSLATIONS} - {name}
