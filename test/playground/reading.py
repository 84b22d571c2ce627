"""What stands on the page, as numbers and words, and what the server and numpy say to the same."""

import base64
import dataclasses
import re

import httpx
import numpy as np
from playwright.sync_api import Locator, Page, expect

from servers import MODEL

MEAN = "test/bert-mean"
RERANKER = "test/xlmr-rerank"
HIDDEN = "private/bert-mean"

# What a page of strangers' texts may hold, and must show as it is.
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(2)</script>",
    "\"><svg onload=alert(3)>",
    "{a|alert} javascript:alert(4)",
    "&lt;b&gt; & <b>bold</b>",
    "=HYPERLINK(\"http://example.com\")",
    "\u202etxet\u202c \u0000 \ufeff naïve 한국어 🙂",
]


def facts(scope: Page | Locator) -> dict[str, str]:
    """The names and values of the first list of facts."""
    shown = scope.locator("dl").first
    expect(shown).to_be_visible()
    return dict(zip(shown.get_by_role("term").all_inner_texts(), shown.get_by_role("definition").all_inner_texts(), strict=True))


def number(text: str) -> float:
    """The first number in a text, as English writes it."""
    return float(re.search(r"[-−]?[0-9][0-9,]*(\.[0-9]+)?", text).group().replace("−", "-").replace(",", ""))


def table(scope: Page | Locator, name: str | None = None) -> list[dict[str, str]]:
    """The rows of the table that can be seen, or of that with such a caption: cells by the names of their columns."""
    found = scope.get_by_role("table", name=name) if name else scope.get_by_role("table")
    expect(found).to_be_visible()
    rows = found.evaluate("t => [...t.rows].map((r) => [...r.cells].map((c) => c.innerText.trim()))")
    # A sorting arrow is no part of a name.
    head = [re.sub(r"\s*[↕↑↓]$", "", name) for name in rows[0]]
    return [dict(zip(head, row, strict=True)) for row in rows[1:]]


@dataclasses.dataclass
class Ranked:
    """A document in a ranked list, as it is shown."""

    position: int
    text: str
    notes: str
    score: float

    @property
    def gain(self) -> int:
        """How many places it went up."""
        moved = re.search(r"\b(up|down) (\d+)", self.notes)
        return int(moved[2]) * (1 if moved[1] == "up" else -1) if moved else 0


def ranking(scope: Page | Locator, name: str) -> list[Ranked]:
    """The items of a ranked list."""
    found = scope.get_by_role("list", name=name, exact=True)
    expect(found).to_be_visible()
    items = found.evaluate("""l => [...l.children].map((i) => [".rank", ".text", "small", ".score"].map((part) => i.querySelector(part).textContent))""")
    return [Ranked(int(number(position)), text, notes, number(score)) for position, text, notes, score in items]


def embedded(url: str, texts: list[str], model: str = MODEL, key: str = "") -> tuple[np.ndarray, dict]:
    """What the server answers to the same texts, and its usage."""
    body = {"model": model, "input": texts, "encoding_format": "base64"}
    answer = httpx.post(f"{url}/v1/embeddings", json=body, headers={"Authorization": f"Bearer {key}"} if key else {}, timeout=60).raise_for_status().json()
    return np.stack([np.frombuffer(base64.b64decode(d["embedding"]), "<f4") for d in answer["data"]]), answer["usage"]


def reranked(url: str, query: str, documents: list[str], model: str, **more) -> list[dict]:
    body = {"model": model, "query": query, "documents": documents, **more}
    return httpx.post(f"{url}/v1/rerank", json=body, timeout=60).raise_for_status().json()["results"]


def cosine(v: np.ndarray) -> np.ndarray:
    v = v.astype(np.float64)
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    return v @ v.T
