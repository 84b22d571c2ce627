"""The Markdown report: built up section by section, written after each, so that a check that is
interrupted leaves what it has found."""

import datetime
from pathlib import Path


class Report:
    def __init__(self, path: Path, title: str):
        self._path = path
        self._lines = [f"# {title}", ""]
        path.parent.mkdir(parents=True, exist_ok=True)

    def section(self, title: str) -> None:
        self._add(f"## {title}", "")
        print(f"== {title}", flush=True)

    def text(self, words: str) -> None:
        self._add(words, "")
        print(words, flush=True)

    def table(self, head: list[str], rows: list[list]) -> None:
        """Numbers are shown with three digits that count; None as a dash."""
        cells = [[_show(cell) for cell in row] for row in rows]
        self._add("| " + " | ".join(head) + " |", "|" + "---|" * len(head))
        self._add(*("| " + " | ".join(row) + " |" for row in cells), "")
        for row in cells:
            print("   " + "; ".join(f"{name} {cell}" for name, cell in zip(head, row, strict=True)), flush=True)

    def _add(self, *lines: str) -> None:
        self._lines += lines
        self._path.write_text("\n".join(self._lines).rstrip() + "\n", encoding="utf-8")


def _show(cell: object) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
    return str(cell)


def today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()
