"""Docker Compose on deploy/compose. DOCKER_HOST names the engine; `make compose-test` sets it all up."""

import json
import os
import pathlib
import subprocess

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
