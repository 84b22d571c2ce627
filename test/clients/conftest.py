"""Fixtures: a server of our own, another one in front of it, and players of other servers.

The tests of this folder run in two environments, requirements.txt with the newest openai and
cohere and requirements-openai2.txt with those that litellm and langchain-cohere want; the folders
openai3 and openai2 hold what only one of them has.
"""

import os
import subprocess

# Before any client is imported: nothing is fetched, and nobody is told.
os.environ.update(LITELLM_LOCAL_MODEL_COST_MAP="True", LITELLM_TELEMETRY="False", HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1",
                  TRANSFORMERS_OFFLINE="1", LANGCHAIN_TRACING_V2="false", LANGSMITH_TRACING="false", DO_NOT_TRACK="1", NO_PROXY="127.0.0.1")

import openai
import pytest

from servers import ABSENT, MINILM, MODEL, QUADRATE, ROOT, Fake, quadrate, route, upstream

collect_ignore = ["openai2" if openai.__version__.startswith("3.") else "openai3"]

# What bin/quadrate serves is what other servers serve: it stands behind itself as each of them.
# Embeddings are all that the OpenAI style has, so that the gateway ranks by their cosine, as the
# model behind it does.
TYPES = {
    "quadrate": {},
    "tei": {},
    "vllm": {},
    "infinity": {},
    "cohere": {},
    "jina": {},
    "openai": {"rerank": "cosine"},
}

# The routed model of the server with keys.
ROUTED = "routed/minilm"

# What quadrate key new is told of each key; those of one request a second are one for each test,
# since a limit is a key's own.
KEYS = {
    "right": [],
    "narrow": ["-models", "routed/*,sentence-transformers/*"],
    "other": ["-models", "another/*"],
    "expired": ["-expires", "2020-01-01"],
    "disabled": [],
} | {f"slow-{client}-{model}-{n}": ["-limits", "slow"] for client in ("openai", "cohere", "litellm") for model in (MODEL, ROUTED) for n in (1, 2)}


def behind(kind: str) -> str:
    """The router's name of the model that it reaches as an upstream of a type."""
    return f"{kind}/minilm"


def in_front(folder, local, **how):
    """A router whose models are all those of a server, under the same names and through every type."""
    return quadrate(folder, routing={
        "upstreams": [upstream(kind, kind, local.url, **how) for kind in TYPES],
        "models": [route(MODEL, "quadrate", aliases=["minilm"], upstream_model=MODEL), route("absent/model", "quadrate")] +
                  [route(behind(kind), kind, upstream_model=MODEL, **more) for kind, more in TYPES.items()],
    })


@pytest.fixture(scope="session")
def local(tmp_path_factory):
    running = quadrate(tmp_path_factory.mktemp("local"), [MINILM, ABSENT])
    yield running
    running.stop()


@pytest.fixture(scope="session")
def router(tmp_path_factory, local):
    running = in_front(tmp_path_factory.mktemp("router"), local)
    yield running
    running.stop()


@pytest.fixture(params=["local", "proxied"])
def server(request, local, router):
    """A server whose models are its own, and one in front of it, which must not be told apart."""
    return router if request.param == "proxied" else local


@pytest.fixture(params=["local", "proxied"])
def small_server(tmp_path, request):
    """As server, with the batcher and body limit of the test's `limits` mark; the router passes refusals on at once."""
    limits = request.node.get_closest_marker("limits").kwargs
    own = {name: value for name, value in limits.items() if name == "body_limit"}
    started = [quadrate(tmp_path / "local", [{**MINILM, "batcher": limits.get("batcher", {})}], **own)]
    if request.param == "proxied":
        started.append(in_front(tmp_path / "router", started[0], retries=0))
    yield started[-1]
    for running in reversed(started):
        running.stop()


@pytest.fixture(scope="session")
def player(tmp_path_factory):
    """The program that plays other servers."""
    program = tmp_path_factory.mktemp("bin") / "serve"
    subprocess.run(["go", "build", "-o", program, "./proxy/upstreamtest/serve"], cwd=ROOT, check=True,
                   env={**os.environ, "CGO_ENABLED": "0"})
    return program


@pytest.fixture(scope="session")
def played(tmp_path_factory, player):
    """Players of servers that have both tasks, or one model for each, by their kind and task."""
    folder = tmp_path_factory.mktemp("played")
    started = {}
    for kind in ("openai", "cohere", "vllm", "tei"):
        for task in ("embed", "rerank"):
            if (kind, task) != ("openai", "rerank"):
                started[kind, task] = Fake(player, folder / f"{kind}-{task}", kind, "-models", "played", "-task", task, "-key", "the-gateway's-key")
    yield started
    for fake in started.values():
        fake.server.stop()


@pytest.fixture(scope="session")
def patient(tmp_path_factory, played):
    """A router in front of the players, which tries nothing twice and waits for half a second."""
    how = {"retries": 0, "timeout": "500ms", "eject_after": 1000, "probe_interval": "0s"}
    upstreams, routes = [], []
    for (kind, task), fake in played.items():
        upstreams.append(upstream(f"{kind}-{task}", kind, fake.url, api_key="the-gateway's-key", **how))
        routes.append(route(f"{kind}/{task}", f"{kind}-{task}", task, upstream_model="played"))
        upstreams.append(upstream(f"{kind}-{task}-keyless", kind, fake.url, api_key="old", **how))
        routes.append(route(f"{kind}/{task}/keyless", f"{kind}-{task}-keyless", task, upstream_model="played"))
    # Nothing listens there: port 9 is below those that are given out.
    upstreams.append(upstream("absent", "vllm", "http://127.0.0.1:9", **how))
    routes.append(route("vllm/absent", "absent"))
    running = quadrate(tmp_path_factory.mktemp("patient"), routing={"upstreams": upstreams, "models": routes})
    yield running
    running.stop()


@pytest.fixture(scope="session")
def keys():
    """Each key by its name, and the text of auth.yaml."""
    made, lines = {}, ["anonymous: {enabled: false}", "keys:"]
    for name, options in KEYS.items():
        printed = subprocess.run([QUADRATE, "key", "new", "-name", name, *options], check=True, capture_output=True, text=True).stdout
        made[name] = printed.splitlines()[0]
        lines.append(printed[printed.index("  - name:"):].rstrip() + ("\n    disabled: true" if name == "disabled" else ""))
    return made, "\n".join(lines)


@pytest.fixture(scope="session")
def guarded(tmp_path_factory, local, keys):
    running = quadrate(tmp_path_factory.mktemp("guarded"), [MINILM], auth=keys[1], routing={
        "upstreams": [upstream("behind", "quadrate", local.url)],
        "models": [route(ROUTED, "behind", upstream_model=MODEL)],
    }, limits={"classes": [{"name": "slow", "requests_per_minute": 60, "burst": 1}]})
    yield running
    running.stop()


@pytest.fixture()
def reset(played):
    """Ends what the test had the players do."""
    yield
    for fake in played.values():
        fake.reset()
