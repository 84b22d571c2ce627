"""Somebody at a browser."""

import re
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from servers import ROOT, Server

PICTURES = ROOT / "var/log/playground"
TIMEOUT_MS = 20_000
expect.set_options(timeout=TIMEOUT_MS)

# What is wrong in a browser and would not be seen: a policy's violation, and tasks that keep the page from answering.
WATCH = """
addEventListener("securitypolicyviolation", (e) => console.error("policy violated:", e.violatedDirective, e.blockedURI));
window.longTasks = [];
new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map((e) => e.duration))).observe({ type: "longtask", buffered: true });
"""


class Visitor:
    """Somebody with a browser of his own, who notes all that goes wrong in it."""

    def __init__(self, browser: Browser, server: Server, **options):
        self.server = server
        self.wrong: list[str] = []
        self.expected: list[str] = []
        self.requests: list[str] = []
        # What the page itself has given up, such as the answer for a key that is typed on.
        self.given_up: list[str] = []
        options = {"viewport": {"width": 1280, "height": 900}, "locale": "en-GB", "reduced_motion": "reduce", **options}
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(TIMEOUT_MS)
        self.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server.url)
        self.context.add_init_script(WATCH)
        self.context.on("console", lambda m: m.type in ("error", "warning") and self.wrong.append(f"console {m.type}: {m.text}"))
        self.context.on("weberror", lambda e: self.wrong.append(f"error: {e.error}"))
        self.context.on("requestfailed", self._failed)
        self.context.on("request", self._note)
        self.context.on("dialog", lambda d: (self.wrong.append(f"dialog: {d.message}"), d.dismiss()))
        self.page: Page = self.context.new_page()

    def _failed(self, request) -> None:
        if request.failure == "net::ERR_ABORTED":
            self.given_up.append(request.url)
        else:
            self.wrong.append(f"request failed: {request.url} {request.failure}")

    def _note(self, request) -> None:
        self.requests.append(request.url)
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and f"{parts.scheme}://{parts.netloc}" != self.server.url:
            self.wrong.append(f"another host is asked: {request.url}")

    def expects(self, *patterns: str) -> None:
        """Says what goes wrong in this test on purpose."""
        self.expected += patterns

    def open(self, tab: str = "embed") -> Page:
        self.page.goto(f"{self.server.url}/playground#{tab}")
        expect(self.page.get_by_role("tablist").first).to_be_visible()
        return self.page

    def picture(self, name: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        # The list of tabs stays in sight, and would stand in the middle.
        self.page.evaluate("scrollTo(0, 0)")
        self.page.screenshot(path=PICTURES / f"{name}.png", full_page=True)

    def settled(self) -> None:
        """Waits until what is drawn bit by bit is drawn."""
        before = None
        for _ in range(20):
            now = self.page.screenshot()
            if now == before:
                return
            before = now
            self.page.wait_for_timeout(200)

    def accessible(self, others: str = "") -> None:
        """Holds what is shown against axe's rules, but for what others have made, of which it is printed."""
        found = Axe().run(self.page).response["violations"]
        ours, theirs = [], []
        for violation in found:
            for node in violation["nodes"]:
                of_others = others and self.page.locator(node["target"][0]).first.evaluate("(e, others) => e.closest(others) !== null", others)
                (theirs if of_others else ours).append((violation["impact"], violation["id"], node["html"][:200]))
        if theirs:
            print(f"\naxe, in {others}:", *sorted({(impact, rule) for impact, rule, _ in theirs}))
        assert not [v for v in ours if v[0] in ("serious", "critical")], ours

    def close(self) -> None:
        self.context.close()
        left = [w for w in self.wrong if not any(re.search(e, w) for e in self.expected)]
        unseen = [e for e in self.expected if not any(re.search(e, w) for w in self.wrong)]
        assert not left, left
        assert not unseen, f"expected to go wrong, and did not: {unseen}"
