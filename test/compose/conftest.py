"""Docker Compose on deploy/compose. DOCKER_HOST names the engine; `make compose-test` sets it all up."""

import json
import os
import pathlib
import subprocess
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "var/tools/docker-compose"
FOLDER = ROOT / "deploy/compose"
HERE = pathlib.Path(__file__).resolve().parent
BASE = FOLDER / "docker-compose.yml"


def compose(*args, files=(BASE,), env=None, check=True, timeout=300) -> subprocess.CompletedProcess:
    # What a developer has in his environment or in .env must not decide.
    own = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "DOCKER_HOST")}
    command = [COMPOSE, "--env-file", "/dev/null", *(part for file in files for part in ("-f", file)), *args]
    done = subprocess.run(list(map(str, command)), cwd=FOLDER, env=own | (env or {}), capture_output=True, text=True, timeout=timeout)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def config(*files, env=None) -> dict:
    return json.loads(compose("config", "--format", "json", files=files, env=env).stdout)


class Stack:
    """Files of deploy/compose with images that were built here, as a project of its own."""

    def __init__(self, name: str, *files, **env: str):
        self._files = files
        self.env = {"QUADRATE_IMAGE": "quadrate-test:cpu", "ROUTER_PORT": "0", "RERANK_PORT": "0", "COMPOSE_PROJECT_NAME": name, **env}

    def __call__(self, *args, **more) -> subprocess.CompletedProcess:
        return compose(*args, files=self._files, env=self.env, **more)

    def up(self, *services: str) -> None:
        self("up", "--detach", "--no-build", "--pull", "never", "--wait", "--wait-timeout", "180", *services)

    def down(self) -> None:
        self("down", "--volumes", "--timeout", "30")

    def url(self, service: str, port: int = 8000) -> str:
        return "http://" + self("port", service, str(port)).stdout.strip()

    def container(self, service: str) -> dict:
        """What the engine says of it."""
        name = self("ps", "--all", "--quiet", service).stdout.strip()
        return json.loads(subprocess.run(["docker", "inspect", name], capture_output=True, text=True, check=True, timeout=60).stdout)[0]


def ask(address: str, body: dict | None = None) -> tuple[int, dict]:
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(address, data), timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
