"""Who is told of a model finds in docs/models.md how large it is, whose licence it has and how to get it."""

import re
import subprocess

from blocks import ROOT

PUBLISHERS = "sentence-transformers|BAAI|nlpai-lab|intfloat|Alibaba-NLP|Qwen|nomic-ai|jinaai|mixedbread-ai|Snowflake"
TABLES = [line for line in (ROOT / "docs/models.md").read_text(encoding="utf-8").splitlines() if re.match(rf"\| ({PUBLISHERS}|google)/", line)]
COLUMNS = {7: "embedding model", 6: "reranker"}


def listed() -> set[str]:
    """The names in the tables; -4B and -8B beside one stand for that name with them."""
    names = set()
    for line in TABLES:
        first, *others = re.findall(r"(?<![\w.])(?:[\w-]+/[\w.-]+|-\d+B)", line.split("|")[1])
        names |= {first, *(re.sub(r"-[\d.]+B$", other, first) for other in others)}
    return names


def test_every_row_is_whole():
    assert len(TABLES) > 20
    for line in TABLES:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert len(cells) in COLUMNS and all(cells), line
        assert re.search(r"\d", cells[1]) and cells[2] != "–", f"size and licence: {line}"


def test_models_that_are_offered_are_listed():
    files = subprocess.run(["git", "ls-files", "configs", "deploy", "examples", "docs/*.md", "README.md", ".env.example"],
                           cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    offered = {}
    for name in files:
        for model in re.findall(rf"\b(?:{PUBLISHERS})/[A-Za-z0-9][\w.-]*\w", (ROOT / name).read_text(encoding="utf-8")):
            offered[model] = name
    assert len(offered) > 10
    assert not {model: name for model, name in offered.items() if model not in listed()}
