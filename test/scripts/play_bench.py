"""Plays quadrate-bench: writes the results of its state. The state: servers, results, says,
status, slow."""

import json
import pathlib
import sys
import time

from playing import log, state


def main(words: list[str]) -> None:
    log(words)
    with state() as s:
        pass
    if s.get("slow"):
        time.sleep(60)
    print(s.get("says", "a table"))
    folder = pathlib.Path(words[words.index("-out") + 1])
    (folder / "benchmark_result.json").write_text(json.dumps({"servers": s.get("servers"), "results": s["results"]}))
    (folder / "benchmark_report.html").write_text("a page")
    sys.exit(s.get("status", 0))


if __name__ == "__main__":
    main(sys.argv[2:])
