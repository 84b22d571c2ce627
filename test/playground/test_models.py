"""The tab Models: live, and for admins with buttons that load and unload."""

import re

import httpx
from playwright.sync_api import expect

from reading import HIDDEN, MEAN, RERANKER, embedded, facts, number
from servers import MINILM, MODEL, quadrate


def card(page, model):
    return page.get_by_role("article", name=model, exact=True)


def test_what_runs(visitor):
    page = visitor.open("models")
    health = httpx.get(visitor.server.url + "/health").json()
    for model in health["models"]:
        shown = card(page, model["name"])
        expect(shown).to_be_visible()
        if model["state"] != "ready":
            expect(shown).to_contain_text(model["reason"])
            continue
        everything = shown.inner_text()
        for value in (model["backend"], model["provider"], model["variant"], *model["tasks"]):
            assert value in everything
    expect(page.get_by_text(health["version"])).to_be_visible()
    expect(page.get_by_text("with the API key of an admin")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^(Load|Unload)"))).to_have_count(0)


def test_it_is_live(visitor, server):
    page = visitor.open("models")
    shown = card(page, MEAN)
    before = number(facts(shown)["Requests"])
    embedded(server.url, ["one"], MEAN)
    expect(shown.get_by_role("definition").filter(has_text=re.compile(f"^{before + 1:.0f}$"))).to_be_visible()
    expect(shown.get_by_role("img", name=re.compile("Mean latency: last .* ms"))).to_be_visible()
    visitor.picture("models-light")
    # Nobody looks: nothing is asked.
    page.get_by_role("tab", name="Embed").click()
    page.wait_for_timeout(300)
    asked = len([url for url in visitor.requests if "/health" in url])
    page.wait_for_timeout(2500)
    assert len([url for url in visitor.requests if "/health" in url]) == asked


def test_unload_and_load(visitor, keys):
    page = visitor.open("models")
    page.get_by_label("API key").fill(keys.admin)
    shown = card(page, RERANKER)
    button = page.get_by_role("button", name=f"Unload {RERANKER}")
    button.click()
    dialog = page.get_by_role("dialog", name=f"Unload {RERANKER}?")
    expect(dialog).to_be_visible()
    visitor.accessible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()
    button.click()
    dialog.get_by_role("button", name="Unload").click()
    expect(shown.get_by_text("Taken out of memory")).to_be_visible()
    expect(page.get_by_role("button", name=f"Load {RERANKER}")).to_be_visible()
    models = {m["name"]: m["state"] for m in httpx.get(visitor.server.url + "/health").json()["models"]}
    assert models[RERANKER] != "ready" and models[MODEL] == "ready"
    visitor.picture("models-unloaded")
    page.get_by_role("button", name=f"Load {RERANKER}").click()
    expect(shown.get_by_text(re.compile("^Loaded in"))).to_be_visible(timeout=30_000)
    expect(page.get_by_role("button", name=f"Unload {RERANKER}")).to_be_visible()
    assert {m["name"]: m["state"] for m in httpx.get(visitor.server.url + "/health").json()["models"]}[RERANKER] == "ready"
    expect(card(page, HIDDEN)).to_be_visible()


def test_server_that_goes(visit, tmp_path):
    running = quadrate(tmp_path / "server", [MINILM])
    visitor = visit(running)
    visitor.expects("request failed: .*/health .*ERR_CONNECTION_REFUSED", "Failed to load resource: net::ERR_CONNECTION_REFUSED")
    try:
        page = visitor.open("models")
        expect(card(page, MODEL)).to_be_visible()
    finally:
        running.stop()
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached", timeout=10_000)
