"""Lines like the server's own, so that one collector reads both."""

import json
import os
import sys
from datetime import datetime, timezone


def info(message: str, **fields) -> None:
    _write("INFO", message, fields)


def warn(message: str, **fields) -> None:
    _write("WARN", message, fields)


def error(message: str, **fields) -> None:
    _write("ERROR", message, fields)


def _write(level: str, message: str, fields: dict) -> None:
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    entry = {"time": now, "level": level, "msg": message, **fields}
    if os.environ.get("QUADRATE_LOG_FORMAT") == "text":
        line = " ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in entry.items())
    else:
        line = json.dumps(entry, ensure_ascii=False)
    print(line, file=sys.stderr, flush=True)
