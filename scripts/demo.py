"""scripts/demo.py PROGRAM (make demo): starts the server on a free port, asks it twice, prints the answers, stops it.

Needs nothing but Python's standard library and what `make setup` made.
"""

import json
import os
import queue
import subprocess
import sys
import threading
import time
import urllib.request

QUERY = "How do I reset my password?"
DOCUMENTS = [
    "The cafeteria is open from 9 to 17.",
    "Open Settings, choose Security and press 'Forgot password'.",
    "To change how you sign in, use the account page.",
    "Our office moved to Busan last spring.",
    "Passwords must have at least twelve characters.",
]
TEXTS = ["A cat sleeps on the sofa.", "A kitten naps on the couch.", "Dogs bark at night.", "The stock market fell."]
START_TIMEOUT_S = 120


def start(program: str) -> tuple[subprocess.Popen, str]:
    """Starts the server on any free port; returns it and its address once it is ready."""
    env = {**os.environ, "QUADRATE_SERVER_HOST": "127.0.0.1", "QUADRATE_SERVER_PORT": "0", "QUADRATE_LOG_FORMAT": "json",
           "QUADRATE_SERVER_DRAIN_DELAY": "0s"}
    server = subprocess.Popen([program], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines: queue.Queue = queue.Queue()
    # The pipe is read to its end, so that the server never waits for a reader.
    threading.Thread(target=lambda: [lines.put(line) for line in server.stdout] + [lines.put("")], daemon=True).start()
    seen, deadline = [], time.monotonic() + START_TIMEOUT_S
    while True:
        line = lines.get(timeout=max(0.1, deadline - time.monotonic()))
        if not line:
            sys.exit("the server did not start:\n" + "".join(seen))
        seen.append(line)
        event = json.loads(line) if line.startswith("{") else {}
        if event.get("msg") == "ready":
            return server, "http://" + event["address"]


def post(url: str, body: dict) -> tuple[dict, float]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    started = time.perf_counter()
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response), (time.perf_counter() - started) * 1000


def show_rerank(address: str) -> None:
    answer, took = post(address + "/v1/rerank", {"model": "default", "query": QUERY, "documents": DOCUMENTS})
    print(f"\nPOST /v1/rerank    model {answer['model']}, {took:.1f} ms\n  query: {QUERY}\n")
    print("  rank  score   document")
    for rank, result in enumerate(answer["results"], 1):
        score = result["relevance_score"]
        print(f"  {rank:>4}  {score:+.3f}  {DOCUMENTS[result['index']]}")


def show_embeddings(address: str) -> None:
    answer, took = post(address + "/v1/embeddings", {"model": "default", "input": TEXTS})
    vectors = [item["embedding"] for item in answer["data"]]
    print(f"\nPOST /v1/embeddings    {len(vectors)} vectors of {len(vectors[0])} dimensions, "
          f"{answer['usage']['prompt_tokens']} tokens, {took:.1f} ms\n")
    print("  cosine to the first  text")
    for text, vector in zip(TEXTS, vectors):
        print(f"  {sum(a * b for a, b in zip(vectors[0], vector)):>+19.3f}  {text}")


def main(program: str) -> None:
    server, address = start(program)
    try:
        print(f"The server is ready at {address}")
        show_rerank(address)
        show_embeddings(address)
    finally:
        server.terminate()
        server.wait(timeout=60)
    print(f"\nThe server has stopped (exit status {server.returncode}).")


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__.strip())
        sys.exit(0 if sys.argv[1:] in (["-h"], ["--help"]) else 2)
    main(sys.argv[1])
