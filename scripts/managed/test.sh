#!/usr/bin/env bash
# Usage: scripts/managed/test.sh [PYTEST ARGUMENTS]    (as root; make managed-test)
# Runs the gateway with managed containers on a real container engine (test/managed): images that
# take TEI's and vLLM's arguments are made around the CPU image, which is built anew where a
# source of it has changed since; KEEP_IMAGE=1 takes the one that is there. Then the tests of
# managed/docker on the same engine. Where no container engine can run, it says so and passes.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export test_name=managed-test
# shellcheck source=scripts/image/for_test.sh
. scripts/image/for_test.sh

use_engine
use_image
# like TARGET NAME: makes an image that is like another's.
like() { scripts/timed.sh "image like $1" "${builder:?}" build --quiet --target "$1" --tag "$2" test/managed/image; }
like tei quadrate-played:tei
like vllm quadrate-played:vllm
like vllm-old quadrate-played-vllm:v0.9.2
scripts/setup/setup.sh pytest exporter testmodels
scripts/timed.sh "gateway" env CGO_ENABLED=0 go build -o bin/quadrate-gateway ./cmd/server
QUADRATE_ENGINE=$engine scripts/timed.sh "managed containers" var/pytest-venv/bin/python -m pytest -q -rA test/managed "$@"
CGO_ENABLED=0 QUADRATE_DOCKER_TEST=$DOCKER_HOST scripts/timed.sh "managed/docker" go test -count=1 ./managed/docker/...
