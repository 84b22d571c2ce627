#!/usr/bin/env bash
# A container engine for the tests. Usage:
#   scripts/image/engine.sh start DIR   prints DOCKER_HOST=…, the engine to use: the one that
#                                       answers, else Debian's dockerd started below DIR.
#                                       Exit 3 with a reason when there can be none.
#   scripts/image/engine.sh client      prints the path of a docker client that builds with
#                                       BuildKit, without fetching one; exit 3 when none does
#   scripts/image/engine.sh running DIR says by its exit status whether one that start began runs
#   scripts/image/engine.sh stop DIR    stops the engine that start began, if it did
set -euo pipefail

usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; }

none() { echo "no container engine: $1" >&2; exit 3; }

answers() { docker --host "$1" version >/dev/null 2>&1; }

start() {
  local own=() dir=$1 host=${DOCKER_HOST:-unix:///var/run/docker.sock}
  command -v docker >/dev/null && answers "$host" && { echo "DOCKER_HOST=$host"; return; }
  [ "$(id -u)" = 0 ] || none "none answers at $host, and only root can start one"
  command -v dockerd >/dev/null || install_engine
  host=unix://$dir/docker.sock
  answers "$host" && { echo "DOCKER_HOST=$host"; return; }
  mkdir -p "$dir"
  if [ ! -f /etc/docker/daemon.json ]; then
    # Else all that builds keep for the next one stays for ever.
    echo '{"builder": {"gc": {"enabled": true, "defaultKeepStorage": "8GB"}}}' >"$dir/daemon.json"
    own=(--config-file "$dir/daemon.json")
  fi
  setsid dockerd "${own[@]}" --host "$host" --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/docker.pid" \
    >"$dir/dockerd.log" 2>&1 </dev/null &
  for _ in $(seq 60); do
    answers "$host" && { echo "DOCKER_HOST=$host"; return; }
    sleep 0.5
  done
  tail -n 5 "$dir/dockerd.log" >&2
  none "dockerd did not come up; this kernel may not allow it"
}

install_engine() {
  command -v apt-get >/dev/null || none "there is no dockerd, and no apt-get to install it"
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends docker.io iptables; } >&2 ||
    none "docker.io cannot be installed"
}

# Since version 23 the client needs its buildx plugin for BuildKit; before, it has it built in.
client() {
  local path major
  for path in $(type -ap docker); do
    major=$("$path" --version | sed -n 's/^Docker version \([0-9]*\).*/\1/p')
    if [ "${major:-0}" -lt 23 ] || "$path" buildx version >/dev/null 2>&1; then
      echo "$path"
      return
    fi
  done
  none "no docker client here builds with BuildKit; install docker-buildx"
}

running() { kill -0 "$(cat "$1/docker.pid" 2>/dev/null)" 2>/dev/null; }

stop() {
  running "$1" || return 0
  kill "$(cat "$1/docker.pid")"
  while running "$1"; do sleep 0.2; done
}

case "${1:-}" in
  client) client ;;
  start | running | stop) "$1" "$(realpath -m "${2:?a folder}")" ;;
  -h | --help) usage ;;
  *) usage >&2; exit 2 ;;
esac
