"""The tab Rerank: lists, positions and correlations are what the server's scores say."""

import re

import pytest
from playwright.sync_api import Page, expect
from scipy.stats import kendalltau, spearmanr

from reading import HOSTILE, MEAN, RERANKER, facts, number, ranking, reranked
from servers import MODEL


@pytest.fixture()
def page(visitor):
    page = visitor.open("rerank")
    expect(page.get_by_label("Reranker", exact=True)).to_have_value(MODEL)
    return page


def written(page: Page) -> tuple[str, list[str]]:
    return page.get_by_label("Query", exact=True).input_value(), page.get_by_label("Documents", exact=True).input_value().splitlines()


def run(page: Page) -> None:
    page.get_by_role("button", name="Rerank", exact=True).click()


def ranked(page: Page, model: str):
    return ranking(page, f"Documents ranked by {model}")


@pytest.mark.parametrize("model", [MODEL, RERANKER])
def test_ranking(page, visitor, server, model):
    page.get_by_label("Reranker", exact=True).select_option(model)
    query, documents = written(page)
    assert len(documents) >= 4
    run(page)
    shown = ranked(page, model)
    want = reranked(server.url, query, documents, model)
    assert [d.text for d in shown] == [documents[r["index"]] for r in want]
    assert [d.position for d in shown] == list(range(1, len(documents) + 1))
    assert [d.gain for d in shown] == [r["index"] - i for i, r in enumerate(want)]
    assert [int(re.search(r"no\. (\d+)", d.notes)[1]) for d in shown] == [r["index"] + 1 for r in want]
    assert [d.score for d in shown] == pytest.approx([r["relevance_score"] for r in want], abs=0.000051)
    visitor.picture(f"rerank-{model.split('/')[-1]}")


def test_raw_scores_and_top_n(page, server):
    page.get_by_label("Reranker", exact=True).select_option(RERANKER)
    page.get_by_label("Raw scores").check()
    page.get_by_label("Return at most").fill("3")
    query, documents = written(page)
    run(page)
    want = reranked(server.url, query, documents, RERANKER, raw_scores=True, top_n=3)
    shown = ranked(page, RERANKER)
    assert [d.text for d in shown] == [documents[r["index"]] for r in want]
    assert [d.score for d in shown] == pytest.approx([r["relevance_score"] for r in want], rel=0.005, abs=0.000051)
    assert "logit" in facts(page.get_by_role("region", name="Results"))["Kind of score"]


def test_two_rerankers(page, visitor, server):
    page.get_by_label("Compare with a second reranker").check()
    page.get_by_label("Reranker A").select_option(MODEL)
    page.get_by_label("Reranker B").select_option(RERANKER)
    query, documents = written(page)
    run(page)
    lists = {model: reranked(server.url, query, documents, model) for model in (MODEL, RERANKER)}
    for model, want in lists.items():
        assert [d.text for d in ranked(page, model)] == [documents[r["index"]] for r in want]
    a, b = ([{r["index"]: r["relevance_score"] for r in lists[m]}[i] for i in range(len(documents))] for m in lists)
    shown = facts(page.get_by_role("region", name="Results"))
    assert number(shown["Spearman’s ρ"]) == pytest.approx(spearmanr(a, b).statistic, abs=0.00051)
    assert number(shown["Kendall’s τ-b"]) == pytest.approx(kendalltau(a, b).statistic, abs=0.00051)
    visitor.picture("rerank-two")


def test_one_reranker_fails(page, visitor):
    """What the other has answered is shown, and the server's own words about the one that failed."""
    visitor.expects("console error: Failed to load resource: .* 404")
    page.get_by_label("Compare with a second reranker").check()
    page.get_by_label("Reranker A").select_option("absent/model")
    page.get_by_label("Reranker B").select_option(MEAN)
    with page.expect_response(lambda r: r.status == 404) as refused:
        run(page)
    expect(page.get_by_role("region", name="Results").get_by_role("alert")).to_contain_text(refused.value.json()["error"]["message"])
    assert len(ranked(page, MEAN)) == len(written(page)[1])


def test_hostile_texts(page):
    page.get_by_label("Query", exact=True).fill(HOSTILE[0])
    page.get_by_label("Documents", exact=True).fill("\n".join(HOSTILE))
    run(page)
    assert set(HOSTILE[:6]) <= {d.text for d in ranked(page, MODEL)}
    expect(page.get_by_text(f"Query: {HOSTILE[0]}")).to_be_visible()
    assert page.locator("main img, main svg, main b, main script, main iframe").count() == 0


def test_documents_of_several_lines(page):
    page.get_by_label("Blank lines").check()
    page.get_by_label("Documents", exact=True).fill("one\nand more\n\ntwo\n\n\nthree")
    run(page)
    assert {d.text for d in ranked(page, MODEL)} == {"one\nand more", "two", "three"}
