"""The tab Search: what is retrieved, what reranking makes of it, and what moved."""

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from reading import HOSTILE, RERANKER, embedded, facts, number, ranking, reranked, table
from servers import MODEL


@pytest.fixture()
def page(visitor):
    page = visitor.open("search")
    expect(page.get_by_label("Embedding model")).to_have_value(MODEL)
    # A cross-encoder is chosen where there is one.
    expect(page.get_by_label("Reranker", exact=True)).to_have_value(RERANKER)
    return page


def written(page: Page) -> tuple[str, list[str]]:
    return page.get_by_label("Query", exact=True).input_value(), page.get_by_label("Documents, one per line").input_value().splitlines()


def run(page: Page) -> None:
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.get_by_role("heading", name="Reranked")).to_be_visible()


def test_retrieved_and_reranked(page, visitor, server):
    k = 6
    page.get_by_label("Candidates to rerank").fill(str(k))
    run(page)
    query, documents = written(page)
    vectors = embedded(server.url, [query, *documents])[0].astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = vectors[1:] @ vectors[0]
    before = sorted(range(len(documents)), key=lambda i: -scores[i])[:k]
    shown = ranking(page, "Retrieved")
    assert [d.text for d in shown] == [documents[i] for i in before]
    assert [d.score for d in shown] == pytest.approx([scores[i] for i in before], abs=0.000051)

    want = reranked(server.url, query, [documents[i] for i in before], RERANKER)
    shown = ranking(page, "Reranked")
    assert [d.text for d in shown] == [documents[before[r["index"]]] for r in want]
    assert [d.score for d in shown] == pytest.approx([r["relevance_score"] for r in want], abs=0.000051)
    assert [d.gain for d in shown] == [r["index"] - i for i, r in enumerate(want)]

    moves = [abs(r["index"] - i) for i, r in enumerate(want)]
    assert number(facts(page.get_by_role("tabpanel", name="Search"))["Mean move"]) == pytest.approx(np.mean(moves), abs=0.051)
    visitor.picture("search-light")


def test_documents_are_embedded_once(page, visitor):
    run(page)
    sent = visitor.requests.count(f"{visitor.server.url}/v1/embeddings")
    page.get_by_label("Query", exact=True).fill("How do I change my password?")
    page.get_by_label("Query", exact=True).press("Enter")
    expect(page.get_by_text("kept from before")).to_be_visible()
    assert visitor.requests.count(f"{visitor.server.url}/v1/embeddings") == sent + 1
    steps = table(page)
    assert number(steps[-1]["As seen here"]) > 0


def test_thousands_of_documents(page, server):
    documents = [f"Note {i} on {'parcels' if i % 50 else 'refunds of double payments'} in warehouse {i * 31 % 977}" for i in range(1500)]
    page.get_by_label("From a file").set_input_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": "\n".join(documents).encode()})
    page.get_by_label("Query", exact=True).fill("double payment refunded")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.get_by_role("heading", name="Reranked")).to_be_visible(timeout=300_000)
    shown = ranking(page, "Retrieved")
    assert len(shown) == 10 and all("refunds" in d.text for d in shown)


def test_hostile_texts(page):
    page.get_by_label("Documents, one per line").fill("\n".join(HOSTILE))
    page.get_by_label("Query", exact=True).fill(HOSTILE[0])
    run(page)
    assert set(HOSTILE[:6]) <= {d.text for d in ranking(page, "Reranked")}
    assert page.locator("main img, main svg, main b, main script, main iframe").count() == 0
