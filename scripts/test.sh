#!/usr/bin/env bash
# Runs every test, one stage after another, with the time of each. Stages (default: all, in
# this order): check lint shell exporter go race clients openapi k8s scripts; and by name only: torch infinity release
# A Go test that skips fails its stage, unless scripts/expected_skips.txt names it.
set -uo pipefail
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

# gotest REPORT ARGUMENTS...: go test, with a report that is searched for skips.
gotest() {
  local report=$1
  shift
  QUADRATE_REQUIRE_MODELS=1 var/tools/gotestsum --format pkgname --jsonfile "$report" -- -count=1 "$@" || return
  python3 scripts/report.py "$report" scripts/expected_skips.txt
}

# pytested ENVIRONMENT FOLDER: pytest, which fails when a test skipped.
pytested() {
  local log=var/log/pytest-$1-${2//\//-}.log
  "var/$1/bin/python" -m pytest -q -rs "$2" | tee "$log" || return
  ! grep -E '(^|, )[0-9]+ skipped' "$log"
}

run_stage() {
  case $1 in
    check)
      scripts/check_format.sh && CGO_ENABLED=0 go vet ./... && go vet ./... && CGO_ENABLED=0 go build ./... &&
        CGO_ENABLED=0 gotest var/log/nocgo.json -short ./...
      ;;
    lint) var/tools/golangci-lint run ;;
    shell)
      git ls-files --cached --others --exclude-standard '*.sh' .ci/run | tr '\n' '\0' |
        xargs -0 var/pytest-venv/bin/shellcheck --external-sources
      ;;
    exporter) pytested pytest-venv test/exporter && pytested pytest-venv test/gpu ;;
    torch) pytested torch-venv test/torch ;;
    infinity) go build -o bin/quadrate ./cmd/server && pytested clients-venv test/infinity ;;
    go) gotest var/log/go.json -timeout 15m ./... ;;
    # -short: under the race detector the long end-to-end runs would time the detector.
    race) gotest var/log/race.json -race -short -timeout 20m ./... ;;
    clients)
      go build -o bin/quadrate ./cmd/server && pytested clients-venv test/clients && pytested clients-openai2-venv test/clients
      ;;
    k8s) go build -o bin/quadrate ./cmd/server && pytested k8s-venv test/k8s ;;
    scripts)
      go build -o bin/quadrate ./cmd/server && CGO_ENABLED=0 go build -o bin/quadrate-bench ./cmd/bench && pytested pytest-venv test/scripts
      ;;
    release) pytested clients-venv test/release ;;
    openapi) go build -o bin/quadrate ./cmd/server && pytested openapi-venv test/openapi ;;
    *) echo "unknown stage '$1'; see scripts/test.sh" >&2; return 2 ;;
  esac
}

if [ "${1:-}" = --stage ]; then
  run_stage "$2"
  exit
fi

mkdir -p var/log
stages=("$@")
[ "${#stages[@]}" -gt 0 ] || stages=(check lint shell exporter go race clients openapi k8s scripts)
summary=()
failed=0
for name in "${stages[@]}"; do
  started=$(date +%s)
  if scripts/timed.sh "$name" scripts/test.sh --stage "$name"; then
    word=passed
  else
    word=FAILED
    failed=1
  fi
  summary+=("$(printf '%-9s %-7s %4d s' "$name" "$word" "$(($(date +%s) - started))")")
done
printf '\nStages:\n'
printf '  %s\n' "${summary[@]}"
exit "$failed"
