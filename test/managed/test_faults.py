"""What goes wrong in a container, or with it, and what clients are told."""

import concurrent.futures
import socket
import subprocess
import time

import pytest
from engine import BASE, containers, docker, inspect, running, until
from gateway import LONG, MINILM, SMALL, managed, routing


def counts(gw, upstream: str) -> dict:
    return {"starts": gw.metric("starts_total", upstream=upstream), "ok": gw.metric("starts_total", upstream=upstream, outcome="ok"),
            "crashes": gw.metric("crashes_total", upstream=upstream)}


def clean(answer) -> bool:
    """Whether an answer is one, or an error that says whose it is."""
    return answer.status == 200 or (answer.status in (502, 503) and answer.error["code"] and answer.error["message"])


def test_docker_kill(gateway, name):
    gw = gateway(routing(managed("minilm", MINILM)))
    assert gw.embed("minilm").status == 200
    (first,) = running(name)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        slow = [pool.submit(gw.embed, "minilm", *LONG) for _ in range(2)]
        until(lambda: gw.container("minilm")["in_flight"] == 2, 5, "two requests are in flight")
        docker("kill", first["Id"])
        soon = pool.submit(gw.embed, "minilm")
        answers = [f.result() for f in (*slow, soon)]
    print("in flight:", answers[0], "|", answers[1], "| right after:", answers[2])
    assert all(clean(a) for a in answers)
    after = gw.embed("minilm")
    assert after.status == 200, after
    (second,) = running(name)
    print("then:", after, counts(gw, "minilm"))
    assert second["Id"] != first["Id"]
    assert [c["Id"] for c in containers(name)] == [second["Id"]], "the one that was killed is removed"
    assert gw.metric("crashes_total", upstream="minilm", reason="exit") == 1
    assert answers[0].status == answers[1].status == 200, "requests in flight are repeated once"


def test_an_idle_model_that_is_killed_starts_when_it_is_asked(gateway, name):
    gw = gateway(routing(managed("small", SMALL)))
    assert gw.embed("small").status == 200
    docker("kill", running(name)[0]["Id"])
    until(lambda: gw.metric("crashes_total", upstream="small") == 1, 5, "the crash is counted")
    again = gw.embed("small")
    print("asked again:", again)
    assert again.status == 200 and again.seconds < 10


def test_removed_behind_our_back(gateway, name):
    gw = gateway(routing(managed("small", SMALL)))
    assert gw.embed("small").status == 200
    docker("rm", "--force", "--volumes", running(name)[0]["Id"])
    again = gw.embed("small")
    print("asked again:", again)
    assert clean(again)
    assert gw.embed("small").status == 200 and len(running(name)) == 1


def test_too_little_memory_to_start(gateway, name):
    gw = gateway(routing(managed("minilm", MINILM, memory_mb=40)))
    refused = gw.embed("minilm")
    print(refused)
    assert (refused.status, refused.error["code"], refused.error["upstream"]) == (503, "model_unavailable", "minilm")
    assert "memory" in refused.error["message"] and "40" in refused.error["message"]
    assert f"serving {MINILM}" in refused.error["message"], "the last lines of its log are shown"
    assert gw.metric("crashes_total", upstream="minilm", reason="oom") + gw.metric("starts_total", upstream="minilm") >= 1
    assert running(name) == []


def test_memory_runs_out_while_it_serves(gateway, name):
    gw = gateway(routing(managed("small", SMALL, env={"OOM_VICTIM": 1}, memory_mb=200)))
    assert gw.embed("small").status == 200
    (first,) = running(name)
    eater = subprocess.Popen(["docker", "exec", first["Id"], "sh", "-c", "head -c 400m /dev/zero | tail"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: gw.metric("crashes_total", upstream="small", reason="oom") == 1, 20, "the crash is counted as one for want of memory")
    eater.wait(timeout=20)
    after = gw.embed("small")
    print("afterwards:", after, counts(gw, "small"), gw.container("small"))
    assert after.status == 200 and running(name)[0]["Id"] != first["Id"]


def test_memory_that_runs_out_for_another_process_ends_nothing(gateway, name):
    gw = gateway(routing(managed("small", SMALL, memory_mb=200)))
    assert gw.embed("small").status == 200
    (first,) = running(name)
    docker("exec", first["Id"], "sh", "-c", "echo 1000 >/proc/self/oom_score_adj; head -c 400m /dev/zero | tail >/dev/null", check=False)
    after = gw.embed("small")
    print("afterwards:", after, counts(gw, "small"))
    assert after.status == 200 and running(name)[0]["Id"] == first["Id"]
    assert gw.metric("crashes_total", upstream="small") == 0


def test_a_server_that_hangs_is_started_anew(gateway, name):
    gw = gateway(routing(managed("small", SMALL, upstream={"timeout": "3s", "retries": 0})))
    assert gw.embed("small").status == 200
    (first,) = running(name)
    docker("pause", first["Id"])
    until(lambda: gw.metric("crashes_total", upstream="small", reason="unhealthy") == 1, 40, "it is found out")
    after = gw.embed("small")
    print("afterwards:", after, counts(gw, "small"))
    assert after.status == 200 and running(name)[0]["Id"] != first["Id"]
    assert len(containers(name)) == 1


def test_never_healthy(gateway, name):
    gw = gateway(routing(managed("deaf", SMALL, env={"NEVER_HEALTHY": 1}, start_timeout="3s", stop_timeout="1s")))
    refused = gw.embed("deaf")
    print(refused)
    assert (refused.status, refused.error["code"]) == (503, "model_unavailable")
    assert 2.5 < refused.seconds < 6
    assert "3s" in refused.error["message"], "the limit is named"
    assert "waiting for a GPU that never comes" in refused.error["message"]
    until(lambda: containers(name) == [], 5, "it is removed")
    assert gw.state("deaf") == "failed" and gw.container("deaf")["reason"]


def test_a_crash_loop_is_broken_and_mended_by_a_reload(gateway, name):
    gw = gateway(routing(managed("broken", SMALL, env={"EXIT_AT_START": 7}), managed("fine", SMALL)))
    begun, answers = time.monotonic(), []

    def five_failed() -> bool:
        answers.append(gw.embed("broken"))
        return gw.metric("starts_total", upstream="broken") == 5

    until(five_failed, 60, "five starts have failed")
    print(f"five starts failed within {time.monotonic() - begun:.1f} s; {len(answers)} requests, longest {max(a.seconds for a in answers):.1f} s")
    assert {(a.status, a.error["code"]) for a in answers} == {(503, "model_unavailable")}
    broken = gw.embed("broken")
    print("then:", broken, "Retry-After", broken.headers.get("Retry-After"))
    assert broken.status == 503 and broken.seconds < 0.5
    assert "CUDA error: no kernel image is available" in broken.error["message"] and "7" in broken.error["message"]
    time.sleep(2)  # longer than the first pauses: nothing is started behind the clients' backs
    assert gw.metric("starts_total", upstream="broken") == 5
    assert gw.embed("fine").status == 200, "another model is served meanwhile"
    by_hand = gw.load("broken")
    print("loaded by hand:", by_hand)
    assert by_hand.status == 503 and gw.metric("starts_total", upstream="broken") == 6
    logged = gw.admin("/models/broken/logs").body
    assert "CUDA error" in logged.get("text", ""), logged
    assert gw.reload(routing(managed("broken", SMALL), managed("fine", SMALL))).status == 200
    mended = gw.embed("broken")
    print("mended:", mended)
    assert mended.status == 200
    assert containers(name) and len(containers(name)) == 2


def test_a_model_that_does_not_exist(gateway, name):
    gw = gateway(routing(managed("absent", "played/no-such-model")))
    refused = gw.embed("absent")
    print(refused)
    assert refused.status == 503 and "Repository Not Found for model played/no-such-model" in refused.error["message"]
    assert refused.seconds < 5 and running(name) == []
    logged = gw.admin("/models/absent/logs").body["text"]
    assert "Repository Not Found" in logged, "its log can be read afterwards"
    gw.stop()
    assert containers(name) == []


def test_a_wrong_argument(gateway, name):
    gw = gateway(routing(managed("wrong", SMALL, "vllm", args=["--task", "embed"])))
    refused = gw.embed("wrong")
    print(refused)
    assert refused.status == 503 and "unrecognized arguments: --task embed" in refused.error["message"]
    assert running(name) == []


def test_an_image_that_is_not_there(gateway, name):
    gw = gateway(routing(managed("never", SMALL, image="quadrate-played:absent"),
                         managed("nowhere", SMALL, image="127.0.0.1:9/nobody/none:1", pull="missing")))
    never, nowhere = gw.embed("never"), gw.embed("nowhere")
    print("pull: never:", never)
    print("pull: missing:", nowhere)
    assert never.status == nowhere.status == 503
    assert "quadrate-played:absent" in never.error["message"] and "pull" in never.error["message"]
    assert "127.0.0.1:9/nobody/none:1" in nowhere.error["message"]
    assert containers(name) == []


def test_a_gpu_that_is_not_there(gateway, name):
    if "nvidia" in docker("info", "--format", "{{json .Runtimes}}"):
        pytest.skip("the engine has GPUs")
    gw = gateway(routing(managed("gpu", SMALL, gpus="0")))
    refused = gw.embed("gpu")
    print(refused)
    assert refused.status == 503 and "NVIDIA Container Toolkit" in refused.error["message"] and containers(name) == []


def test_a_network_that_is_not_there(gateway, name):
    gw = gateway(routing(managed("small", SMALL, network=f"{name}-absent")))
    refused = gw.embed("small")
    print(refused)
    assert refused.status == 503 and f"{name}-absent" in refused.error["message"] and containers(name) == []


def test_a_port_that_is_taken(gateway, name):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        gw = gateway(routing(managed("small", SMALL, host_port=port)))
        refused = gw.embed("small")
        print(refused)
        assert refused.status == 503 and str(port) in refused.error["message"] and "in use" in refused.error["message"]
        assert containers(name) == []
    answer = until(lambda: (a := gw.embed("small")).status == 200 and a, 15, "it works once the port is free")
    print("port free:", answer, "at", running(name)[0]["NetworkSettings"]["Ports"]["80/tcp"])
    assert running(name)[0]["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"] == str(port)


def test_a_name_that_anothers_container_has(gateway, name):
    gw = gateway(routing(managed("small", SMALL)))
    assert gw.embed("small").status == 200
    usual = running(name)[0]["Name"].removeprefix("/")
    assert gw.unload("small").status == 200
    other = docker("run", "--detach", "--name", usual, "--label", "somebody=else", BASE, "sleep", "1000")
    try:
        answer = gw.embed("small")
        (container,) = running(name)
        print(f"{answer}; {usual} is somebody else's, ours is {container['Name']}")
        assert answer.status == 200 and container["Name"] != f"/{usual}"
        gw.stop()
        assert containers(name) == []
        state = inspect(other)
        assert state["State"]["Running"] and state["Name"] == f"/{usual}"
    finally:
        docker("rm", "--force", "--volumes", other)


def test_what_answers_wrongly_does_not_count_as_ready(gateway, name):
    """A server whose health is well, and which does not have the model that is asked for."""
    gw = gateway(routing(managed("other", SMALL, "vllm", env={"SERVED_AS": "something-else"})))
    refused = gw.embed("other")
    print(refused)
    assert refused.status == 503 and SMALL in refused.error["message"] and refused.seconds < 10
    until(lambda: running(name) == [], 5, "it is stopped")
