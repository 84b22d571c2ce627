"""What the players of commands have in common: a state in a file, and a log of their calls."""

import contextlib
import fcntl
import json
import os
import pathlib
import sys

_PATH = pathlib.Path(os.environ["PLAYED"])


def log(words: list[str]) -> None:
    with _PATH.with_suffix(".calls").open("a") as file:
        file.write(json.dumps(words) + "\n")


@contextlib.contextmanager
def state():
    """The state, which is written back at the end; one player at a time."""
    with _PATH.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        content = json.loads(_PATH.read_text()) if _PATH.exists() else {}
        try:
            yield content
        finally:
            _write(content)


def _write(content: dict) -> None:
    """Whole or not at all: a Ctrl-C ends a player wherever it is."""
    new = _PATH.with_suffix(f".{os.getpid()}")
    new.write_text(json.dumps(content))
    new.replace(_PATH)


def end(text: str, status: int = 1):
    print(text, file=sys.stderr)
    sys.exit(status)
