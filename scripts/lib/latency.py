"""Prints the latencies in a result of quadrate-bench: latency.py FILE.

First what was measured, then a line a model and workload, milliseconds; exit status 1 when a model gave
no good answer.
"""

import json
import sys
from pathlib import Path

_HEAD = ("model", "workload", "at once", "requests", "p50 ms", "p95 ms", "p99 ms", "mean ms", "requests/s", "errors")


def heads(content: dict) -> list[str]:
    """A line a server, with what it is and what it runs on, as far as it says so."""
    return [", ".join([server["url"], *_about(server)]) for server in content.get("servers") or []]


def _about(server: dict) -> list[str]:
    machine = server.get("machine") or {}
    words = [f"version {server['version']}" if server.get("version") else "", server.get("runtime") or ""]
    if machine:
        words.append(f"{machine['cores']} cores of {machine['arch']} ({' '.join(machine.get('instruction_set') or ['nothing special'])})")
    return [word for word in words if word]


def rows(content: dict) -> list[tuple[str, ...]]:
    return [_row(result) for result in content["results"]]


def _row(result: dict) -> tuple[str, ...]:
    latency, errors = result["latency_ms"], sum((result.get("errors") or {}).values())
    names = (result["model"], result["workload"], str(result.get("concurrency") or "-"), str(result["requests"]))
    if not result["requests"]:
        return (*names, *["-"] * 5, str(errors))
    figures = [f"{latency[name]:.2f}" for name in ("p50", "p95", "p99", "mean")]
    return (*names, *figures, f"{result['throughput']['requests_per_second']:.1f}", str(errors))


def table(content: dict) -> str:
    lines = [_HEAD, *rows(content)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]

    def laid_out(line: tuple[str, ...]) -> str:
        words = [line[i].ljust(widths[i]) if i < 2 else line[i].rjust(widths[i]) for i in range(len(line))]
        return "  ".join(words)

    return "\n".join(laid_out(line) for line in lines)


def main(path: str) -> int:
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    print("\n".join([*heads(content), table(content)]))
    silent = [result for result in content["results"] if not result["requests"]]
    for result in silent:
        reason = result.get("first_error") or "no answer came"
        print(f"{result['model']} gave no good answer: {reason}", file=sys.stderr)
    return 1 if silent or not content["results"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
