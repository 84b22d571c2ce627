"""Reads what the scripts need to know of the server's configuration, as the server reads it.

The process's environment wins over a .env file in the working directory, and both over the files.
Only the keys that are asked for are looked at: `quadrate -check` judges the files.
"""

import os
import re
from pathlib import Path

import yaml

# Names that replace a key of server.yaml, the first that is set first.
_ROUTING_NAMES = ("QUADRATE_FILES_ROUTING", "ROUTER_ROUTING_PATH")


class SettingsError(Exception):
    """A setting that cannot be used, said in one line."""


def environment(own: dict[str, str], dot_env: Path) -> dict[str, str]:
    """The variables of own over those of a .env file, which may be absent."""
    found = {}
    if dot_env.is_file():
        for line in dot_env.read_text(encoding="utf-8").splitlines():
            match = re.match(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*)$", line)
            if match:
                found[match[1]] = _unquoted(match[2])
    return found | own


def _unquoted(text: str) -> str:
    if match := re.match(r"""(["'])(.*?)\1""", text):
        return match[2]
    return re.sub(r"(^|\s)#.*$", "", text).strip()


def read(path: Path) -> dict:
    """The YAML file's mapping; empty for an empty file."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(f"there is no {path}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path}: {' '.join(str(error).split())}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"{path} is no mapping of keys")
    return content


def routing_file(env: dict[str, str]) -> Path | None:
    """The routing file that the server would read; None where it reads none."""
    for name in _ROUTING_NAMES:
        if name in env:
            return Path(env[name]) if env[name] else None
    config = Path(env.get("QUADRATE_CONFIG") or "configs/server.yaml")
    named = "configs/routing.yaml"
    if config.is_file():
        named = (read(config).get("files") or {}).get("routing", named)
    return Path(named) if named else None


def truth(text: str) -> bool:
    return text.strip().lower() in ("1", "t", "true", "yes", "on")


def expand(text: str, env: dict[str, str], at: str) -> str:
    """The text with each ${NAME} replaced by that variable's value; $${ stands for ${ itself."""

    def value(match: re.Match) -> str:
        if match[0].startswith("$$"):
            return match[0][1:]
        if match[1] not in env:
            raise SettingsError(f"{at} needs the environment variable {match[1]}, which is not set")
        return env[match[1]]

    return re.sub(r"\$?\$\{([^}]*)\}", value, text)


def secret(text: str, env: dict[str, str], at: str) -> str:
    """A value that may be in a file of its own, as file:/path."""
    text = expand(text, env, at)
    if not text.startswith("file:"):
        return text
    try:
        return Path(text.removeprefix("file:")).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise SettingsError(f"{at}: {error.filename}: {os.strerror(error.errno)}") from error
