"""Under steady load through the router's Service: an upgrade, a rollback, restarts and drains of nodes."""

import json

import pytest
from load import Load
from release import Release

from conftest import got, kubectl, until

NEW = "next"  # the tag of the second image


@pytest.fixture(scope="module")
def site(namespace) -> Release:
    release = Release(namespace("rollout"))
    release.upgrade()
    return release


@pytest.fixture
def settled(site) -> Release:
    """As installed, whatever a test that failed has left."""
    site.upgrade()
    for component in ("router", "rerank"):
        site.settled(component)
    return site


def images(site: Release, component: str) -> set[str]:
    return {pod["spec"]["containers"][0]["image"] for pod in site.pods(component)}


def test_upgrade_and_rollback_of_all_lose_no_request(settled):
    """Another image and another server.yaml: both workloads' pods are replaced, one at a time, and replaced back."""
    site = settled
    with Load(site.url("router")) as load:
        load.wait(40)
        before = site.names("rerank") | site.names("router")
        site.upgrade("--set", f"image.tag={NEW},rerank.config.server.max_documents=500")
        site.settled("rerank")
        site.settled("router")
        load.wait(40)
        between = site.names("rerank") | site.names("router")
        assert not before & between and images(site, "rerank") == images(site, "router") == {f"quadrate-test:{NEW}"}
        site.rollback()
        site.settled("rerank")
        site.settled("router")
        load.wait(40)
    print("upgrade and rollback:", load.told())
    assert not between & (site.names("rerank") | site.names("router")) and images(site, "rerank") == {"quadrate-test:cpu"}
    assert set(load.statuses) == {200}, load.told()


def test_a_setting_that_the_server_refuses_stops_at_the_first_pod(settled):
    """The old pods serve on, and a rollback takes the failed one away."""
    site = settled
    before = site.names("rerank")
    with Load(site.url("router")) as load:
        load.wait(20)
        site.upgrade("--set", "rerank.config.server.max_documents=-1", wait=False)
        new = until(lambda: site.names("rerank") - before, 60, "there is a new pod").pop()
        until(lambda: site.got("pod", new)["status"].get("containerStatuses", [{"restartCount": 0}])[0]["restartCount"], 90, "the new pod has failed")
        # Between two starts there are no logs for a moment.
        until(lambda: "server.max_documents" in site.kubectl("logs", new, "--previous", check=False).stdout, 60, "it says why")
        assert {pod["metadata"]["name"] for pod in site.ready("rerank")} == before
        site.rollback()
        site.settled("rerank")
        load.wait(20)
    print("a setting refused:", load.told())
    assert site.names("rerank") == before
    assert set(load.statuses) == {200}, load.told()


def test_a_change_of_rerank_alone_leaves_the_router_standing(settled):
    site = settled
    routers = site.names("router")
    with Load(site.url("router")) as load:
        load.wait(20)
        site.upgrade("--set", "rerank.podAnnotations.changed=yes")
        site.settled("rerank")
        load.wait(20)
    print("rerank replaced:", load.told())
    assert site.names("router") == routers
    assert set(load.statuses) == {200}, load.told()


def test_a_restart_of_two_routers_loses_no_request(settled):
    site = settled
    with Load(site.url("router")) as load:
        load.wait(20)
        site.kubectl("rollout", "restart", "deployment/quadrate-router")
        site.kubectl("rollout", "status", "deployment/quadrate-router", "--timeout=180s")
        site.settled("router")
        load.wait(20)
    print("two routers restarted:", load.told())
    assert set(load.statuses) == {200}, load.told()


def test_a_drain_of_a_node_goes_by_the_budgets(settled):
    """All pods move to the other node, one of a workload at a time, without a failed request."""
    site = settled
    with Load(site.url("router")) as load:
        load.wait(20)
        try:
            kubectl("drain", "node-2", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=240s")
            for component in ("router", "rerank"):
                site.settled(component)
                assert {pod["spec"]["nodeName"] for pod in site.pods(component)} == {"node-1"}
            load.wait(20)
        finally:
            kubectl("uncordon", "node-2")
    print("a node drained:", load.told())
    assert set(load.statuses) == {200}, load.told()


def test_a_second_eviction_is_refused_until_the_first_is_made_good(settled):
    site = settled
    first, second = sorted(site.names("rerank"))
    assert evict(site, first).returncode == 0
    refused = evict(site, second, check=False)
    assert refused.returncode != 0 and "disruption budget" in refused.stderr, refused.stderr
    site.settled("rerank")
    assert second in site.names("rerank")


def evict(site: Release, pod: str, **more):
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": site.namespace}}
    return kubectl("create", "--raw", f"/api/v1/namespaces/{site.namespace}/pods/{pod}/eviction", "-f", "-", data=json.dumps(eviction), **more)


def test_a_restart_of_the_only_router(settled):
    """A planned one has no gap, as the new one is ready before the old one leaves; a crash has one, which is counted."""
    site = settled
    site.upgrade("--set", "router.replicas=1")
    site.settled("router", 1)
    with Load(site.url("router")) as load:
        load.wait(20)
        site.kubectl("rollout", "restart", "deployment/quadrate-router")
        site.kubectl("rollout", "status", "deployment/quadrate-router", "--timeout=180s")
        site.settled("router", 1)
        load.wait(20)
    print("the only router restarted:", load.told())
    assert set(load.statuses) == {200}, load.told()

    old = site.names("router")
    with Load(site.url("router")) as load:
        load.wait(20)
        site.kubectl("delete", "pod", *old, "--wait=false")
        until(lambda: site.names("router") - old, 60, "there is another")
        site.settled("router", 1)
        load.wait(20)
    print("the only router deleted:", load.told())
    assert set(load.statuses) == {200}, load.told()

    with Load(site.url("router")) as load:
        load.wait(20)
        site.kill(site.pods("router")[0])
        load.wait(20)
    print("the only router crashed:", load.told())
    assert 0 < sum(load.statuses.values()) - load.statuses[200] and load.gap < 20, load.told()
    assert set(load.statuses) <= {200, "ConnectError", "ConnectTimeout", "ReadError", "RemoteProtocolError"}, load.told()
