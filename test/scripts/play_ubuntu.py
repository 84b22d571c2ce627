"""Plays the commands by which a system is set up: those of an Ubuntu in WSL2, as root.

The state: kernel, installed (packages), services (those that run), groups (of the user), user,
keys {URL: fingerprint}, network, apt_fails, runtime (nvidia-ctk has configured it), root.
"""

import pathlib
import sys

from playing import end, log, state


def uname(s, words):
    print(s.get("kernel", "6.6.87.2-microsoft-standard-WSL2"))


def id_(s, words):
    match words:
        case ["-u"]:
            print(s.get("uid", 0))
        case ["-nG", _]:
            print(" ".join(s.get("groups", ["adm"])))
        case [user]:
            if user != s.get("user", "maria"):
                end(f"id: '{user}': no such user")


def dpkg_query(s, words):
    installed = s.setdefault("installed", ["curl", "ca-certificates", "gpg"])
    asked = [word for word in words if not word.startswith("-")]
    for package in asked:
        if package in installed:
            print(package, "installed")
        elif package == "docker-doc":
            print(package, "config-files")
    if not set(asked) <= set(installed):
        end("dpkg-query: no packages found matching some")


def dpkg(s, words):
    print("amd64")


def apt_get(s, words):
    if s.get("apt_fails") == words[0]:
        end("E: Unable to fetch some archives", 100)
    packages = [word for word in words[1:] if not word.startswith("-")]
    if words[0] == "install":
        s["installed"] = s.get("installed", []) + packages
    if words[0] == "remove":
        s["installed"] = [package for package in s["installed"] if package not in packages]


def curl(s, words):
    if not s.get("network", True):
        end("curl: (6) Could not resolve host: download.docker.com", 6)
    url = next(word for word in words if word.startswith("https://"))
    pathlib.Path(words[words.index("--output") + 1]).write_text(f"the key of {url}\n")


def gpg(s, words):
    text = pathlib.Path(words[-1]).read_text()
    fingerprint = next(key for url, key in s["keys"].items() if url in text)
    print(f"pub:-:4096:1:1:1:1::-:::\nfpr:::::::::{fingerprint}:\nsub:-:4096:1:1:1:1\nfpr:::::::::{'0' * 40}:")


def systemctl(s, words):
    running = s.setdefault("services", [])
    if words[0] in ("is-enabled", "is-active"):
        sys.exit("docker" not in running)
    if words[0] == "enable":
        running.append("docker")


def nvidia_ctk(s, words):
    s["runtime"] = True
    path = pathlib.Path(s["root"]) / "etc/docker/daemon.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"runtimes": {"nvidia": {"args": [], "path": "nvidia-container-runtime"}}}\n')


def usermod(s, words):
    s["groups"] = [*s.get("groups", ["adm"]), "docker"]


def docker(s, words):
    if s.get("docker_fails"):
        end("Cannot connect to the Docker daemon")
    print("runc nvidia " if s.get("runtime") and not s.get("forgets") else "runc ")


PLAYERS = {"uname": uname, "id": id_, "dpkg-query": dpkg_query, "dpkg": dpkg, "apt-get": apt_get, "curl": curl,
           "gpg": gpg, "systemctl": systemctl, "nvidia-ctk": nvidia_ctk, "usermod": usermod, "docker": docker}

if __name__ == "__main__":
    log(sys.argv[1:])
    with state() as current:
        PLAYERS[sys.argv[1]](current, sys.argv[2:])
