"""What the values give to pods: images, volumes, containers, places, certificates, and what is told of them."""

import base64

import pytest
import yaml
from conftest import EXAMPLES, ROOT, pods, render

DIGEST = "sha256:" + "0123456789abcdef" * 4
EVERYTHING = ROOT / "test/k8s/everything.yaml"


def images(*values) -> tuple[str, str]:
    found = pods(render(*[part for value in values for part in ("--set", value)]))
    return tuple(found[component]["containers"][0]["image"] for component in ("router", "rerank"))


@pytest.mark.parametrize(("values", "router", "rerank"), [
    ([], "quadrate:0.1.0", "quadrate:0.1.0"),
    (["image.tag=v2", "rerank.image.tag=v2-cuda"], "quadrate:v2", "quadrate:v2-cuda"),
    (["image.repository=r/q", "image.tag=v2", "rerank.image.repository=r/cuda"], "r/q:v2", "r/cuda:v2"),
    ([f"image.digest={DIGEST}"], f"quadrate@{DIGEST}", f"quadrate@{DIGEST}"),
    ([f"rerank.image.digest={DIGEST}", "image.tag=v2"], "quadrate:v2", f"quadrate@{DIGEST}"),
    # A digest is of one image: it does not hold where a workload names another.
    ([f"image.digest={DIGEST}", "rerank.image.tag=cuda"], f"quadrate@{DIGEST}", "quadrate:cuda"),
    ([f"image.digest={DIGEST}", "image.tag=v2", "router.image.repository=r/slim"], "r/slim:v2", f"quadrate@{DIGEST}"),
])
def test_each_workload_has_the_image_that_is_said(values, router, rerank):
    assert images(*values) == (router, rerank)


def test_the_gpu_example_leaves_routers_the_small_image():
    found = pods(render("--values", next(file for file in EXAMPLES if file.stem == "gpu")))
    assert found["router"]["containers"][0]["image"] == "quadrate:0.1.0"
    assert found["rerank"]["containers"][0]["image"] == "quadrate:cuda"


def test_images_are_pulled_as_said():
    found = pods(render("--values", EVERYTHING))
    assert {name: pod["containers"][0]["imagePullPolicy"] for name, pod in found.items()} == {"router": "Always", "rerank": "IfNotPresent"}
    assert {c["imagePullPolicy"] for c in found["rerank"]["initContainers"] if c["name"].startswith("fetch-")} == {"Always"}
    assert all(pod["imagePullSecrets"] == [{"name": "registry"}] for pod in found.values())


def test_what_a_pod_is_given_comes_to_it():
    objects = render("--values", EVERYTHING)
    values = yaml.safe_load(EVERYTHING.read_text(encoding="utf-8"))
    for component, pod in pods(objects).items():
        given, container = values[component], pod["containers"][0]
        assert given["volumes"][0] in pod["volumes"] and given["volumeMounts"][0] in container["volumeMounts"]
        assert container["envFrom"] == given["envFrom"] and container.get("env") == given.get("env")
        assert pod["initContainers"][0] == given["initContainers"][0] and pod["containers"][1:] == given["sidecars"]
        for key in ("priorityClassName", "nodeSelector", "affinity"):
            assert pod.get(key) == given.get(key)
        assert set(given.get("podLabels", {}).items()) <= set(objects["Deployment", f"quadrate-{component}"]["spec"]["template"]["metadata"]["labels"].items())
        assert not [m for c in pod["containers"] + pod["initContainers"] for m in c.get("volumeMounts", []) if m["name"] not in {v["name"] for v in pod["volumes"]}]
    assert objects["Deployment", "quadrate-router"]["spec"]["template"]["metadata"]["annotations"]["mesh.example/inject"] == "true"


def test_pods_are_spread_over_hosts_or_as_said():
    plain = pods(render())["rerank"]["topologySpreadConstraints"]
    assert [c["topologyKey"] for c in plain] == ["kubernetes.io/hostname"] and plain[0]["matchLabelKeys"] == ["pod-template-hash"]
    said = pods(render("--values", EVERYTHING))["rerank"]["topologySpreadConstraints"]
    assert [c["topologyKey"] for c in said] == ["topology.kubernetes.io/zone"]
    for constraint in plain + said:
        assert constraint["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] == "rerank"
    own = "rerank.topologySpreadConstraints[0]"
    other = pods(render("--set", f"{own}.maxSkew=2,{own}.topologyKey=rack,{own}.whenUnsatisfiable=DoNotSchedule,{own}.labelSelector.matchLabels.a=b"))["rerank"]
    assert other["topologySpreadConstraints"][0]["labelSelector"] == {"matchLabels": {"a": "b"}}
    assert "topologySpreadConstraints" not in pods(render("--set", "router.topologySpread=false"))["router"]


@pytest.mark.parametrize(("values", "image"), [
    ("rerank.image.tag=cuda", "quadrate:cuda"),
    ("rerank.image.tag=cuda,fetch.image.repository=r/export", "r/export:0.1.0"),
    ("image.tag=v2,fetch.image.repository=r/export", "r/export:v2"),
    ("fetch.image.repository=r/export,fetch.image.tag=v3", "r/export:v3"),
])
def test_the_exporter_is_in_reranks_image_or_in_the_one_that_is_said(values, image):
    container = pods(render("--set", "fetch.enabled=true,fetch.models={a/b}," + values))["rerank"]["initContainers"][0]
    assert container["image"] == image and container["command"] == ["/usr/local/bin/quadrate-export"]


def test_a_rollout_has_time_for_a_start_and_a_fetch():
    def deadlines(*args):
        objects = render("--set", "rerank.startupSeconds=900", *args)
        return [objects["Deployment", f"quadrate-{name}"]["spec"]["progressDeadlineSeconds"] for name in ("router", "rerank")]
    assert deadlines() == [900, 1500]
    assert deadlines("--set", "fetch.enabled=true,fetch.models={a/b}") == [900, 5100]


def test_a_fetch_sees_no_gpu():
    """By its image and the runtime class it would see all of the node, those of other pods too."""
    [container] = pods(render("--set", "fetch.enabled=true,fetch.models={a/b},rerank.gpu.enabled=true,rerank.gpu.runtimeClassName=nvidia"))["rerank"]["initContainers"]
    assert container["env"] == [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"}] and "nvidia.com/gpu" not in str(container["resources"])


def test_each_model_is_fetched_as_said():
    _, plain, said = pods(render("--values", EVERYTHING))["rerank"]["initContainers"]
    every = ["--if-absent", "--variant", "fp32,fp16"]
    assert plain["name"] == "fetch-bge-m3" and plain["args"] == ["BAAI/bge-m3", "--out", "/models/bge-m3", *every]
    assert said["name"] == "fetch-reranker-2"
    assert said["args"] == ["BAAI/bge-reranker-v2-m3", "--out", "/models/reranker-2", "--if-absent", "--revision", "0123456789abcdef0123456789abcdef01234567", *every[1:], "--outputs", "tokens"]
    for container in (plain, said):
        assert {"name": "authorities", "mountPath": "/etc/authorities", "readOnly": True} in container["volumeMounts"]
        assert container["envFrom"] == [{"secretRef": {"name": "proxy"}}]


def test_a_volume_that_others_fill_is_only_read():
    objects = render("--set", "storage.existingClaim=models,storage.readOnly=true")
    pod = pods(objects)["rerank"]
    volumes = {v["name"]: v for v in pod["volumes"]}
    assert volumes["models"]["persistentVolumeClaim"] == {"claimName": "models", "readOnly": True}
    mounts = {m["mountPath"]: m for m in pod["containers"][0]["volumeMounts"]}
    assert mounts["/models"]["readOnly"] is True
    engines = yaml.safe_load(objects["ConfigMap", "quadrate-rerank"]["data"]["server.yaml"])["runtime"]["tensorrt_cache"]
    assert not mounts[engines].get("readOnly") and "emptyDir" in volumes[mounts[engines]["name"]]


def test_a_certificate_is_served_asked_for_and_checked():
    objects = render("--values", EVERYTHING)
    for component, pod in pods(objects).items():
        container = pod["containers"][0]
        server = yaml.safe_load(objects["ConfigMap", f"quadrate-{component}"]["data"]["server.yaml"])["server"]
        assert server["tls"] == {"cert": "/etc/quadrate/tls/tls.crt", "key": "/etc/quadrate/tls/tls.key"}
        assert {v["name"]: v for v in pod["volumes"]}["tls"]["secret"] == {"secretName": f"{component}-tls"}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["scheme"] == "HTTPS"
        assert objects["Service", f"quadrate-{component}"]["spec"]["ports"][0]["appProtocol"] == "https"
        scraped = objects["ServiceMonitor", f"quadrate-{component}"]["spec"]["endpoints"][0]
        assert scraped["scheme"] == "https" and scraped["tlsConfig"]["ca"] == {"secret": {"name": f"{component}-tls", "key": "ca.crt"}}
    upstream = yaml.safe_load(objects["ConfigMap", "quadrate-router"]["data"]["routing.yaml"])["upstreams"][0]
    name = "quadrate-rerank-pods.quadrate.svc"
    assert upstream["urls"] == [f"dns+https://{name}:8000"] and upstream["ca_file"] == "/etc/quadrate/rerank-ca/ca.crt"
    assert objects["ServiceMonitor", "quadrate-rerank"]["spec"]["endpoints"][0]["tlsConfig"]["serverName"] == name
    ca = next(v for v in pods(objects)["router"]["volumes"] if v["name"] == "rerank-ca")["secret"]
    assert ca == {"secretName": "rerank-tls", "items": [{"key": "ca.crt", "path": "ca.crt"}]}  # and no private key


def test_without_a_certificate_there_is_plain_http():
    objects = render("--set", "serviceMonitor.enabled=true")
    assert "tls" not in yaml.safe_load(objects["ConfigMap", "quadrate-rerank"]["data"]["server.yaml"])["server"]
    assert objects["Service", "quadrate-rerank"]["spec"]["ports"][0]["appProtocol"] == "http"
    assert "scheme" not in objects["ServiceMonitor", "quadrate-rerank"]["spec"]["endpoints"][0]
    assert "scheme" not in pods(objects)["rerank"]["containers"][0]["readinessProbe"]["httpGet"]


def test_config_may_say_otherwise_what_is_only_a_default():
    def server(*args):
        return yaml.safe_load(render(*args)["ConfigMap", "quadrate-rerank"]["data"]["server.yaml"])
    assert server()["log"]["format"] == "json" and server()["runtime"]["tensorrt_cache"] == "/models/.tensorrt"
    said = server("--set", "rerank.config.log.format=text,rerank.config.runtime.tensorrt_cache=/x,rerank.config.server.metrics=key")
    assert said["log"]["format"] == "text" and said["runtime"]["tensorrt_cache"] == "/x"
    assert said["server"]["metrics"] == "key" and said["server"]["port"] == 8000


def test_servers_listen_at_every_address():
    """0.0.0.0 would be those of IPv4 alone, and a pod may have none."""
    for args in ([], ["--set", "rerank.config.server.metrics=key,router.config.server.metrics=key"]):
        for component in ("router", "rerank"):
            server = yaml.safe_load(render(*args)["ConfigMap", f"quadrate-{component}"]["data"]["server.yaml"])["server"]
            assert server["host"] == ""


def notes(tmp_path, *args) -> str:
    """NOTES.txt, which Helm shows only where there is a cluster."""
    shown = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "notes"}, "data": {"notes": '{{ include "quadrate.notes" . | b64enc }}'}}
    file = tmp_path / "notes.yaml"
    file.write_text(yaml.safe_dump({"extraObjects": [shown]}), encoding="utf-8")
    return base64.b64decode(render(*args, "--values", file)["ConfigMap", "notes"]["data"]["notes"]).decode()


def test_notes_show_how_to_ask(tmp_path):
    plain = notes(tmp_path)
    assert "port-forward service/quadrate-router 8000:80\n" in plain and "curl http://localhost:8000/v1/models" in plain
    assert "Everybody who reaches it may use every model" in plain and "secrets" not in plain
    alone = notes(tmp_path, "--set", "router.enabled=false,rerank.tls.existingSecret=t,auth.existingSecret=keys")
    assert "port-forward service/quadrate-rerank 8000:8000\n" in alone and "curl --insecure --header" in alone and "https://localhost:8000" in alone
    assert "Everybody" not in alone and "without a key" not in alone


def test_notes_list_every_secret_that_pods_wait_for(tmp_path):
    """All that pods name as volumes, or that a fetch has its token from."""
    shown = notes(tmp_path, "--values", EVERYTHING, "--set", "router.volumes=null,router.volumeMounts=null,router.envFrom=null")
    for pod in pods(render("--values", EVERYTHING)).values():
        for volume in pod["volumes"]:
            if secret := volume.get("secret", {}).get("secretName"):
                assert f"\n- {secret}: " in shown
    assert "\n- hub: token" in shown and "\n- registry: " in shown


@pytest.mark.parametrize(("values", "says"), [
    ("fetch.enabled=true,fetch.models={a/b}", "every pod fetches and exports the models anew"),
    ("storage.enabled=true,storage.accessModes={ReadWriteOnce}", "a pod on another waits for ever"),
    ("auth.existingSecret=keys", "calls rerank without a key"),
    ("networkPolicy.enabled=false", "every pod of the cluster reaches rerank"),
    ("image.repository=quadrate", "names no registry"),
    ("rerank.replicas=1", "a node's drain stops its models"),
    ("rerank.enabled=false", "The router has no models"),
])
def test_notes_say_what_is_not_right_for_production(values, says, tmp_path):
    assert says in notes(tmp_path, "--set", values)
    right = ["--set", "image.repository=registry.example/quadrate,auth.existingSecret=keys,router.rerankKey.existingSecret=key,storage.enabled=true,fetch.enabled=true,fetch.models={a/b},rerank.replicas=2"]
    assert says not in notes(tmp_path, *right) and "Mind" not in notes(tmp_path, *right)


def template_of(component: str, *args) -> dict:
    return render(*args)["Deployment", f"quadrate-{component}"]["spec"]["template"]["metadata"]


def test_nodes_may_be_taken_away_although_pods_have_emptydirs():
    """What is in them is made anew: the annotation names every emptyDir, and no claim."""
    key = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"
    for values in ("", "storage.enabled=true", "storage.existingClaim=models,storage.readOnly=true"):
        objects = render("--set", values)
        for component, pod in pods(objects).items():
            named = objects["Deployment", f"quadrate-{component}"]["spec"]["template"]["metadata"]["annotations"][key].split(",")
            assert sorted(named) == sorted(volume["name"] for volume in pod["volumes"] if "emptyDir" in volume)
    slashed = "rerank.podAnnotations." + key.replace(".", r"\.")
    assert template_of("rerank", "--set", f"{slashed}=tmp")["annotations"][key] == "tmp"


def test_pods_labels_do_not_take_them_from_their_deployment():
    objects = render("--set", r"router.podLabels.app\.kubernetes\.io/component=other,router.podLabels.a=b")
    spec = objects["Deployment", "quadrate-router"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert labels["a"] == "b" and spec["selector"]["matchLabels"].items() <= labels.items()


def test_common_labels_and_annotations_are_on_everything_beside_its_own():
    own = {"ServiceMonitor": "release", "PrometheusRule": "release"}
    objects = {key: item for key, item in render("--values", EVERYTHING).items() if key != ("ConfigMap", "quadrate-more")}
    assert {kind for kind, _ in objects} >= set(own)
    for (kind, name), item in objects.items():
        metadata = item["metadata"]
        assert metadata["labels"]["team"] == metadata["annotations"]["team"] == "search", (kind, name)
        assert metadata["labels"].get(own.get(kind)) == ("prometheus" if kind in own else None)
