"""What schemathesis generates, with names of models that exist in most of it: of others only 404 would be seen."""

import json
import zlib

import schemathesis

OWN = ["sentence-transformers/all-MiniLM-L6-v2", "BAAI/bge-reranker-v2-m3", "sentiment", "tokens"]
ROUTED = ["routed/embed", "routed/rerank", "routed/classify"]
KEPT = 3

# A time that is too short is answered with 504, and what is called gzip and is not with 400,
# whatever else the request says.
DROPPED = ("x-request-timeout", "content-encoding")


def model_for(value, models) -> str | None:
    """One of the models, or None where the generated name stays; always the same for the same value."""
    choice = zlib.crc32(json.dumps(value, sort_keys=True, default=str).encode()) % (len(models) + KEPT)
    return models[choice] if choice < len(models) else None


def holds_ids(value) -> bool:
    """Whether there are token ids in a value. Of those that its model does not have, TEI says that its engine
    failed, and the gateway that TEI did: 502 is right, but would be taken for an error of the server's own."""
    return isinstance(value, list) and any(holds_ids(item) or type(item) in (int, float) for item in value)


@schemathesis.hook
def map_body(context, body):
    if not isinstance(body, dict):
        return body
    own = any(holds_ids(body.get(field)) for field in ("inputs", "ids", "input"))
    if model := model_for(body, OWN if own else OWN + ROUTED):
        return {**body, "model": model}
    return body


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    for name in ("id", "model"):
        if path_parameters and name in path_parameters and (model := model_for(path_parameters, OWN + ROUTED)):
            return {**path_parameters, name: model}
    return path_parameters


@schemathesis.hook
def before_call(context, case, kwargs):
    for name in [name for name in case.headers or {} if name.lower() in DROPPED]:
        del case.headers[name]
