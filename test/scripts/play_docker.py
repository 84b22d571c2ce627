"""Plays the docker command: an engine with containers of TEI, and Compose with its services.

The state: away, images, containers {name: running}, address (where a container's port is found),
volume (the folder that is /data), ends (containers end at once), offline_fails, slow_run; compose (installed),
services, up, unpublished, fails_up.
"""

import subprocess
import sys
import time

from playing import end, log, state


def main(words: list[str]) -> None:
    log(words)
    if words[0] == "compose":
        compose(words[1:])
        return
    with state() as s:
        if s.get("away"):
            end("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?")
        engine(words, s)
    if words[:2] == ["run", "--detach"] and s.get("slow_run"):
        time.sleep(60)


def engine(words: list[str], s: dict) -> None:
    containers = s.setdefault("containers", {})
    match words:
        case ["version", *_]:
            print("28.0.0")
        case ["image", "inspect", image]:
            sys.exit(image not in s.get("images", []))
        case ["run", "--detach", "--name", name, *rest]:
            if s.get("pull_fails"):
                end("docker: Error response from daemon: manifest unknown.", 125)
            s["images"] = [*s.get("images", []), *(word for word in rest if word.endswith(":tei"))]
            containers[name] = not (s.get("ends") or s.get("offline_fails") and "--dns" in rest)
            if containers[name] and s.get("volume"):
                model = rest[rest.index("--model-id") + 1].replace("/", "--")
                subprocess.run(["mkdir", "-p", f"{s['volume']}/models--{model}/snapshots"], check=True)
        case ["run", "--rm", "--network", "none", *_, "-c", command]:
            sys.exit(subprocess.run(["sh", "-c", command.replace("/data/", f"{s['volume']}/")]).returncode)
        case ["inspect", *_, name]:
            if name not in containers:
                end(f"Error: No such object: {name}")
            print("true" if containers[name] else "false")
        case ["port", _, _]:
            print(s["address"])
        case ["logs", *_]:
            print("Error: Could not download model artifacts")
        case ["rm", "--force", name]:
            if name not in containers:
                end(f"Error: No such container: {name}")
            del containers[name]
        case ["info", *_]:
            print(s.get("runtimes", "runc "))
        case _:
            end(f"docker: the player does not know: {words}", 125)


def compose(words: list[str]) -> None:
    command = [word for word in words if not word.startswith("--file=")]
    if command[:1] == ["--profile"]:
        command = command[2:]
    with state() as s:
        if not s.get("compose", True):
            end("docker: unknown command: docker compose")
        up = s.setdefault("up", [])
        match command:
            case ["version"]:
                print("Docker Compose version v2.40.3")
            case ["config", "--services"]:
                if s.get("invalid"):
                    end(s["invalid"])
                print("\n".join(s["services"]))
            case ["ps", "--services", "--status", "running"]:
                print("\n".join(up))
            case ["port", service, _]:
                print("" if service in s.get("unpublished", []) else s["address"])
            case ["logs", *_]:
                print("tei-1  | out of memory")
            case ["rm", "--stop", "--force", *services]:
                s["up"] = [service for service in up if service not in services]
            case ["up", "--detach", "--wait", "--wait-timeout", _, *services]:
                up += services
                if s.get("fails_up"):
                    end("container quadrate-tei-1 exited (1)")
            case _:
                end(f"docker compose: the player does not know: {command}", 125)
    if command[0] == "up" and s.get("slow_up"):
        time.sleep(60)


if __name__ == "__main__":
    main(sys.argv[2:])
