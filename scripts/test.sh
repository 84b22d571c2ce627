#!/usr/bin/env bash
# Runs every test, one stage after another, with the time of each. Stages (default: all, in
# this order): check lint shell exporter playground go race clients openapi examples k8s scripts
# browser; and by name only: torch infinity release
# A Go test that skips fails its stage, unless scripts/expected_skips.txt names it. The stage
# `browser` is not run, and fails nothing, where there is no Chromium.
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

# What a stage ends with that could not be run here.
not_run=77

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
      go build -o bin/quadrate ./cmd/server && CGO_ENABLED=0 go build -o bin/quadrate-bench ./cmd/bench && pytested pytest-venv test/scripts && pytested clients-venv test/docs
      ;;
    release) pytested clients-venv test/release ;;
    openapi) go build -o bin/quadrate ./cmd/server && pytested openapi-venv test/openapi ;;
    examples) go build -o bin/quadrate ./cmd/server && pytested examples-venv test/examples ;;
    playground)
      (cd playground && PATH=$PWD/../var/node/bin:$PATH && npm run --silent check && npm run --silent test) && playground/build.sh --check
      ;;
    browser)
      if ! scripts/chromium.sh >/dev/null; then
        echo "NOT RUN: there is no Chromium, and the set-up could not install it (as root, Debian: apt-get install chromium fonts-nanum)." >&2
        return "$not_run"
      fi
      go build -o bin/quadrate ./cmd/server && pytested browser-venv test/playground
      ;;
    *) echo "unknown stage '$1'; see scripts/test.sh" >&2; return 2 ;;
  esac
}

if [ "${1:-}" = --stage ]; then
  run_stage "$2"
  exit
fi

mkdir -p var/log
stages=("$@")
[ "${#stages[@]}" -gt 0 ] || stages=(check lint shell exporter playground go race clients openapi examples k8s scripts browser)
summary=()
failed=0
for name in "${stages[@]}"; do
  started=$(date +%s)
  scripts/timed.sh "$name" scripts/test.sh --stage "$name"
  case $? in
    0) word=passed ;;
    "$not_run") word='not run' ;;
    *) word=FAILED failed=1 ;;
  esac
  summary+=("$(printf '%-10s %-7s %4d s' "$name" "$word" "$(($(date +%s) - started))")")
done
printf '\nStages:\n'
printf '  %s\n' "${summary[@]}"
exit "$failed"
