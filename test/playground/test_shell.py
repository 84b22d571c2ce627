"""The page around the tabs: reached by the keyboard, in three languages, light and dark, on narrow screens, and with keys."""


from playwright.sync_api import Page, expect

from reading import HIDDEN, MEAN
from servers import MODEL

TABS = ["Embed", "Rerank", "Compare", "Search", "Models"]


def shown(page: Page) -> list[str]:
    """Which of the tabs' panels can be seen."""
    return [tab for tab in TABS if page.get_by_role("tabpanel", name=tab, exact=True).count()]


def test_tabs_by_keyboard(visitor):
    page = visitor.open()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    for _ in range(20):
        if page.evaluate("document.activeElement.getAttribute('role')") == "tab":
            break
        page.keyboard.press("Tab")
    expect(page.get_by_role("tab", name="Embed")).to_be_focused()
    presses = ["ArrowRight", "End", "ArrowRight", "ArrowLeft", "Home", "ArrowRight"]
    for press, tab in zip(presses, ["Rerank", "Models", "Embed", "Models", "Embed", "Rerank"], strict=True):
        page.keyboard.press(press)
        expect(page.get_by_role("tab", name=tab)).to_be_focused()
        expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
        assert shown(page) == [tab]
    page.reload()
    expect(page.get_by_role("tab", name="Rerank")).to_have_attribute("aria-selected", "true")


def test_skip_link_leads_to_the_content(visitor):
    page = visitor.open("rerank")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    expect(page.get_by_role("tab", name="Rerank")).to_have_attribute("aria-selected", "true")


def test_run_by_keyboard_alone(visitor):
    """From the field of texts to the result, without a mouse."""
    page = visitor.open("embed")
    expect(page.get_by_label("Model", exact=True)).to_have_value(MODEL)
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "TEXTAREA":
            break
    page.keyboard.press("Control+A")
    page.keyboard.type("one\ntwo\nthree")
    button = page.get_by_role("button", name="Embed", exact=True)
    for _ in range(10):
        page.keyboard.press("Tab")
        if button.evaluate("b => b === document.activeElement"):
            break
    # The focus can be seen.
    assert button.evaluate("b => getComputedStyle(b).outlineStyle") != "none"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Result")).to_be_visible()


def test_wrong_key(visitor):
    """The server's own words are shown, and the key goes nowhere but to the server and the tab's own storage."""
    visitor.expects("console error: Failed to load resource: .* 401")
    page = visitor.open("embed")
    expect(page.get_by_label("Model", exact=True)).to_have_value(MODEL)
    secret = "qk-<img src=x onerror=alert(1)>"
    page.get_by_label("API key").fill(secret)
    with page.expect_response(lambda r: r.status == 401) as refused:
        pass
    said = refused.value.json()["error"]
    problem = page.get_by_role("tabpanel", name="Embed").get_by_role("alert").first
    expect(problem).to_contain_text(said["message"])
    expect(problem).to_contain_text(f"401 {said['code']}")
    stored = page.evaluate("[JSON.stringify(sessionStorage), JSON.stringify(localStorage), document.cookie, location.href]")
    assert secret in stored[0].replace('\\"', '"')
    assert not any("qk-" in place for place in stored[1:])
    assert not any("qk-" in url for url in visitor.requests)
    visitor.accessible()
    visitor.picture("wrong-key")
    page.get_by_label("API key").fill("")
    expect(page.get_by_label("Model", exact=True)).to_have_value(MODEL)
    assert page.evaluate("sessionStorage.length") == 0


def test_key_may_do_more(visitor, keys):
    page = visitor.open("embed")
    choice = page.get_by_label("Model", exact=True)
    expect(choice.locator("option", has_text=MEAN)).to_have_count(1)
    expect(choice.locator("option", has_text=HIDDEN)).to_have_count(0)
    field = page.get_by_label("API key")
    expect(field).to_have_attribute("type", "password")
    field.fill(keys.admin)
    expect(choice.locator("option", has_text=HIDDEN)).to_have_count(1)
    page.reload()
    expect(field).to_have_value(keys.admin)
    page.get_by_role("button", name="Show", exact=True).click()
    expect(field).to_have_attribute("type", "text")
    # Another window of the same browser does not have it.
    other = visitor.context.new_page()
    other.goto(visitor.server.url + "/playground")
    expect(other.get_by_label("API key")).to_have_value("")


def test_server_that_wants_a_key(visit, guarded, keys):
    visitor = visit(guarded)
    visitor.expects("console error: Failed to load resource: .* 401")
    page = visitor.open("embed")
    expect(page.get_by_role("alert").first).to_contain_text("401")
    page.get_by_label("API key").fill(keys.admin)
    expect(page.get_by_label("Model", exact=True)).to_have_value(MODEL)
    expect(page.get_by_role("alert")).to_have_count(0)
    page.get_by_role("button", name="Embed", exact=True).click()
    expect(page.get_by_role("heading", name="Result")).to_be_visible()


def test_what_a_server_says_is_text(visitor):
    """Another server's words, played here: names and errors are shown, and are no markup."""
    name, said = "<img src=x onerror=alert(1)>", "<script>alert(2)</script> <b>no</b>"
    model = {"id": name, "tasks": ["embed", "rerank"], "state": "ready"}
    error = {"error": {"message": said, "type": "x", "param": None, "code": "<i>code</i>"}}
    visitor.page.route("**/v1/models", lambda route: route.fulfill(json={"data": [model]}))
    visitor.page.route("**/v1/embeddings", lambda route: route.fulfill(status=400, json=error))
    visitor.expects("console error: Failed to load resource: .* 400")
    page = visitor.open("embed")
    expect(page.get_by_label("Model", exact=True)).to_have_value(name)
    page.get_by_role("button", name="Embed", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text(f"400 <i>code</i> {said}")
    page.get_by_text("As the server answered").click()
    expect(page.get_by_role("alert").locator("pre")).to_contain_text("<script>alert(2)")
    assert page.locator("main img, main svg, main b, main i, main script, main iframe").count() == 0


def test_settings_are_kept(visitor):
    page = visitor.open()
    page.get_by_label("Colours").select_option("dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_role("combobox", name="Language").select_option("ru")
    expect(page.locator("html")).to_have_attribute("lang", "ru")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("tab", name="Реранкинг")).to_be_visible()
