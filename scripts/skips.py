"""skips.py REPORT EXPECTED: fails when a Go test skipped that EXPECTED does not name.

REPORT is the output of `go test -json`; EXPECTED holds one "package-suffix TestName" a line.
"""

import json
import sys


def main(report: str, expected: str) -> int:
    with open(expected, encoding="utf-8") as lines:
        allowed = {tuple(line.split()) for line in lines if line.strip() and not line.startswith("#")}
    unexpected = set()
    with open(report, encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            if event.get("Action") != "skip" or "Test" not in event:
                continue
            package = event["Package"].removeprefix("github.com/quadrate-maas/quadrate/")
            if (package, event["Test"].split("/")[0]) not in allowed:
                unexpected.add(f"{package} {event['Test']}")
    for test in sorted(unexpected):
        print(f"skipped, and scripts/expected_skips.txt does not name it: {test}", file=sys.stderr)
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
