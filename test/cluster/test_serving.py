"""A release that runs: pods as restricted as they claim to be, answers through the Services, an end without haste."""

import json
import re
import threading
import time

import httpx
import pytest
from load import DOCUMENTS, QUERY, Load
from release import Release, ended

from conftest import helm, until

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
LOCAL = {"name": MODEL, "path": "/usr/local/share/quadrate/models/all-MiniLM-L6-v2", "tasks": ["embed", "rerank"]}
# A change of a ConfigMap takes kubelet a minute, and what it keeps of it another.
SPREAD_S = 150


@pytest.fixture(scope="module")
def site(namespace) -> Release:
    release = Release(namespace("serving"))
    release.upgrade()
    return release


@pytest.fixture(scope="module")
def http():
    with httpx.Client(timeout=60, verify=False, trust_env=False) as client:
        yield client


def rerank(http, url: str, model="default"):
    return http.post(url + "/v1/rerank", json={"model": model, "query": QUERY, "documents": DOCUMENTS})


def test_pods_become_ready_one_on_each_node(site):
    for component in ("router", "rerank"):
        pods = site.ready(component)
        assert len(pods) == 2 and {pod["spec"]["nodeName"] for pod in pods} == {"node-1", "node-2"}
        assert all(status["restartCount"] == 0 for pod in pods for status in pod["status"]["containerStatuses"])


def test_a_rerank_and_an_embedding_through_the_router(site, http):
    url = site.url("router")
    for model in (MODEL, "default", "all-MiniLM-L6-v2"):
        answer = rerank(http, url, model)
        assert answer.status_code == 200 and [r["index"] for r in answer.json()["results"]] == [1, 0], answer.text
    answer = http.post(url + "/v1/embeddings", json={"model": "default", "input": ["a", "b"]})
    assert answer.status_code == 200 and [len(one["embedding"]) for one in answer.json()["data"]] == [384, 384], answer.text
    direct = rerank(http, site.url("rerank"))
    assert rerank(http, url).json()["results"] == direct.json()["results"]


def test_the_router_finds_each_pod_by_dns_and_uses_both(site):
    addresses = {pod["status"]["podIP"] for pod in site.pods("rerank")}
    with Load(site.url("router")) as load:
        load.wait(60)
    assert set(load.statuses) == {200}, load.told()
    for pod in site.pods("router"):
        assert set(re.findall(r'quadrate_upstream_endpoint_ready{endpoint="http://([0-9.]+):8000",upstream="rerank"} 1', metrics(pod))) == addresses
    # How many each has depends on how fast it is.
    answered = [re.search(r'quadrate_requests_total{model="[^"]+",route="/v1/rerank",status="200"} [1-9]', metrics(pod)) for pod in site.pods("rerank")]
    assert len(answered) == 2 and all(answered)


def metrics(pod: dict) -> str:
    return httpx.get(f"http://{pod['status']['podIP']}:8000/metrics", verify=False, trust_env=False).text


@pytest.mark.parametrize("component", ["router", "rerank"])
def test_a_container_has_no_rights(component, site):
    name = site.pods(component)[0]["metadata"]["name"]
    status = site.execute(name, "cat", "/proc/1/status").stdout
    assert re.search(r"^Uid:\t10001\t10001\t10001\t10001$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE) and re.search(r"^Seccomp:\t2$", status, re.MULTILINE)
    for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb"):
        assert re.search(rf"^Cap{kind}:\t0+$", status, re.MULTILINE), status
    refused = site.execute(name, "touch", "/usr/local/bin/mine", check=False)
    assert refused.returncode != 0 and "Read-only file system" in refused.stderr
    site.execute(name, "touch", "/tmp/mine")
    assert site.execute(name, "ls", "/var/run/secrets/kubernetes.io", check=False).returncode != 0
    assert not re.search(r"QUADRATE_R[A-Z]+_SERVICE_HOST", site.execute(name, "env").stdout)


def test_a_changed_model_is_served_without_a_new_pod(site, http):
    before = {component: site.names(component) for component in ("router", "rerank")}
    site.upgrade("--set-json", "rerank.models=" + json.dumps([{**LOCAL, "aliases": ["default", "later"]}]))
    began = time.monotonic()
    until(lambda: all(rerank(http, f"http://{pod['status']['podIP']}:8000", "later").status_code == 200 for pod in site.pods("router")),
          SPREAD_S, "each router serves the new name")
    print(f"a changed ConfigMap was served after {time.monotonic() - began:.0f} s")
    assert {component: site.names(component) for component in before} == before
    assert rerank(http, site.url("router"), "all-MiniLM-L6-v2").status_code == 404
    site.upgrade()


def new_key(site: Release, name: str) -> tuple[str, str]:
    """A key, and its entry for auth.yaml, as the program makes them."""
    told = site.execute(next(iter(site.names("router"))), "/usr/local/bin/quadrate", "key", "new", "-name", name).stdout
    return told.split("\n", 1)[0], told[told.index("  - name"):]


def test_keys_come_from_secrets(site, http):
    """Who may call is in a secret that is not the chart's; the router has a key of its own for rerank."""
    (caller, first), (router, second) = new_key(site, "caller"), new_key(site, "router")
    auth = "anonymous: {enabled: false}\nkeys:\n" + first + second
    for name, key, text in (("quadrate-auth", "auth.yaml", auth), ("rerank-key", "api-key", router)):
        site.kubectl("create", "secret", "generic", name, f"--from-literal={key}={text}")
    site.upgrade("--set", "auth.existingSecret=quadrate-auth,router.rerankKey.existingSecret=rerank-key")
    for component in ("router", "rerank"):
        site.settled(component)
        assert rerank(http, site.url(component)).status_code == 401
    answer = http.post(site.url("router") + "/v1/rerank", json={"model": "default", "query": QUERY, "documents": DOCUMENTS}, headers={"Authorization": f"Bearer {caller}"})
    assert answer.status_code == 200, answer.text
    site.upgrade()
    for component in ("router", "rerank"):
        site.settled(component)
    assert rerank(http, site.url("router")).status_code == 200


def test_a_killed_server_is_started_again(site):
    pod = site.pods("rerank")[0]
    name = pod["metadata"]["name"]
    with Load(site.url("router")) as load:
        load.wait(20)
        site.kill(pod)
        load.wait(20)
    print("a server killed:", load.told())
    last = site.got("pod", name)["status"]["containerStatuses"][0]["lastState"]["terminated"]
    assert last["exitCode"] == 137
    # What it was answering is asked of the other pod, once.
    assert set(load.statuses) == {200}, load.told()


def test_a_pod_that_is_deleted_comes_back_and_its_end_is_without_haste(site):
    """Its address is taken out of the Service, it serves on, is told to stop, drains, and ends with status 0 long before it is killed."""
    pod = site.pods("rerank")[0]
    name, address = pod["metadata"]["name"], f"http://{pod['status']['podIP']}:8000"
    watch, states = site.watch(name), []
    reader = threading.Thread(target=lambda: states.extend(watch.states()))
    reader.start()
    began = time.monotonic()
    site.kubectl("delete", "pod", name, "--wait=false")
    served, unready = until_silent(address, began)
    reader.join()
    took = time.monotonic() - began
    print(f"a deleted pod: not ready after {unready:.1f} s, answered until {served:.1f} s, gone after {took:.1f} s")
    assert ended(states)["exitCode"] == 0
    pause, drain = 5, 15
    assert pause <= unready < pause + 3 and served >= pause + drain - 1
    assert took < pause + drain + 10 < pod["spec"]["terminationGracePeriodSeconds"]
    site.settled("rerank")


def until_silent(url: str, began: float) -> tuple[float, float]:
    """Asks a server until it does not listen any more; returns when it last answered, and when it said that it is not ready."""
    served, unready = 0.0, None
    with httpx.Client(timeout=3, verify=False, trust_env=False) as http:
        while True:
            try:
                assert rerank(http, url).status_code == 200
                served = time.monotonic() - began
                if http.get(url + "/health/ready").status_code == 503:
                    unready = unready or served
            except httpx.TransportError:
                return served, unready
            time.sleep(0.1)


def test_helms_own_view(site):
    listed = json.loads(helm("list", "--namespace", site.namespace, "-o", "json").stdout)
    assert [(one["name"], one["status"]) for one in listed] == [("quadrate", "deployed")]
    assert "kubectl" in helm("status", "quadrate", "--namespace", site.namespace).stdout


def test_uninstall_takes_all_but_the_models_away(namespace):
    release = Release(namespace("uninstalled"))
    release.upgrade("--set", "storage.enabled=true,router.replicas=0,rerank.replicas=0", wait=False)  # nobody provides the volume
    helm("uninstall", "quadrate", "--namespace", release.namespace, "--wait", "--timeout", "3m")
    left = release.got("deployments,services,configmaps,pdb,networkpolicies,serviceaccounts,secrets,pvc", "-l", "app.kubernetes.io/instance=quadrate")["items"]
    assert [(item["kind"], item["metadata"]["name"]) for item in left] == [("PersistentVolumeClaim", "quadrate-models")]
