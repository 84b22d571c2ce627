"""The code blocks of the documents, with the mark that a comment on the line before gives them."""

import dataclasses
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = ["README.md", "README.ko.md", "README.ru.md", "CONTRIBUTING.md", "examples/README.md",
             *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]
TRANSLATIONS = {"README.ko.md", "README.ru.md"}
FENCE = re.compile(r"^(?: *<!-- (?P<mark>needs [^\n]*?) -->\n)?(?P<indent> *)```(?P<language>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$",
                   re.DOTALL | re.MULTILINE)


@dataclasses.dataclass
class Block:
    document: str
    line: int
    heading: str      # the nearest above it
    language: str
    text: str
    mark: str         # "needs Docker"; empty: none
    answer: str = ""  # the block of JSON that follows at once

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def blocks(document: str) -> list[Block]:
    text = (ROOT / document).read_text(encoding="utf-8")
    found, end = [], 0
    for match in FENCE.finditer(text):
        indent = match["indent"]
        lines = [line.removeprefix(indent) for line in match["text"].splitlines(keepends=True)]
        above = re.sub(r"^ *```.*?^ *```$", "", text[:match.start()], flags=re.DOTALL | re.MULTILINE)
        headings = re.findall(r"^#+ (.*)$", above, re.MULTILINE)
        line = text.count("\n", 0, match.start("language")) + 1
        block = Block(document, line, headings[-1] if headings else "", match["language"], "".join(lines), match["mark"] or "")
        if found and block.language == "json" and not text[end:match.start()].strip():
            found[-1].answer = block.text
        found.append(block)
        end = match.end()
    return found


def prose(document: str) -> str:
    return FENCE.sub("", (ROOT / document).read_text(encoding="utf-8"))


def commands(script: str) -> list[str]:
    """Splits a block into its commands: the fewest lines that the shell finds complete."""
    found, lines = [], []
    for line in script.splitlines():
        lines.append(line)
        checked = subprocess.run(["bash", "-n", "-c", "\n".join(lines)], capture_output=True, text=True)
        if checked.returncode == 0 and not checked.stderr:
            found.append("\n".join(lines))
            lines = []
    assert not lines, f"the shell does not understand:\n{script}"
    return [command for command in found if command.strip() and not command.lstrip().startswith("#")]
