"""Figures that pages repeat are those of docs/benchmarks: who measures anew is told what to write anew."""

import re

import pytest
from blocks import ROOT


def read(name: str) -> str:
    return (ROOT / f"docs/{name}.md").read_text(encoding="utf-8")


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


FIGURES, GATEWAY = rows(read("benchmarks/figures")), rows(read("benchmarks/gateway"))
TARGETS = [row for row in [*FIGURES, *GATEWAY] if row[-1] in ("yes", "no")]
HTTP = {(row[0], row[1]): row[3:7] for row in FIGURES if row[2:3] == ["server over HTTP"]}


def target(start: str) -> list[str]:
    return next(row for row in TARGETS if row[0].startswith(start))


def figures() -> list[tuple[str, str]]:
    """A page, and what it says as the benchmarks have it."""
    told = []
    for load in (("W4", "32"), ("W3", "64"), ("W1", "1"), ("W2", "4")):
        tokens, _, p50, p99 = HTTP[load]
        told.append(("runbook", f"| {int(tokens):,} "))
        told += [("runbook", f"| {round(float(ms))} ms ") for ms in (p50, p99)]
    way = {row[0]: row for row in GATEWAY}["gateway"]
    for page in ("runbook", "performance"):
        told += [(page, f"{int(way[column]):,}") for column in (3, 4)]
        told.append((page, f"{float(target('gateway less direct, p50')[2]):.2f} ms at the median"))
    overhead = [f"{float(number):.2f}" for number in target("p50 of a 16-token embedding")[2:5]]
    told.append(("performance", "{} ms at the median ({} to {} over three rounds)".format(*overhead)))
    told.append(("performance", f"{target('cold start to ready')[2][:4]} s with MiniLM"))
    told.append(("performance", f"padding efficiency {float(target('padding efficiency of saturated W3, server')[2]):.2f}"))
    told += [("performance", f"{float(row[2]):.2f}"[:4]) for row in TARGETS if row[-1] == "no"]
    return told


@pytest.mark.parametrize(("page", "figure"), sorted(set(figures())))
def test_figure_is_the_benchmarks(page, figure):
    assert figure in read(page), f"docs/{page}.md does not say {figure}, which docs/benchmarks has"


def test_what_was_missed_is_told():
    words = {5: "Five", 6: "Six", 7: "Seven", 8: "Eight", 18: "eighteen"}
    engine = [row for row in FIGURES if row[-1] in ("yes", "no")]
    missed = [row for row in engine if row[-1] == "no"]
    assert f"{words[len(missed)]} of the {words[len(engine)]} targets were not met" in read("performance")


def test_dates_are_the_benchmarks():
    for name in ("figures", "gateway"):
        date = re.search(r"Written by .* on (\d{4}-\d\d-\d\d)", read(f"benchmarks/{name}"))[1]
        row = next(row for row in rows(read("performance")) if row[0].startswith(f"[{name}.md]"))
        assert row[2] == date
