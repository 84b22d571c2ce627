"""Says which models routing.yaml and the environment lead to Ollama, or to containers of TEI.

    routing.py ollama|tei [ROUTING]

One line a model, its fields split by the ASCII unit separator, for the scripts beside this folder:
    ollama    base URL, model, key ("" for none)
    tei       upstream, model, image, then docker's options, each as option=value, and args as arg=value
What no line can stand for, such as a pattern, is told on standard error.
"""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import settings
from settings import SettingsError

SEPARATOR = "\x1f"
_OLLAMA_URL = "http://localhost:11434"


@dataclass
class Routing:
    """What the file says, with what the environment adds and replaces."""

    env: dict[str, str]
    upstreams: list[dict] = field(default_factory=list)
    routes: list[dict] = field(default_factory=list)

    def models(self, upstream: str) -> list[str]:
        """The names by which an upstream is asked for models, fallbacks to it included; no pattern."""
        found = []
        for route in self.routes:
            if route.get("upstream") != upstream and upstream not in (route.get("fallback") or []):
                continue
            name = route.get("upstream_model") or route.get("name") or ""
            if "*" in name:
                _note(f"the route {name} to {upstream} is a pattern: what it stands for is not known here")
            elif name:
                found.append(name)
        return list(dict.fromkeys(found))


def load(env: dict[str, str], path: Path | None) -> Routing:
    content = settings.read(path) if path else {}
    everything = bool(content.get("allow_disabled_models"))
    for name in ("QUADRATE_ROUTING_ALLOW_DISABLED_MODELS", "ROUTER_ALLOW_DISABLED_MODELS"):
        if name in env:
            everything = settings.truth(env[name])
            break
    routing = Routing(env, _entries(content, "upstreams", path), _entries(content, "models", path))
    routing.routes = [r for r in routing.routes if everything or r.get("enabled", True)]
    _by_environment(routing, "ollama", ("OLLAMA_BASE_URL", "OLLAMA_MODELS"))
    _by_environment(routing, "tei", ("TEI_BASE_URL", "TEI_MODELS", "TEI_DOCKER_IMAGE"))
    return routing


def _entries(content: dict, key: str, path: Path | None) -> list[dict]:
    entries = content.get(key) or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise SettingsError(f"{path}: {key} is no list of entries")
    return entries


def _by_environment(routing: Routing, name: str, variables: tuple[str, ...]) -> None:
    """An upstream of the environment replaces the entry of its name, whose managed keys hold for it."""
    if not any(variable in routing.env for variable in variables):
        return
    env = routing.env
    old = next((u for u in routing.upstreams if u.get("name") == name), {})
    new = {"name": name, "type": name, "api_key": old.get("api_key", "")}
    if image := env.get("TEI_DOCKER_IMAGE") if name == "tei" else None:
        new["managed"] = (old.get("managed") or {}) | {"image": image}
    else:
        new["urls"] = [env.get(f"{name.upper()}_BASE_URL") or _OLLAMA_URL]
    routing.upstreams = [u for u in routing.upstreams if u is not old] + [new]
    models = [model.strip() for model in env.get(f"{name.upper()}_MODELS", "").split(",") if model.strip()]
    if models:
        routing.routes = [r for r in routing.routes if r.get("upstream") != name]
        routing.routes += [{"name": model, "upstream": name} for model in models]


def ollama(routing: Routing) -> list[list[str]]:
    rows = []
    for upstream in routing.upstreams:
        if upstream.get("type") != "ollama":
            continue
        name = upstream.get("name", "")
        key = settings.secret(str(upstream.get("api_key") or ""), routing.env, f"the api_key of upstream {name}")
        for url in upstream.get("urls") or []:
            url = settings.expand(url, routing.env, f"urls of upstream {name}")
            base = url.removeprefix("dns+").rstrip("/").removesuffix("/v1")
            if url.startswith("dns+"):
                _note(f"{url} stands for several servers: the one that answers gets the models")
            rows += [[base, model, key] for model in routing.models(name)]
    return rows


def tei(routing: Routing) -> list[list[str]]:
    rows = []
    for upstream in routing.upstreams:
        managed = upstream.get("managed")
        if upstream.get("type") != "tei" or not managed or not managed.get("image"):
            continue
        name = upstream["name"]
        options = _docker_options(managed, routing.env, name)
        at = f"managed of upstream {name}"
        image = settings.expand(managed["image"], routing.env, at)
        args = [f"arg={settings.expand(str(arg), routing.env, at)}" for arg in managed.get("args") or []]
        models = [settings.expand(managed["model"], routing.env, at)] if managed.get("model") else routing.models(name)
        rows += [[name, model, image, *options, *args] for model in models]
    return rows


def _docker_options(managed: dict, env: dict[str, str], name: str) -> list[str]:
    options = [f"volume={settings.expand(volume, env, f'managed.volumes of upstream {name}')}" for volume in managed.get("volumes") or []]
    gpus = str(managed.get("gpus", "none"))
    if gpus not in ("none", ""):
        # docker reads the value as comma-separated, so a list of devices needs quotes of its own.
        options.append("gpus=all" if gpus == "all" else f'gpus="device={gpus}"')
    for number, variable in enumerate(managed.get("env") or []):
        at = f"managed.env[{number}] of upstream {name}"
        options.append(f"env={variable['name']}={settings.secret(str(variable.get('value', '')), env, at)}")
    return options


def _note(text: str) -> None:
    print(f"{_script()}: {text}", file=sys.stderr)


def _script() -> str:
    """The script that asks, which stands before its messages."""
    return os.environ.get("script", "routing.py")


def main(arguments: list[str]) -> int:
    env = settings.environment(dict(os.environ), Path(".env"))
    try:
        path = Path(arguments[1]) if len(arguments) > 1 else settings.routing_file(env)
        routing = load(env, path)
        rows = {"ollama": ollama, "tei": tei}[arguments[0]](routing)
        for row in rows:
            if any(character in value for value in row for character in (SEPARATOR, "\n")):
                raise SettingsError(f"{path}: a value of {row[0]} has a line break or a control character in it")
    except SettingsError as error:
        print(f"{_script()}: error: {error}", file=sys.stderr)
        return 1
    for row in rows:
        print(SEPARATOR.join(row))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
