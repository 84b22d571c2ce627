#!/usr/bin/env bash
# timed.sh NAME COMMAND...: runs the command, then prints how long it took.
set -uo pipefail
name=$1
shift
printf -- '--- %s\n' "$name"
started=$(date +%s%N)
"$@"
status=$?
awk -v name="$name" -v status="$status" -v from="$started" -v to="$(date +%s%N)" \
  'BEGIN { printf "--- %s: %s in %.1f s\n", name, status == 0 ? "done" : status == 77 ? "NOT RUN" : "FAILED", (to - from) / 1e9 }'
exit "$status"
