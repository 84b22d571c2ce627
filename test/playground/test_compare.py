"""The tab Compare: similarities, correlations and disagreements of models, against SciPy's."""

import csv
import io

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from scipy.stats import kendalltau, rankdata, spearmanr

from reading import HOSTILE, MEAN, cosine, embedded, number, table
from servers import MODEL


@pytest.fixture()
def page(visitor):
    page = visitor.open("compare")
    expect(page.get_by_label(MODEL)).to_be_checked()
    expect(page.get_by_label(MEAN)).to_be_checked()
    return page


def written(page: Page) -> list[str]:
    return page.get_by_label("Texts, one per line").input_value().splitlines()


def run(page: Page) -> None:
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.get_by_text("Compared 2 models")).to_be_visible()


def pairs(url: str, texts: list[str], model: str) -> np.ndarray:
    """The similarities of the pairs i < j."""
    return cosine(embedded(url, texts, model)[0])[np.triu_indices(len(texts), 1)]


def test_agreement(page, visitor, server):
    run(page)
    texts = written(page)
    a, b = (pairs(server.url, texts, model) for model in (MODEL, MEAN))
    row, = table(page, "Rank correlation over all pairs of texts")
    assert row["Pair of models"] == f"{MODEL} and {MEAN}"
    assert number(row["Spearman’s ρ"]) == pytest.approx(spearmanr(a, b).statistic, abs=0.00051)
    assert number(row["Kendall’s τ-b"]) == pytest.approx(kendalltau(a, b).statistic, abs=0.00051)
    visitor.picture("compare-light")


def test_costs(page, server):
    run(page)
    rows = {row["Model"]: row for row in table(page, "Times, tokens and vectors")}
    for model in (MODEL, MEAN):
        vectors, usage = embedded(server.url, written(page), model)
        assert number(rows[model]["Dimensions"]) == vectors.shape[1]
        assert number(rows[model]["Tokens"]) == usage["total_tokens"]
        assert number(rows[model]["Latency"]) > 0


def test_disagreements(page, server):
    run(page)
    texts = written(page)
    a, b = (pairs(server.url, texts, model) for model in (MODEL, MEAN))
    # Rank 1 is the most similar pair.
    ranks = rankdata(-a), rankdata(-b)
    apart = np.sort(np.abs(ranks[0] - ranks[1]))[::-1]
    places = {(texts[i], texts[j]): k for k, (i, j) in enumerate(zip(*np.triu_indices(len(texts), 1), strict=True))}
    rows = table(page, "Largest rank differences first")
    assert [number(row["Rank difference"]) for row in rows] == apart[:len(rows)].tolist()
    for row in rows:
        k = places[row["First text"], row["Second text"]]
        assert (number(row["Rank A"]), number(row["Rank B"])) == (ranks[0][k], ranks[1][k])
        assert (number(row["Cosine A"]), number(row["Cosine B"])) == pytest.approx((a[k], b[k]), abs=0.00051)
    with page.expect_download() as saved:
        page.get_by_role("button", name="All pairs as CSV").click()
    with open(saved.value.path(), encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.reader(io.StringIO(file.read())))) == len(a) + 1


def test_maps_share_an_order(page, server):
    run(page)
    texts = written(page)
    page.get_by_label("Order of the texts").select_option(label=f"Clustered by {MEAN}")
    for summary in page.get_by_role("figure").get_by_text("As a table").all():
        summary.click()
    orders = []
    for model in (MODEL, MEAN):
        want = cosine(embedded(server.url, texts, model)[0])
        rows = table(page.get_by_role("figure").filter(has_text=model))
        order = [int(name) - 1 for name in list(rows[0])[1:]]
        got = np.array([[number(cell) for cell in list(row.values())[1:]] for row in rows])
        np.testing.assert_allclose(got, want[np.ix_(order, order)], atol=0.00051)
        orders.append(order)
    assert orders[0] == orders[1] != list(range(len(texts)))


def test_a_model_that_fails_takes_nothing_from_the_others(page, visitor):
    visitor.expects("console error: Failed to load resource: .* 404")
    page.get_by_label("absent/model").check()
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.get_by_role("heading", name="absent/model gave no result")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("alert")).to_contain_text("404 model_not_found")
    assert len(table(page, "Rank correlation over all pairs of texts")) == 1


def test_hostile_texts(page):
    page.get_by_label("Texts, one per line").fill("\n".join(HOSTILE))
    run(page)
    rows = table(page, "Largest rank differences first")
    assert set(HOSTILE[:5]) <= {row[side] for row in rows for side in ("First text", "Second text")}
    assert page.locator("main img, main svg, main b, main script, main iframe").count() == 0
