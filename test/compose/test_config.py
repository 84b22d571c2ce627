"""Every file of deploy/compose, alone beside the base and all together, as Compose reads it."""

import itertools
import re

import pytest
import yaml
from conftest import BASE, FOLDER, compose, config
from names import unknown

EXTRA = sorted(set(FOLDER.glob("docker-compose.*.yml")))
SECRETS = {"GRAFANA_PASSWORD": "secret"}
OURS = ("router", "rerank")


def seconds(duration: str) -> int:
    parts = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", duration)
    return int(parts[1] or 0) * 60 + int(parts[2] or 0)


# Each is the other's alternative.
ALTERNATIVES = {"docker-compose.cpu.yml", "docker-compose.gpu.yml"}
SETS = [list(files) for n in range(len(EXTRA)) for files in itertools.combinations(EXTRA, n) if not ALTERNATIVES <= {file.name for file in files}]


@pytest.mark.parametrize("files", SETS, ids=lambda files: "+".join(file.name.split(".")[1] for file in files) or "base")
def test_config(files):
    told = config(BASE, *files, env=SECRETS)
    assert {"router", "rerank", "infinity"} <= set(told["services"])
    for name, service in told["services"].items():
        assert service["restart"] == "unless-stopped", name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert seconds(service["stop_grace_period"]) >= 10, name
        assert service["logging"]["options"]["max-size"] and service["logging"]["options"]["max-file"], f"{name}'s log has no bound"
        # Ours have one in their image.
        assert name in OURS or "test" in service["healthcheck"], name
        assert not service["image"].endswith((":latest", ":main")) or service["image"] == "quadrate:latest", "an image is not pinned"
        for port in service.get("ports", []):
            assert port["host_ip"] == "127.0.0.1", f"{name} is open to everybody"


def test_what_runs_on_a_gpu_reserves_it():
    """As every Compose of the second version reads it; `gpus` came with 2.30."""
    services = config(BASE, *(FOLDER / f"docker-compose.{name}.yml" for name in ("gpu", "qwen3")))["services"]
    on_gpu = {name for name, service in services.items() if service.get("deploy", {}).get("resources", {}).get("reservations", {}).get("devices")}
    assert on_gpu == {"rerank", "tei", "vllm", "ollama", "qwen3"}
    assert not any("gpus" in service for service in services.values())


def test_a_limit_of_memory_is_a_setting():
    for file in [BASE, *EXTRA]:
        for name, service in yaml.safe_load(file.read_text(encoding="utf-8"))["services"].items():
            assert "image" not in service or "mem_limit" in service or name == "rerank", f"{file.name}: {name}"
    assert "mem_limit" not in config(BASE)["services"]["infinity"], "0 is a limit"
    assert config(BASE, env={"INFINITY_MEMORY": "6g"})["services"]["infinity"]["mem_limit"] == str(6 << 30)


def test_a_token_is_passed_on_where_there_is_one():
    """An empty one would be sent to the hub, which refuses it."""
    told = config(BASE, FOLDER / "docker-compose.cpu.yml")["services"]
    assert all(told[name]["environment"]["HF_TOKEN"] is None for name in ("rerank", "infinity", "tei"))
    told = config(BASE, FOLDER / "docker-compose.cpu.yml", env={"HF_TOKEN": "t"})["services"]
    assert all(told[name]["environment"]["HF_TOKEN"] == "t" for name in ("rerank", "infinity", "tei"))


def test_ports_are_those_that_users_know():
    services = config(BASE)["services"]
    assert services["router"]["ports"][0]["published"] == "8085" and services["rerank"]["ports"][0]["published"] == "9002"
    services = config(BASE, env={"ROUTER_PORT": "80", "ROUTER_BIND": "0.0.0.0"})["services"]
    assert services["router"]["ports"][0]["published"] == "80" and services["router"]["ports"][0]["host_ip"] == "0.0.0.0"


def test_our_containers_have_no_rights():
    for name in OURS:
        service = config(BASE)["services"][name]
        assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"]


def test_a_stop_has_time_for_drain_and_shutdown():
    services = config(BASE)["services"]
    router = yaml.safe_load((FOLDER / "router/server.yaml").read_text(encoding="utf-8"))["server"]
    rerank = services["rerank"]["environment"]
    for name, drain, shutdown in (
        ("router", router["drain_delay"], router["shutdown_timeout"]),
        ("rerank", rerank["QUADRATE_SERVER_DRAIN_DELAY"], rerank["QUADRATE_SERVER_SHUTDOWN_TIMEOUT"]),
    ):
        assert seconds(services[name]["stop_grace_period"]) == seconds(drain) + seconds(shutdown) + 5, name


def test_qwen3_is_told_to_the_router():
    told = config(BASE, FOLDER / "docker-compose.qwen3.yml", env={"QWEN3_ENABLED": "true", "QWEN3_API_KEY": "k"})["services"]
    assert told["router"]["environment"]["QWEN3_ENABLED"] == "true"
    assert told["router"]["environment"]["QWEN3_API_KEY"] == told["qwen3"]["environment"]["VLLM_API_KEY"] == "k"


def test_grafana_wants_a_password():
    done = compose("config", files=(BASE, FOLDER / "docker-compose.observability.yml"), check=False)
    assert done.returncode != 0 and "set GRAFANA_PASSWORD" in done.stderr


def test_env_example_names_what_the_files_read():
    # ${NAME}, and NAME without a value among what a container's environment has.
    named = r"\$\{([A-Z0-9_]+)|^ +([A-Z0-9_]+):$"
    found = itertools.chain.from_iterable(re.findall(named, file.read_text(encoding="utf-8"), re.MULTILINE) for file in [BASE, *EXTRA])
    used = {name for pair in found for name in pair if name}
    told = set(re.findall(r"^# ([A-Z0-9_]+)=", (FOLDER / "env.example").read_text(encoding="utf-8"), re.MULTILINE))
    assert used == told


def test_the_dashboard_asks_for_metrics_that_there_are():
    board = (FOLDER / "grafana/dashboards/quadrate.json").read_text(encoding="utf-8")
    assert board.count("quadrate_") > 15
    assert not unknown(board), unknown(board)
