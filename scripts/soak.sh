#!/usr/bin/env bash
# Usage: scripts/soak.sh [REQUESTS]    (default 200000; make soak)
# Starts bin/quadrate on a free port, sends it so many short requests of all
# routes in a closed loop, and reports its memory over time. It fails when the memory grew by
# 5 % or more over the second half. SOAK_OUT names the folder of the results.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
requests=${1:-200000}
case $requests in *[!0-9]*) echo "soak: '$requests' is no number of requests; --help says more" >&2; exit 2 ;; esac
for program in bin/quadrate bin/quadrate-bench; do
  [ -x "$program" ] || { echo "soak: there is no $program; make soak builds it" >&2; exit 1; }
done
out=${SOAK_OUT:-var/soak}
mkdir -p "$out"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
url=http://127.0.0.1:$port
QUADRATE_SERVER_HOST=127.0.0.1 QUADRATE_SERVER_PORT=$port QUADRATE_SERVER_DRAIN_DELAY=0s QUADRATE_LOG_LEVEL=error \
  bin/quadrate >"$out/server.log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true' EXIT
for _ in $(seq 600); do
  kill -0 "$server" 2>/dev/null || { cat "$out/server.log" >&2; exit 1; }
  if python3 -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1])' "$url/health/ready" 2>/dev/null; then break; fi
  sleep 0.1
done
bin/quadrate-bench -url "$url" -soak "$requests" -concurrency 32 -out "$out"
