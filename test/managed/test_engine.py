"""The engine that restarts or is not there, and the gateway in a container of it."""

import json
import os
import signal
import time

import pytest
from engine import BASE, containers, docker, inspect, running, socket, until, upstream
from gateway import MINILM, PROGRAM, SMALL, Answer, ask, managed, route, routing

REFUSED = "no container can be run here: the upstream serves nobody"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_engine_restarts(gateway, name, own_engine, how):
    gw = gateway(routing(managed("small", SMALL), managed("pinned", SMALL, pinned=True)))
    assert gw.embed("small").status == 200 and gw.load("pinned").status == 200
    before = {c["Id"] for c in running(name)}
    begun, pid = time.monotonic(), own_engine.pid()
    os.kill(pid, how)
    try:
        until(lambda: not os.path.exists(f"/proc/{pid}"), 30, "the engine ends")
        until(lambda: gw.metric("engine_up") == 0, 10, "the gateway notices")
        without = gw.embed("small", X_Request_Timeout="2")
        print("while it is away:", without)
        assert without.status in (200, 502, 503) and without.seconds < 3
    finally:
        own_engine.run("start")
    print(f"back after {time.monotonic() - begun:.1f} s")
    until(lambda: gw.metric("engine_up") == 1, 30, "the gateway notices that it is back")
    answer = until(lambda: (a := gw.embed("small")).status == 200 and a, 40, "it serves again")
    print("first answer:", answer)
    until(lambda: gw.state("pinned") == "ready", 40, "the pinned one runs without being asked")
    until(lambda: len(running(name)) == 2, 20, "both run")
    assert len(containers(name)) == 2, "none of the old ones is left"
    if how == signal.SIGTERM:
        assert not {c["Id"] for c in running(name)} & before


def test_the_engine_hangs(gateway, name, own_engine):
    gw = gateway(routing(managed("serves", SMALL), managed("other", SMALL)))
    assert gw.embed("serves").status == 200
    before = [c["Id"] for c in running(name)]
    os.kill(own_engine.pid(), signal.SIGSTOP)
    try:
        begun = time.monotonic()
        served = until(lambda: (a := gw.embed("serves")).status == 200 and time.monotonic() - begun > 4 and a, 10, "what serves goes on serving")
        refused = gw.embed("other", X_Request_Timeout="2")
        print("meanwhile:", served, "| what does not run:", refused)
        assert refused.status == 503 and refused.seconds < 3
    finally:
        os.kill(own_engine.pid(), signal.SIGCONT)
    other = until(lambda: (a := gw.embed("other")).status == 200 and a, 30, "the other starts when the engine is back")
    print("afterwards:", other)
    assert [c["Id"] for c in running(name) if upstream(c) == "serves"] == before and gw.metric("crashes_total") == 0


def test_without_a_socket_the_others_are_served(gateway, remote, name):
    other = {"name": "remote", "type": "tei", "urls": [remote]}
    gw = gateway(routing(managed("small", SMALL), other, routes=[route("small", model=SMALL), route("remote", model=MINILM)],
                         host="unix:///nowhere/docker.sock"))
    refused, served = gw.embed("small"), gw.embed("remote")
    print("managed:", refused, "| remote:", served)
    assert served.status == 200
    assert refused.status in (404, 503) and refused.seconds < 1
    (said,) = gw.said(REFUSED)
    print("the log at the start:", said)
    assert "/nowhere/docker.sock" in said["error"] and said["upstream"] == "small"
    assert gw.state("small") == "unavailable"
    assert gw.load("small").status >= 400
    assert containers(name) == []


def test_in_kubernetes_managed_entries_are_refused(gateway, remote):
    other = {"name": "remote", "type": "tei", "urls": [remote]}
    gw = gateway(routing(managed("small", SMALL), other, routes=[route("small", model=SMALL), route("remote", model=MINILM)]),
                 env={"KUBERNETES_SERVICE_HOST": "10.0.0.1"})
    assert (gw.embed("remote").status, gw.embed("small").status) in ((200, 404), (200, 503))
    assert any("Kubernetes" in str(e) for e in gw.said(REFUSED))


@pytest.mark.parametrize("own_network", [True, False], ids=["network", "bridge"])
def test_in_a_container_itself(tmp_path, name, own_network):
    """The gateway's container has the engine's socket; what it starts joins its network and is published nowhere."""
    network = name if own_network else "bridge"
    if own_network:
        docker("network", "create", network)
    try:
        in_container(tmp_path, name, network)
    finally:
        for left in [name, *[c["Id"] for c in containers(name)]]:
            docker("rm", "--force", "--volumes", left, check=False)
        if own_network:
            docker("network", "rm", network)


def in_container(folder, name: str, network: str) -> None:
    config = routing(managed("small", SMALL), instance=name)
    for file, text in {"server.yaml": {"server": {"host": "0.0.0.0", "port": 8000, "drain_delay": "0s"}, "log": {"format": "json"}},
                       "routing.yaml": config}.items():
        (folder / file).write_text(json.dumps(text))
    docker("run", "--detach", "--name", name, "--network", network, "--publish", "127.0.0.1::8000", "--volume", f"{folder}:/etc/quadrate:ro",
           "--volume", f"{PROGRAM}:/quadrate:ro", "--volume", f"{socket()}:/var/run/docker.sock", "--env", "QUADRATE_FILES_ROUTING=/etc/quadrate/routing.yaml",
           BASE, "/quadrate", "-config", "/etc/quadrate/server.yaml")
    answer = ask_in_container(name)
    (container,) = running(name)
    print(f"{answer}; {upstream(container)} is {container['Name']} in {list(container['NetworkSettings']['Networks'])}, "
          f"published: {container['NetworkSettings']['Ports']}")
    assert list(container["NetworkSettings"]["Networks"]) == [network]
    assert not any(container["NetworkSettings"]["Ports"].values())
    docker("kill", name)
    docker("start", name)
    print("killed and started:", ask_in_container(name))
    assert [c["Id"] for c in running(name)] == [container["Id"]], "it is adopted"
    docker("stop", "--time", "20", name)
    assert inspect(name)["State"]["ExitCode"] == 0, docker("logs", name)
    assert containers(name) == []


def ask_in_container(name: str) -> Answer:
    """What the gateway in a container answers, once it is there."""
    url = "http://" + docker("port", name, "8000/tcp").splitlines()[0]

    def ready() -> bool:
        assert inspect(name)["State"]["Running"], docker("logs", name)
        try:
            return ask(url + "/health/live").status == 200
        except OSError:
            return False

    until(ready, 20, "the gateway in its container answers")
    answer = ask(url + "/v1/embeddings", {"model": "small", "input": "hello"})
    assert answer.status == 200, f"{answer}\n{docker('logs', name)}"
    return answer
