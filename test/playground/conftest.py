"""Fixtures: a server with real models, Chromium, and pages that fail their test by what goes wrong in them.

Screenshots are kept in var/log/playground.
"""

import dataclasses
import os
import re
import shutil
import subprocess

import pytest
from playwright.sync_api import sync_playwright

from reading import HIDDEN, MEAN, RERANKER
from servers import ABSENT, MINILM, QUADRATE, ROOT, Server, quadrate
from visitor import PICTURES, Visitor

# Nothing between the tests and their servers.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"


@dataclasses.dataclass
class Keys:
    admin: str
    auth: str


@pytest.fixture(scope="session")
def keys():
    printed = subprocess.run([QUADRATE, "key", "new", "-name", "admin", "-admin"], check=True, capture_output=True, text=True).stdout
    return Keys(printed.splitlines()[0], "keys:\n" + printed[printed.index("  - name:"):])


def models():
    folder = ROOT / "var/testmodels"
    return [
        MINILM,
        {"name": MEAN, "path": str(folder / "bert-mean"), "tasks": ["embed", "rerank"]},
        {"name": RERANKER, "path": str(folder / "xlmr-rerank"), "tasks": ["rerank"]},
        {"name": HIDDEN, "path": str(folder / "bert-mean"), "tasks": ["embed"]},
        ABSENT,
    ]


@pytest.fixture(scope="session")
def server(tmp_path_factory, keys):
    """Callers without a key may use all models but one."""
    anonymous = 'anonymous: {enabled: true, models: ["sentence-transformers/*", "test/*", "absent/*"]}\n'
    running = quadrate(tmp_path_factory.mktemp("server"), models(), auth=anonymous + keys.auth)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def guarded(tmp_path_factory, keys):
    """A server that wants a key."""
    running = quadrate(tmp_path_factory.mktemp("guarded"), [MINILM], auth="anonymous: {enabled: false}\n" + keys.auth)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def browser():
    path = subprocess.run([ROOT / "scripts/chromium.sh"], check=True, capture_output=True, text=True).stdout.strip()
    with sync_playwright() as p:
        # No name is looked up: whatever asks another host fails.
        running = p.chromium.launch(executable_path=path, args=["--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"])
        yield running
        running.close()


@pytest.fixture()
def visit(browser):
    """Makes visitors, who are asked at the test's end what went wrong."""
    made = []

    def make(server: Server, **options) -> Visitor:
        made.append(Visitor(browser, server, **options))
        return made[-1]

    yield make
    failures = []
    for visitor in made:
        try:
            visitor.close()
        except AssertionError as failure:
            failures.append(failure)
    if failures:
        raise failures[0]


@pytest.fixture()
def visitor(visit, server):
    return visit(server)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Keeps a picture of what a failed test has last seen."""
    report = yield
    if report.when == "call" and report.failed and "visitor" in item.funcargs:
        item.funcargs["visitor"].picture(f"failed-{re.sub('[^a-z0-9]+', '-', item.name.lower())}")
    return report


def pytest_sessionstart():
    shutil.rmtree(PICTURES, ignore_errors=True)
