"""report.py REPORT EXPECTED: prints the figures of a Go test run, and fails on a skip.

REPORT is the output of `go test -json`; EXPECTED names the tests that may skip, one
"package-suffix TestName" a line.
"""

import json
import re
import sys

MODULE = "github.com/quadrate-maas/quadrate/"
# What tests log that a reader of the run wants to see: differences to the reference, load, loss.
FIGURES = re.compile(r"largest difference|the reference's order|none lost|requests answered over|no retry could save|admitted by three servers|editions in|let in, \d+ allowed")


def main(report: str, expected: str) -> int:
    with open(expected, encoding="utf-8") as lines:
        allowed = {tuple(line.split()) for line in lines if line.strip() and not line.startswith("#")}
    unexpected = set()
    with open(report, encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            package, test = event.get("Package", "").removeprefix(MODULE), event.get("Test", "")
            if FIGURES.search(event.get("Output", "")):
                print(f"{package}: {event['Output'].split(': ', 1)[-1].strip()}")
            if event.get("Action") == "skip" and test and (package, test.split("/")[0]) not in allowed:
                unexpected.add(f"{package} {test}")
    for test in sorted(unexpected):
        print(f"skipped, and {expected} does not name it: {test}", file=sys.stderr)
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
