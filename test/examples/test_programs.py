"""The programs of examples/, as a reader runs them, against a real server: what they print, that
the server ranked what they print as ranked, and that they reach nothing else."""

import os
import re
import subprocess
import sys

import pytest

from conftest import EXAMPLES, REPLY, WATCH
from servers import MODEL, http

PASSWORD = "To reset a forgotten password, open Account settings, choose Security, then Forgot password."
CAFETERIA = "The cafeteria on the second floor opens at nine and closes at four."
README = (EXAMPLES / "README.md").read_text(encoding="utf-8")
# Programs print three decimals.
TOLERANCE = 0.0006


def calls(server, route: str) -> int:
    """How many requests of a route were answered with 200."""
    metrics = http.get(server.url + "/metrics").text
    return sum(int(float(count)) for count in re.findall(
        rf'^quadrate_request_duration_seconds_count{{[^}}]*route="{re.escape(route)}",status="200"}} (\S+)$', metrics, re.MULTILINE))


def ranked(server, query: str, passages: list[str], **headers) -> list[tuple[float, str]]:
    """The server's own ranking by the reranker with random weights, the best two."""
    answer = http.post(server.url + "/v1/rerank", headers=headers, json={
        "model": "random-reranker", "query": query, "documents": passages, "top_n": 2}).raise_for_status().json()
    return [(result["relevance_score"], passages[result["index"]]) for result in answer["results"]]


def test_the_right_passage_comes_first(server, run):
    before = calls(server, "/v2/rerank"), calls(server, "/v1/embeddings")
    done = run(SERVER_URL=server.url)
    assert done.status == 0, done.stderr
    for title, count in ("Retrieved", 4), ("Reranked", 2):
        found = done.passages(title)
        assert len(found) == count
        assert found[0][1] == PASSWORD
        assert found == sorted(found, key=lambda item: -item[0])
    assert "Answer" not in done.stdout
    assert calls(server, "/v2/rerank") == before[0] + 1
    assert calls(server, "/v1/embeddings") > before[1]


def test_settings_are_obeyed_and_the_order_is_the_rerankers(guarded, key, chat, run):
    question = "When does the canteen open?"
    done = run(question, SERVER_URL=guarded.url, API_KEY=key[0], EMBEDDER=MODEL, RERANKER="random-reranker", LLM_URL=chat.url, LLM_MODEL="chat", LLM_API_KEY="the chat's key")
    assert done.status == 0, done.stderr
    retrieved = [text for _, text in done.passages("Retrieved")]
    assert retrieved[0] == CAFETERIA

    wanted = ranked(guarded, question, retrieved, Authorization=f"Bearer {key[0]}")
    assert [text for _, text in wanted] != retrieved[:2], "this reranker orders as the vectors do: take another question"
    found = done.passages("Reranked")
    assert [text for _, text in found] == [text for _, text in wanted]
    assert [score for score, _ in found] == pytest.approx([score for score, _ in wanted], abs=TOLERANCE)

    assert done.stdout.endswith(f"Answer\n  {REPLY}\n")
    path, authorization, asked = chat.asked[0]
    assert (path, authorization, asked["model"], len(chat.asked)) == ("/v1/chat/completions", "Bearer the chat's key", "chat", 1)
    said = "\n".join(message["content"] for message in asked["messages"])
    assert question in said and all(text in said for _, text in wanted)
    assert not any(text in said for text in set(retrieved) - {text for _, text in wanted})


def test_a_ranking_that_fails_is_told(server, run):
    done = run(SERVER_URL=server.url, RERANKER="no-such-model")
    assert done.status != 0
    assert "Reranked" not in done.stdout
    assert 'no model is called' in done.stderr


def test_reaching_out_is_seen(tmp_path):
    watched = tmp_path / "watched"
    code = "import socket\ntry: socket.create_connection(('127.0.0.2', 9), timeout=1)\nexcept OSError: pass"
    subprocess.run([sys.executable, "-c", code], env={"PATH": os.environ["PATH"], "PYTHONPATH": str(WATCH), "WATCH_LOG": str(watched)}, check=True)
    assert set(watched.read_text().splitlines()) == {"127.0.0.2"}


def test_the_readme_says_how_to_run_it(program):
    command, folder = program
    line = "cd examples/go && go run ." if folder.name == "go" else " ".join("python" if part == sys.executable else part for part in command)
    assert f"| `{line}` |" in README


def test_the_packages_of_the_readme_are_those_that_are_tested():
    wanted = {name for line in re.findall(r"`pip install ([^`]+)`", README) for name in line.split()}
    tested = set((WATCH.parent / "requirements.in").read_text(encoding="utf-8").splitlines())
    assert len(wanted) >= 8 and wanted <= tested
