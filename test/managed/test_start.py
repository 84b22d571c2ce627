"""A model starts when it is first asked for, and answers what it answers when it is asked directly."""

import base64
import concurrent.futures
import json

import numpy
import pytest
from engine import OLD_VLLM, ROOT, TEI, VLLM, containers, docker, running, until, upstream
from gateway import MINILM, MODELS, RERANKER, SMALL, ask, managed, route, routing

TOLERANCE = 1e-5  # between unit vectors, fp32 on the CPU


def golden() -> list[dict]:
    return json.loads((ROOT / "testdata/golden/minilm.json").read_text())["items"]


def published(container: dict) -> str:
    """The base URL at which a container is reached, which is on loopback only."""
    (binding,) = [b for bindings in container["NetworkSettings"]["Ports"].values() for b in bindings or []]
    assert binding["HostIp"] == "127.0.0.1", binding
    return f"http://127.0.0.1:{binding['HostPort']}"


def test_tei_starts_by_the_first_request(gateway, remote, name):
    gw = gateway(routing(managed("minilm", MINILM)))
    assert (gw.state("minilm"), containers(name)) == ("stopped", [])
    items = golden()
    first = gw.embed("minilm", *[item["text"] for item in items])
    assert first.status == 200, first
    difference = max(numpy.abs(numpy.array(data["embedding"], "f4") - numpy.frombuffer(base64.b64decode(item["vector"]), "<f4")).max()
                     for item, data in zip(items, first.body["data"], strict=True))
    directly = ask(remote + "/v1/embeddings", {"model": MINILM, "input": "hello"})
    second = gw.embed("minilm", "hello")
    assert difference <= TOLERANCE
    assert second.vector == directly.vector
    (container,) = containers(name)
    print(f"first: {first}, second: {second}, worst difference from the reference {difference:.1e}")
    print(f"{container['Name']}: {container['Config']['Cmd']} at {published(container)}, labels", {
        key: value for key, value in container["Config"]["Labels"].items() if key.startswith("io.quadrate")})
    assert container["Config"]["Cmd"] == ["--model-id", MINILM, "--port", "80"]
    assert container["HostConfig"]["RestartPolicy"]["Name"] in ("", "no")
    assert any(option.startswith("no-new-privileges") for option in container["HostConfig"]["SecurityOpt"])
    assert gw.state("minilm") == "ready"
    assert second.seconds < 1


def test_vllm_starts_with_its_arguments(gateway, name):
    gw = gateway(routing(
        managed("embedder", MINILM, "vllm"), managed("ranker", RERANKER, "vllm"),
        routes=[route("embedder", model=MINILM), route("ranker", "rerank", model=RERANKER)]))
    embedded = gw.embed("embedder", "hello")
    documents = ["The cafeteria opens at nine.", "Choose Security, then Forgot password."]
    ranked = gw.rerank("ranker", "How do I reset my password?", documents)
    assert (embedded.status, ranked.status) == (200, 200), (embedded, ranked)
    embedder, ranker = containers(name)
    for container, convert in ((embedder, "embed"), (ranker, "classify")):
        print(upstream(container), container["Config"]["Cmd"], f"shm {container['HostConfig']['ShmSize'] >> 20} MiB")
        model = MINILM if convert == "embed" else RERANKER
        assert container["Config"]["Cmd"] == ["--model", model, "--port", "8000", "--runner", "pooling", "--convert", convert,
                                              "--dtype", "float16", "--max-model-len", "8192"]
        assert container["HostConfig"]["ShmSize"] == 1024 << 20
    assert embedded.vector == ask(published(embedder) + "/v1/embeddings", {"model": MINILM, "input": "hello"}).vector
    directly = ask(published(ranker) + "/v1/rerank", {"model": RERANKER, "query": "How do I reset my password?", "documents": documents})
    scores = [{r["index"]: r["relevance_score"] for r in answer.body["results"]} for answer in (ranked, directly)]
    print("scores by the gateway and directly:", scores)
    assert scores[0] == scores[1] and len(scores[0]) == 2


def test_the_environment_alone_makes_containers(gateway, name):
    gw = gateway(routing(routes=[]), env={"TEI_DOCKER_IMAGE": TEI, "TEI_MODELS": MINILM, "VLLM_DOCKER_IMAGE": VLLM, "VLLM_MODELS": f"a/{MINILM}"})
    for model, by in ((MINILM, f"tei/{MINILM}"), (f"a/{MINILM}", f"vllm/a/{MINILM}")):
        answer = gw.embed(model)
        print(model, answer)
        assert answer.status == 200, answer
        assert by in [upstream(c) for c in running(name)]
    assert gw.rerank(MINILM, "cat", ["a cat", "a car"]).status in (200, 400)  # TEI's own word for an embedder


def test_an_old_vllm_is_told_its_task(gateway, name):
    gw = gateway(routing(), env={"VLLM_DOCKER_IMAGE": OLD_VLLM, "VLLM_MODELS": MINILM})
    answer = gw.embed(MINILM)
    assert answer.status == 200, answer
    (container,) = containers(name)
    print(container["Config"]["Cmd"])
    assert container["Config"]["Cmd"][4:6] == ["--task", "embed"]


def test_what_an_upstream_without_a_model_serves_is_one_container_each(gateway, name):
    several = managed("tei", "")
    del several["managed"]["model"]
    gw = gateway(routing(several, routes=[route("a", upstream="tei", model=SMALL), route("b", "rerank", upstream="tei", model=RERANKER)]))
    answers = gw.all([lambda: gw.embed("a"), lambda: gw.rerank("b", "q", ["d", "e"])])
    assert [a.status for a in answers] == [200, 200], [str(a) for a in answers]
    names = [upstream(c) for c in running(name)]
    print(names)
    assert names == [f"tei/{SMALL}", f"tei/{RERANKER}"]


def test_who_cannot_wait_is_told_when_to_come_back(gateway, remote):
    slow = managed("slow", SMALL, env={"START_DELAY": 3})
    other = {"name": "remote", "type": "tei", "urls": [remote]}
    gw = gateway(routing(slow, other, routes=[
        route("slow", model=SMALL), route("covered", upstream="slow", model=SMALL, fallback=["remote"])]))
    early = gw.embed("slow", X_Request_Timeout="1")
    print("with a second's time:", early, "Retry-After", early.headers.get("Retry-After"))
    assert (early.status, early.error["code"]) == (503, "model_loading"), early
    assert early.seconds < 1.5 and int(early.headers["Retry-After"]) >= 1
    covered = gw.embed("covered", X_Request_Timeout="1.5")
    print("with a fallback:", covered, covered.headers.get("X-Quadrate-Backend"))
    assert (covered.status, covered.headers["X-Quadrate-Backend"]) == (200, "remote")
    late = gw.embed("slow")
    print("with time:", late)
    assert late.status == 200
    assert gw.metric("starts_total", upstream="slow", outcome="ok") == 1


def test_admin_and_metrics_show_and_steer(gateway, name):
    gw = gateway(routing(managed("small", SMALL, memory_mb=300, priority=7, group="g"), managed("other", SMALL)))
    assert gw.ask("/admin/models/small/load", {}).status in (401, 403)
    loaded = gw.load("small")
    assert loaded.status == 200, loaded
    shown = gw.container("small")
    print("loaded by hand:", shown)
    assert (shown["state"], shown["starts"], shown["crashes"], shown["memory_mb"]) == ("ready", 1, 0, 300)
    assert (shown["priority"], shown["group"], shown["image"]) == (7, "g", TEI)
    assert shown["start_seconds"] > 0 and shown["started_at"]
    logs = gw.admin("/models/small/logs?lines=5")
    print("logs:", logs.body["text"])
    assert logs.status == 200 and f"serving {SMALL} on port 80" in logs.body["text"]
    assert gw.embed("small").status == 200
    models = {m["id"]: m for m in gw.ask("/v1/models").body["data"]}
    print("/v1/models:", {id: (m["state"], m.get("container")) for id, m in models.items()})
    assert (models["small"]["state"], models["other"]["state"]) == ("ready", "stopped")
    assert gw.metric("state", upstream="small", state="ready") == 1
    assert gw.metric("state", upstream="other", state="stopped") == 1
    assert gw.metric("starts_total", upstream="small", outcome="ok") == 1
    assert gw.metric("start_duration_seconds_count", upstream="small") == 1
    assert gw.metric("engine_up") == 1
    used = until(lambda: gw.container("small").get("memory_used_bytes"), 20, "the memory that it uses is known")
    print(f"uses {used / 1e6:.0f} MB")
    assert 1e6 < used < 300 * 2**20
    unloaded = gw.unload("small")
    assert unloaded.status == 200 and containers(name) == [], unloaded
    assert gw.state("small") == "stopped"
    assert gw.embed("small").status == 200, "a request starts it again"


def test_the_engines_socket_is_kept_from_containers(gateway):
    gw = gateway(routing(managed("small", SMALL)))
    wrong = gw.reload(routing(managed("small", SMALL, volumes=["/var/run/docker.sock:/var/run/docker.sock"])))
    print(wrong)
    assert wrong.status >= 400 and "docker.sock" in json.dumps(wrong.body)
    assert gw.embed("small").status == 200


def test_unloaded_while_it_starts(gateway, name):
    """Nobody who waits loses by it: for them it starts again."""
    gw = gateway(routing(managed("idle", SMALL, env={"START_DELAY": 3}, preload=True), managed("wanted", SMALL, env={"START_DELAY": 3})))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(gw.embed, "wanted")
        first = until(lambda: (c := running(name))[1:] and c, 10, "the containers are there")
        unloaded = gw.all([lambda: gw.unload("idle"), lambda: gw.unload("wanted")])
        print("unloaded:", *unloaded, "| who waited:", waiting.result())
    assert [a.status for a in unloaded] == [200, 200] and max(a.seconds for a in unloaded) < 3
    assert waiting.result().status == 200
    (second,) = running(name)
    assert upstream(second) == "wanted" and second["Id"] not in [c["Id"] for c in first]
    assert gw.state("idle") == "stopped"


def test_who_leaves_is_not_waited_for(gateway, name):
    """The start goes on: whoever comes back finds it."""
    gw = gateway(routing(managed("slow", SMALL, env={"START_DELAY": 3})))
    with pytest.raises(TimeoutError):
        gw.embed("slow", timeout=1)
    until(lambda: gw.container("slow")["waiting"] == 0, 3, "nobody is counted as waiting")
    assert gw.container("slow")["state"] == "starting"
    until(lambda: gw.state("slow") == "ready", 10, "it serves all the same")
    assert gw.embed("slow").seconds < 1 and len(running(name)) == 1


def test_a_volume_outlives_its_containers(gateway, name):
    gw = gateway(routing(managed("small", SMALL, volumes=[MODELS, f"{name}-cache:/data"])))
    try:
        assert gw.embed("small").status == 200
        (first,) = running(name)
        docker("exec", "--user", "0", first["Id"], "sh", "-c", "echo weights >/data/file")
        assert gw.unload("small").status == 200
        assert gw.embed("small").status == 200
        (second,) = running(name)
        assert second["Id"] != first["Id"] and docker("exec", second["Id"], "cat", "/data/file") == "weights"
        assert sorted((m["Type"], m["Destination"]) for m in second["Mounts"]) == [("bind", "/models"), ("volume", "/data")]
    finally:
        gw.stop()
        docker("volume", "rm", f"{name}-cache")


def test_an_admin_may_load_many_at_once(gateway, name):
    names = ["a", "b", "c"]
    gw = gateway(routing(*[managed(n, SMALL) for n in names]))
    answers = gw.all([lambda n=n: gw.load(n) for n in names for _ in range(3)])
    assert {a.status for a in answers} == {200}
    assert len(containers(name)) == 3
    assert gw.metric("starts_total", outcome="ok") == 3
    answers = gw.all([lambda n=n: gw.unload(n) for n in names for _ in range(3)])
    assert {a.status for a in answers} == {200} and containers(name) == []
