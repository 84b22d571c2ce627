#!/usr/bin/env bash
# Measures the latency of every model of a running server, each by its task, one request at a time:
# prints a table, and writes everything to scripts/benchmark_result.json.
#
# Usage: scripts/benchmark.sh [OPTIONS] [-- OPTIONS OF quadrate-bench]
#   --url URL      the server (default http://localhost:8000)
#   --model NAME   this model alone
#   --duration TIME  of each measurement (default 10s)
#   --key-file FILE  with the API key
#   --out FILE     where the result goes (default scripts/benchmark_result.json)
#   --report FILE  keep the page with plots, too
#   --verbose      show all that quadrate-bench says
#   --dry-run      say what would be run
#   -h, --help     this text
#
# Embedders get texts of mixed length (W3), rerankers 100 pairs of 256 tokens (W1); docs/bench.md
# explains these and the rest: for example `-- -workload W4 -concurrency 8`. The result is replaced
# only by a whole new one. Models that the server lists but cannot serve are left out, and named.
#
# Environment: BENCHMARK_PROGRAM (default bin/quadrate-bench).
# Exit status: 0 every model was measured, 1 some were not, 2 wrong usage, 130 interrupted.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=benchmark
# shellcheck source=scripts/lib/script.sh
. "$here/lib/script.sh"

url=http://localhost:8000 model='' duration=10s key_file='' out=$here/benchmark_result.json report='' verbose=no dry_run=no
while [ $# -gt 0 ]; do
  case $1 in
    --) shift; break ;;
    --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}"; continue ;;
    -h | --help) usage; exit ;;
    --url) valued "$1" $#; url=${2%/}; shift ;;
    --model) valued "$1" $#; model=$2; shift ;;
    --duration) valued "$1" $#; duration=$2; shift ;;
    --key-file) valued "$1" $#; key_file=$2; shift ;;
    --out) valued "$1" $#; out=$2; shift ;;
    --report) valued "$1" $#; report=$2; shift ;;
    --verbose) verbose=yes ;;
    --dry-run) dry_run=yes ;;
    *) wrong "unknown argument '$1'" ;;
  esac
  shift
done
program=${BENCHMARK_PROGRAM:-$(dirname "$here")/bin/quadrate-bench}

[ -x "$program" ] || fail "there is no $program: make bench-client"
need python3 'Debian and Ubuntu: apt-get install python3.'
need curl 'Debian and Ubuntu: apt-get install curl.'
for file in "$out" ${report:+"$report"}; do
  [ -d "$(dirname -- "$file")" ] || fail "there is no folder $(dirname -- "$file") for $(basename -- "$file")"
  [ -w "$(dirname -- "$file")" ] || fail "$(dirname -- "$file") cannot be written to; --out and --report name other places"
done
if [ -n "$model" ]; then which=(-model "$model"); else which=(-all); fi
command=("$program" -url "$url" "${which[@]}" -duration "$duration" ${key_file:+-key-file "$key_file"} "$@")
if [ "$dry_run" = yes ]; then
  say "would run: $(shown "${command[@]}")"
  say "would write: $out${report:+ and $report}"
  exit
fi
# A server of another kind has only /health.
answers "$url/health/ready" || answers "$url/health" ||
  fail "no server that is ready answers at $url: start one (make run), or say with --url where it is"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
interrupted=no
# quadrate-bench has the signal, too, and ends with what it has so far, which is not a result to keep.
trap 'interrupted=yes' INT TERM
status=0
if [ "$verbose" = yes ]; then
  "${command[@]}" -out "$folder" || status=$?
else
  "${command[@]}" -out "$folder" >"$folder/said" || status=$?
  grep '^skipped: ' "$folder/said" || true
fi
if [ "$interrupted" = yes ]; then
  note "interrupted; $out is as it was"
  exit 130
fi
if [ "$status" -ne 0 ]; then
  [ "$verbose" = yes ] || tail -n 20 "$folder/said" >&2
  fail "quadrate-bench ended with exit status $status"
fi
# keep NAME FILE: moves a result into place whole; another file system than /tmp's needs two steps.
keep() {
  cp -- "$folder/$1" "$2.new"
  mv -f -- "$2.new" "$2"
}
keep benchmark_result.json "$out"
if [ -n "$report" ]; then keep benchmark_report.html "$report"; fi
python3 "$here/lib/latency.py" "$out" || fail "not every model was measured; $out says more"
say "written: $out${report:+ and $report}"
