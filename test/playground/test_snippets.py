"""The calls to copy: each is copied and run, and answers what the page shows."""

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from reading import embedded, ranking
from servers import MODEL, ROOT

LANGUAGES = ["curl", "Python", "JavaScript", "Go"]


def copied(page: Page, panel: str, language: str) -> str:
    """What the button of a language's call puts into the clipboard."""
    part = page.get_by_role("tabpanel", name=panel, exact=True)
    part.get_by_role("tab", name=language, exact=True).click()
    shown = part.get_by_role("tabpanel", name=language, exact=True).locator("pre").inner_text()
    part.get_by_role("button", name="Copy", exact=True).click()
    expect(part.get_by_text("Copied", exact=True)).to_be_visible()
    text = page.evaluate("navigator.clipboard.readText()")
    assert text.strip() == shown.strip()
    return text


def run(language: str, text: str, folder, key: str = "") -> str:
    """Runs a call as it was copied, with the key in the environment where there is one."""
    name = {"curl": "call.sh", "Python": "call.py", "JavaScript": "call.mjs", "Go": "main.go"}[language]
    (folder / name).write_text(text, encoding="utf-8")
    command = {
        "curl": ["bash", name],
        "Python": [sys.executable, name],
        "JavaScript": [ROOT / "var/node/bin/node", name],
        "Go": [shutil.which("go"), "run", name],
    }[language]
    env = {name: value for name, value in os.environ.items() if name != "QUADRATE_API_KEY"}
    if key:
        env["QUADRATE_API_KEY"] = key
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("language", LANGUAGES)
def test_embed(visitor, server, tmp_path, language):
    page = visitor.open("embed")
    expect(page.get_by_label("Model", exact=True)).to_have_value(MODEL)
    texts = ["naïve 한국어 'quoted' \"twice\" \\ `ticks` $HOME ${x} %d 🙂", "JSON", "EOF"]
    page.get_by_label("Texts, one per line").fill("\n".join(texts))
    printed = run(language, copied(page, "Embed", language), tmp_path)
    vectors, _ = embedded(server.url, texts)
    if language == "curl":
        got = np.array([d["embedding"] for d in json.loads(printed)["data"]])
    else:
        said, first = printed.split("\n", 1)
        assert said == "3 vectors of 384 dimensions"
        got, vectors = np.array([float(n) for n in re.findall(r"-?\d+\.\d+(?:e-\d+)?", first)]), vectors[0, :8]
    np.testing.assert_allclose(got, vectors, atol=1e-6)


@pytest.mark.parametrize("language", LANGUAGES)
def test_rerank_with_a_key(visit, guarded, keys, tmp_path, language):
    """The key is not in what is copied, but in the environment."""
    visitor = visit(guarded)
    visitor.expects("console error: Failed to load resource: .* 401")
    page = visitor.open("rerank")
    expect(page.get_by_role("alert").first).to_be_visible()
    page.get_by_label("API key").fill(keys.admin)
    expect(page.get_by_label("Reranker", exact=True)).to_have_value(MODEL)
    text = copied(page, "Rerank", language)
    assert keys.admin not in text and "QUADRATE_API_KEY" in text
    printed = run(language, text, tmp_path, keys.admin)
    page.get_by_role("button", name="Rerank", exact=True).click()
    shown = ranking(page, f"Documents ranked by {MODEL}")
    documents = page.get_by_label("Documents", exact=True).input_value().splitlines()
    if language == "curl":
        got = [(f"{r['relevance_score']:.4f}", documents[r["index"]]) for r in json.loads(printed)["results"]]
    else:
        got = [tuple(line.split(" ", 1)) for line in printed.splitlines()]
    name = {text: f"document {i}" for i, text in enumerate(documents)} if language == "Go" else {}
    assert got == [(f"{d.score:.4f}", name.get(d.text, d.text)) for d in shown]
