"""What the chart renders: valid, hardened, stopped gently, and refused where values contradict."""

import re

import pytest
import yaml
from conftest import CHART, EXAMPLES, ROOT, VERSIONS, helm, pods, render, template

FULL = ["--values", ROOT / "test/k8s/everything.yaml"]
SETS = {"everything": FULL, **{file.stem: ["--values", file] for file in EXAMPLES}}


@pytest.mark.parametrize("name", SETS)
def test_lint(name):
    helm("lint", "--strict", "--kube-version", VERSIONS[-1], CHART, *SETS[name])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", SETS)
def test_conforms(name, version, conform):
    resources = conform(template(*SETS[name], version=version).stdout, version)
    assert len(resources) > 5
    bad = [r for r in resources if r["status"] != "statusValid"]
    assert not bad, bad


def test_conform_refuses_what_is_wrong(conform):
    """The check itself: an unknown field, a wrong type, in core and custom resources."""
    manifest = template(*FULL).stdout
    for right, wrong in {
        "terminationGracePeriodSeconds: 80": "terminationGracePeriodSecond: 80",
        "containerPort: 8000": "containerPort: http",
        "minReplicaCount: 1": "minReplicas: 1",
        "interval: 15s": "intervall: 15s",
        "timeouts: {request: 310s}": "timeouts: {request: soon}",
        "loadBalancerClass: example.com/lb": "loadBalancerKlass: example.com/lb",
    }.items():
        assert right in manifest, right
        resources = conform(manifest.replace(right, wrong), VERSIONS[-1])
        assert [r for r in resources if r["status"] == "statusInvalid"], wrong


@pytest.mark.parametrize("name", SETS)
def test_pods_are_hardened(name):
    for component, pod in pods(render(*SETS[name])).items():
        security = pod["securityContext"]
        assert security["runAsNonRoot"] and security["runAsUser"] == 10001 and security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert not pod.get("hostNetwork") and not pod.get("hostPID")
        for container in pod["containers"] + pod.get("initContainers", []):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}, component
            assert container["resources"]["limits"]["memory"] and container["resources"]["requests"]["cpu"]


@pytest.mark.parametrize("name", SETS)
def test_a_pod_has_time_to_stop(name):
    objects = render(*SETS[name])
    for component, pod in pods(objects).items():
        server = yaml.safe_load(objects["ConfigMap", f"quadrate-{component}"]["data"]["server.yaml"])["server"]
        pause = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
        drain, shutdown = (int(server[key].removesuffix("s")) for key in ("drain_delay", "shutdown_timeout"))
        assert pod["terminationGracePeriodSeconds"] == pause + drain + shutdown + 5


def test_without_a_pause_the_grace_is_drain_and_shutdown_and_five():
    objects = render("--set", "rerank.preStopSeconds=0,rerank.drainSeconds=7,rerank.shutdownSeconds=20")
    pod = pods(objects)["rerank"]
    assert pod["terminationGracePeriodSeconds"] == 32 and "lifecycle" not in pod["containers"][0]


def test_probes_ask_what_they_mean():
    found = pods(render("--set", "rerank.startupSeconds=900"))
    for component, start in {"router": "/health/live", "rerank": "/health/ready"}.items():
        container = found[component]["containers"][0]
        assert container["startupProbe"]["httpGet"]["path"] == start
        assert container["livenessProbe"]["httpGet"]["path"] == "/health/live"
        assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    start = found["rerank"]["containers"][0]["startupProbe"]
    assert start["periodSeconds"] * start["failureThreshold"] == 900


def test_a_gpu_is_asked_for_and_tolerated():
    pod = pods(render("--set", "rerank.gpu.enabled=true,rerank.gpu.runtimeClassName=nvidia,rerank.gpu.count=2"))
    for kind in ("limits", "requests"):
        assert pod["rerank"]["containers"][0]["resources"][kind]["nvidia.com/gpu"] == 2
    assert pod["rerank"]["runtimeClassName"] == "nvidia"
    assert pod["rerank"]["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert "nvidia.com/gpu" not in str(pod["router"]) and "tolerations" not in pod["router"]


def test_a_gpu_changes_nothing_else_of_the_resources():
    plain, gpu = (pods(render(*args))["rerank"]["containers"][0]["resources"] for args in ([], ["--set", "rerank.gpu.enabled=true"]))
    for kind in ("limits", "requests"):
        assert gpu[kind] == plain[kind] | {"nvidia.com/gpu": 1}


def test_no_pod_beside_the_old_one_where_there_is_one_gpu():
    strategy = render("--set", "rerank.maxSurge=0,rerank.maxUnavailable=1")["Deployment", "quadrate-rerank"]["spec"]["strategy"]["rollingUpdate"]
    assert strategy == {"maxSurge": 0, "maxUnavailable": 1}


def test_prometheus_reaches_the_router_whoever_may_call_it():
    router = render("--set", "networkPolicy.from[0].namespaceSelector.matchLabels.a=b")["NetworkPolicy", "quadrate-router"]["spec"]
    assert [peer["namespaceSelector"]["matchLabels"] for peer in router["ingress"][0]["from"]] == [{"a": "b"}, {"kubernetes.io/metadata.name": "monitoring"}]
    assert "from" not in render()["NetworkPolicy", "quadrate-router"]["spec"]["ingress"][0]


def test_rerank_without_a_router_is_reached_as_a_router_would_be():
    def rule(*args):
        return render("--set", "router.enabled=false", *args)["NetworkPolicy", "quadrate-rerank"]["spec"]["ingress"][0]
    assert "from" not in rule()
    peers = rule("--set", "networkPolicy.from[0].namespaceSelector.matchLabels.a=b")["from"]
    assert [peer["namespaceSelector"]["matchLabels"] for peer in peers] == [{"a": "b"}, {"kubernetes.io/metadata.name": "monitoring"}]


def test_who_may_call_rerank_beside_the_router():
    peers = render("--set", "networkPolicy.rerankFrom[0].namespaceSelector.matchLabels.a=b")["NetworkPolicy", "quadrate-rerank"]["spec"]["ingress"][0]["from"]
    assert [sorted(peer) for peer in peers] == [["podSelector"], ["namespaceSelector"], ["namespaceSelector"]]
    assert peers[1]["namespaceSelector"]["matchLabels"] == {"a": "b"}


def test_policies_and_the_headless_service_name_the_pods_port():
    """A Service's port may be another; a policy sees the pod's, and a headless Service maps none."""
    objects = render("--set", "rerank.service.port=80,networkPolicy.egress[0].to[0].ipBlock.cidr=192.0.2.1/32")
    port = pods(objects)["rerank"]["containers"][0]["ports"][0]["containerPort"]
    for name in ("router", "rerank"):
        assert objects["NetworkPolicy", f"quadrate-{name}"]["spec"]["ingress"][0]["ports"] == [{"port": port}]
    assert objects["NetworkPolicy", "quadrate-router"]["spec"]["egress"][1]["ports"] == [{"port": port}]
    assert objects["Service", "quadrate-rerank"]["spec"]["ports"][0]["port"] == 80
    assert objects["Service", "quadrate-rerank-pods"]["spec"]["ports"][0]["port"] == port
    routing = yaml.safe_load(objects["ConfigMap", "quadrate-router"]["data"]["routing.yaml"])
    assert routing["upstreams"][0]["urls"] == [f"dns+http://quadrate-rerank-pods.quadrate.svc:{port}"]


@pytest.mark.parametrize(("component", "port"), [("router", 80), ("rerank", 8000)])
def test_ways_in_lead_to_who_is_there(component, port):
    other = {"router": "rerank", "rerank": "router"}[component]
    more = ["--set", "router.upstreams[0].name=x,router.upstreams[0].type=tei"] if component == "router" else []
    objects = render("--set", f"{other}.enabled=false,ingress.enabled=true,ingress.hosts[0].host=a.example,httpRoute.enabled=true,httpRoute.parentRefs[0].name=public", *more)
    service = objects["Service", f"quadrate-{component}"]["spec"]["ports"][0]
    ingress = objects["Ingress", f"quadrate-{component}"]["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    route = objects["HTTPRoute", f"quadrate-{component}"]["spec"]["rules"][0]["backendRefs"][0]
    assert ingress == {"name": f"quadrate-{component}", "port": {"name": service["name"]}}
    assert route == {"name": f"quadrate-{component}", "port": service["port"]} and service["port"] == port


def test_fetch_lets_rerank_out_unless_rules_say_where():
    fetch, rules = ["--set", "fetch.enabled=true,fetch.models={BAAI/bge-m3}"], ["--set", "networkPolicy.rerankEgress[0].to[0].ipBlock.cidr=192.0.2.1/32"]
    assert render(*fetch)["NetworkPolicy", "quadrate-rerank"]["spec"]["policyTypes"] == ["Ingress"]
    spec = render(*fetch, *rules)["NetworkPolicy", "quadrate-rerank"]["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"] and spec["egress"][1]["to"] == [{"ipBlock": {"cidr": "192.0.2.1/32"}}]


def test_alerts_know_this_releases_servers_whatever_they_are_called():
    rule = render("--set", "prometheusRule.enabled=true,fullnameOverride=models")["PrometheusRule", "models"]
    services = re.findall(r'job=~"([^"]*)"', next(r["expr"] for r in rule["spec"]["groups"][0]["rules"] if r["alert"] == "QuadrateAbsent"))
    assert len(services) == 1 and all(re.fullmatch(services[0], name) for name in ("models-router", "models-rerank"))


def test_prometheus_has_a_key_where_metrics_want_one(conform):
    args = ["--set", "serviceMonitor.enabled=true,serviceMonitor.key.existingSecret=prometheus-key"]
    endpoint = render(*args)["ServiceMonitor", "quadrate-rerank"]["spec"]["endpoints"][0]
    assert endpoint["authorization"] == {"credentials": {"name": "prometheus-key", "key": "api-key"}}
    assert all(r["status"] == "statusValid" for r in conform(template(*args).stdout, VERSIONS[-1]))
    assert "authorization" not in render("--set", "serviceMonitor.enabled=true")["ServiceMonitor", "quadrate-rerank"]["spec"]["endpoints"][0]


def test_fetch_has_the_token_and_leaves_its_downloads_place_to_the_image():
    def env(*args):
        return pods(render("--set", "fetch.enabled=true,fetch.models={BAAI/bge-m3}", *args))["rerank"]["initContainers"][0].get("env")
    assert env() is None  # not HF_HOME: what is in it is kept once the model is exported
    assert env("--set", "fetch.tokenSecret.name=hub,fetch.env[0].name=HF_ENDPOINT,fetch.env[0].value=http://mirror") == [
        {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}}, {"name": "HF_ENDPOINT", "value": "http://mirror"}]


def test_a_drain_of_a_node_is_not_held_up():
    """Not by a single replica, nor by one that cannot serve, whose budget would never be healthy."""
    for name in ("router", "rerank"):
        spec = render("--set", f"{name}.replicas=1")["PodDisruptionBudget", f"quadrate-{name}"]["spec"]
        assert spec["maxUnavailable"] == 1 and "minAvailable" not in spec and spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_the_router_waits_for_rerank_as_long_as_told():
    for args, timeout in (([], None), (["--set", "router.rerankTimeout=2m"], "2m")):
        routing = yaml.safe_load(render(*args)["ConfigMap", "quadrate-router"]["data"]["routing.yaml"])
        assert routing["upstreams"][0].get("timeout") == timeout


def test_an_autoscaler_owns_the_replicas():
    objects = render("--set", "rerank.keda.enabled=true,router.hpa.enabled=true")
    for component in ("router", "rerank"):
        assert "replicas" not in objects["Deployment", f"quadrate-{component}"]["spec"]
    trigger = objects["ScaledObject", "quadrate-rerank"]["spec"]["triggers"][0]["metadata"]
    assert "quadrate_queue_seconds" in trigger["query"] and trigger["threshold"] == "0.5" and trigger["ignoreNullValues"] == "false"
    assert trigger["serverAddress"] == "http://prometheus-operated.monitoring.svc:9090"
    assert objects["Deployment", "quadrate-rerank"]["spec"]["selector"]["matchLabels"]
    plain = render()
    assert plain["Deployment", "quadrate-router"]["spec"]["replicas"] == 2


@pytest.mark.parametrize("component", ["router", "rerank"])
def test_an_autoscaler_counts_the_pods_of_its_deployment_alone(component):
    query = render("--set", f"{component}.keda.enabled=true")["ScaledObject", f"quadrate-{component}"]["spec"]["triggers"][0]["metadata"]["query"]
    pods = re.search(r'namespace="quadrate", pod=~"([^"]*)"', query).group(1)  # Prometheus has them match whole labels
    assert re.fullmatch(pods, f"quadrate-{component}-6d5b8c7f9-x2v4k")
    assert not re.fullmatch(pods, f"quadrate-{component}-two-{component}-6d5b8c7f9-x2v4k")  # of the release quadrate-router-two


@pytest.mark.parametrize("component", ["router", "rerank"])
def test_without_prometheus_no_replica_is_taken_away(component):
    spec = render("--set", f"{component}.keda.enabled=true,{component}.keda.scaleDownSeconds=60")["ScaledObject", f"quadrate-{component}"]["spec"]
    assert spec["fallback"] == {"failureThreshold": 3, "replicas": 2, "behavior": "currentReplicasIfHigher"}
    assert spec["triggers"][0]["metadata"]["ignoreNullValues"] == "false"
    assert spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 60
    assert "cooldownPeriod" not in spec  # which is for scaling to zero, and would do nothing


def test_a_prometheus_that_asks_who_calls_is_answered():
    trigger = render("--set", "rerank.keda.enabled=true,prometheus.authenticationRef.name=prometheus,prometheus.metadata.authModes=bearer")["ScaledObject", "quadrate-rerank"]["spec"]["triggers"][0]
    assert trigger["authenticationRef"] == {"name": "prometheus"} and trigger["metadata"]["authModes"] == "bearer"


def test_only_the_router_and_prometheus_reach_the_models():
    rules = render()["NetworkPolicy", "quadrate-rerank"]["spec"]
    assert [sorted(peer) for peer in rules["ingress"][0]["from"]] == [["podSelector"], ["namespaceSelector"]]
    assert rules["ingress"][0]["from"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "router"
    assert rules["policyTypes"] == ["Ingress", "Egress"]
    assert [port["port"] for rule in rules["egress"] for port in rule["ports"]] == [53, 53]


def test_secrets_stay_in_secrets():
    objects = render("--set", "auth.existingSecret=keys,router.rerankKey.existingSecret=router-key")
    assert ("ConfigMap", "quadrate-auth") not in objects
    volumes = {v["name"]: v for v in pods(objects)["router"]["volumes"]}
    assert volumes["auth"]["secret"]["secretName"] == "keys" and volumes["rerank-key"]["secret"]["secretName"] == "router-key"
    routing = yaml.safe_load(objects["ConfigMap", "quadrate-router"]["data"]["routing.yaml"])
    assert routing["upstreams"][0]["api_key"] == "file:/etc/quadrate/rerank-key/key"


def test_a_change_of_models_replaces_no_pod():
    def sums(*args):
        return [d["spec"]["template"]["metadata"]["annotations"]["checksum/server"] for (kind, _), d in render(*args).items() if kind == "Deployment"]
    more = ["--set", "rerank.models[0].name=a,rerank.models[0].path=a,rerank.models[0].tasks={embed}"]
    assert sums() == sums(*more)
    assert sums() == sums("--set", "rateLimits.config.classes[0].name=team,auth.config.anonymous.enabled=false")
    assert sums()[0] == sums("--set", "rerank.drainSeconds=20")[0] and sums()[1] != sums("--set", "rerank.drainSeconds=20")[1]
    assert all(a != b for a, b in zip(sums(), sums("--set", "rateLimits.config.store=redis://redis")))  # what only a start takes up


@pytest.mark.parametrize(("values", "says"), [
    ("rerank.gpu.count=0", "/rerank/gpu/count"),
    ("rerank.gpu.cuont=1", "cuont"),
    ("ingress.enabled=true", "/ingress/hosts"),
    ("httpRoute.enabled=true", "/httpRoute/parentRefs"),
    ("router.upstreams[0].name=x", "/router/upstreams/0"),
    ("router.config.models[0].name=x", "router.config.models is set by the chart: say it by router.upstreams and router.models"),
    ("rerank.config.server.port=80", "rerank.config.server.port is set by the chart: say it by rerank.service.port"),
    ("rerank.config.server.tls.cert=/x", "rerank.config.server.tls is set by the chart: say it by rerank.tls.existingSecret"),
    ("router.enabled=false,rerank.enabled=false", "there is nothing to run"),
    ("auth.config.anonymous.enabled=false,auth.existingSecret=keys", "auth.config and auth.existingSecret are both set"),
    ("router.models[0].name=default,router.models[0].upstream=x", 'router.models: two models are called "default"'),
    ("router.upstreams[0].name=rerank,router.upstreams[0].type=tei", "the chart adds the upstream rerank itself"),
    ("router.hpa.enabled=true,router.hpa.minReplicas=11", "router.hpa.minReplicas is more than maxReplicas"),
    ("rerank.pdb.maxUnavailable=0", "/rerank/pdb/maxUnavailable"),  # no node could be drained
    ("router.image.tga=1", "tga"),
    ("rerank.tls=null", "at '/rerank': missing property 'tls'"),  # Helm drops what is null
    ("rerank.models=null", "at '/rerank': missing property 'models'"),
    ("storage=null", "missing property 'storage'"),
    ("router.volumeMounts[0].name=x", "/router/volumeMounts/0"),
    ("rerank.sidecars[0].name=x", "/rerank/sidecars/0"),
    ("rerank.topologySpreadConstraints[0].topologyKey=x", "/rerank/topologySpreadConstraints/0"),
    ("router.service.externalTrafficPolicy=local", "/router/service/externalTrafficPolicy"),
    ("fetch.enabled=true", "/fetch/models"),
    ("fetch.models[0].name=a/b,fetch.models[0].folder=../etc", "/fetch/models/0/folder"),
    ("fetch.models[0].name=a/b,fetch.models[0].revision=main", "/fetch/models/0/revision"),
    ("storage.readOnly=true", "storage.readOnly needs"),
    ("storage.readOnly=true,storage.existingClaim=x,fetch.enabled=true,fetch.models={a/b}", "storage.readOnly and fetch.enabled"),
    ("storage.enabled=true,storage.accessModes={ReadWriteOncePod}", "set rerank.maxSurge: 0"),
    ("storage.enabled=true,storage.accessModes={ReadWriteOncePod},rerank.replicas=2", "rerank has more replicas"),
    ("prometheusRule.enabled=true,prometheusRule.exclude={QuadrateFast}", "there is no alert QuadrateFast"),
    ("fetch.models={../etc}", "/fetch/models/0"),
    ("fetch.enabled=true,fetch.models={a/bge-m3,b/bge-m3}", "two of them would be /models/bge-m3"),
    ("fullnameOverride=1-Models", "/fullnameOverride"),
    ("image.digest=sha256:abc", "/image/digest"),
    ("rerank.keda.minReplicas=0", "/rerank/keda/minReplicas"),  # the measure comes from the pods: nothing would start the first
    ("rerank.maxSurge=0", "rerank.maxSurge and rerank.maxUnavailable are both 0"),
    ("router.rerankTimeout=soon", "/router/rerankTimeout"),
    ("rerank.hpa.enabled=true,rerank.keda.enabled=true", "rerank.hpa and rerank.keda are both enabled"),
])
def test_values_that_make_no_sense_are_refused(values, says):
    done = template("--set", values, check=False)
    assert done.returncode != 0 and says in done.stderr, done.stderr


def test_long_and_odd_names_stay_valid(conform):
    for args in (["--set", "fullnameOverride=" + "a" * 50], ["--set", "nameOverride=rag"], ["--set", "fetch.enabled=true,fetch.models={A/Some_Model.v2-" + "x" * 60 + "}"]):
        assert all(r["status"] == "statusValid" for r in conform(template(*args).stdout, VERSIONS[-1]))
        for item in render(*args).values():
            assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", item["metadata"]["name"])


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda f: f.stem)
def test_manifests_are_what_the_chart_renders(file):
    """deploy/k8s/manifests are for those without Helm; scripts/k8s/render.sh makes them."""
    plain = ROOT / "deploy/k8s/manifests" / file.name
    assert plain.read_text(encoding="utf-8").split("\n", 3)[3] == template("--values", file).stdout


@pytest.mark.parametrize("path", ["rerank.image", "router.affinity", "rerank.tolerations", "router.upstreams", "router.models", "rerank.env", "rerank.volumes", "networkPolicy.metricsFrom", "networkPolicy.from",
                                  "fetch.image", "fetch.args", "commonAnnotations", "serviceAccount.annotations", "router.podAnnotations", "rerank.podLabels", "rerank.topologySpreadConstraints",
                                  "rerank.gpu.tolerations", "podSecurityContext.runAsUser", "rerank.resources.limits.memory", "prometheusRule.exclude", "extraObjects", "serviceMonitor.tlsConfig"])
def test_a_default_may_be_taken_away(path):
    """By null, as Helm has it; of what is a list or a map of the user's."""
    done = template(*FULL, "--set", f"{path}=null", check=False)
    assert done.returncode == 0, done.stderr
