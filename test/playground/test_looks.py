"""Every tab with results on it: axe's rules in light and dark, narrow screens, and languages."""

import re

import httpx
import pytest
from playwright.sync_api import Page, expect

from visitor import Visitor

TABS = ["embed", "rerank", "compare", "search", "models"]
NARROW = {"width": 360, "height": 740}

# Words that stay as they are in every language: names of things, formats, units, settings, and states as the server calls them.
KEPT = """
Quadrate API OpenAPI PCA CSV JSON NPY JSONL csv txt jsonl npy float32 numpy load top_n top k tau Spearman Kendall ONNX onnxruntime
curl Python JavaScript Go Excel cpu CPU linux amd64 arm64 embed rerank classify English Ctrl ms logit sigmoid Matryoshka unavailable
""".split()


def fill(visitor: Visitor, tab: str) -> Page:
    """Opens a tab and presses its button: without a word typed there is something to see."""
    page = visitor.open(tab)
    panel = page.locator(f"#panel-{tab}")
    if tab == "models":
        expect(panel.get_by_role("article").first).to_be_visible()
        return page
    button = panel.locator("button.primary").first
    expect(button).to_be_enabled()
    button.click()
    done = {"embed": ".chart", "compare": ".chart", "rerank": "ol.ranked", "search": "ol.ranked >> nth=1"}[tab]
    expect(panel.locator(done).first).to_be_visible()
    if tab in ("embed", "compare"):
        expect(panel.locator("canvas").first).to_be_visible()
    return page


def open_all(page: Page) -> None:
    """What is folded is shown, too."""
    page.evaluate("document.querySelectorAll('main section:not([hidden]) details').forEach((d) => { d.open = true; })")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("tab", TABS)
def test_accessible(visit, server, tab, scheme):
    visitor = visit(server, color_scheme=scheme)
    page = fill(visitor, tab)
    visitor.picture(f"{tab}-{scheme}")
    open_all(page)
    visitor.accessible()


@pytest.mark.parametrize("tab", TABS)
def test_narrow(visit, server, tab):
    """Nothing but what scrolls within itself is wider than the screen."""
    visitor = visit(server, viewport=NARROW, has_touch=True)
    page = fill(visitor, tab)
    open_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    visitor.accessible()
    visitor.picture(f"{tab}-narrow")


# What people read, or have read to them; their own texts and names of models are none of it.
WORDS = """() => {
  const said = [];
  const own = (e) => e.closest("pre, code, q, textarea, option[value*='/'], .text, .reason, option[lang], canvas, .mono, [translate=no]");
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let n = walk.nextNode(); n; n = walk.nextNode()) {
    const e = n.parentElement;
    if (n.data.trim() && e.checkVisibility() && !own(e) && !["SCRIPT", "STYLE", "NOSCRIPT"].includes(e.tagName)) said.push(n.data.trim());
  }
  for (const e of document.querySelectorAll("[aria-label], [title], [placeholder]")) {
    if (!e.checkVisibility() || own(e)) continue;
    for (const name of ["aria-label", "title", "placeholder"]) if (e.getAttribute(name)) said.push(e.getAttribute(name));
  }
  return said;
}"""


@pytest.mark.parametrize("language", ["ko", "ru"])
@pytest.mark.parametrize("tab", TABS)
def test_language(visit, server, tab, language):
    """The browser's language is the page's, and no English is left in it."""
    visitor = visit(server, locale={"ko": "ko-KR", "ru": "ru-RU"}[language])
    page = fill(visitor, tab)
    expect(page.locator("html")).to_have_attribute("lang", language)
    open_all(page)
    health = httpx.get(server.url + "/health").json()
    # What the server says of itself and its models stays as it says it.
    names = [str(v) for m in health["models"] for v in (m["name"], m.get("reason"), m.get("variant"), m.get("provider"), *(m.get("notes") or [])) if v]
    names += [health["version"], health.get("runtime") or "", *(health.get("machine", {}).get("instruction_set") or [])]
    left = []
    for said in page.evaluate(WORDS):
        for name in sorted(names, key=len, reverse=True):
            said = said.replace(name, "")
        if english := [word for word in re.findall(r"[A-Za-z_][A-Za-z0-9_]{2,}", said) if word not in KEPT]:
            left.append((english, said))
    assert not left, left
    letters = {"ko": "[가-힣]", "ru": "[а-яё]"}[language]
    assert len([said for said in page.evaluate(WORDS) if re.search(letters, said)]) > 20
    visitor.picture(f"{tab}-{language}")


def test_languages_are_switched(visitor):
    page = fill(visitor, "rerank")
    for language, word in [("ko", "리랭킹"), ("ru", "Реранкинг"), ("en", "Rerank")]:
        page.locator("header select").first.select_option(language)
        expect(page.get_by_role("tab", name=word, exact=True)).to_be_visible()
        # What was found stays.
        expect(page.locator("#panel-rerank ol.ranked")).to_be_visible()
