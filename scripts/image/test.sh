#!/usr/bin/env bash
# Usage: scripts/image/test.sh [source]    (as root; make docker-test)
# Builds the CPU image on a base made from Debian's packages, runs it for real and tests it
# (test/image). Where no container engine can run, it says so and passes. QUADRATE_IMAGE_KIND
# =cuda builds Dockerfile.cuda instead; without a GPU that image serves on the CPU.
#   source   builds as docker build does it by itself, Go programs, Rust library and all, on stand-ins
#            for its base images (standins.sh); about ten minutes the first time, on two cores
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;; esac
from=${1:-prebuilt}
[[ $# -le 1 && $from =~ ^(prebuilt|source)$ ]] || { echo "unknown argument in '$*'; --help says what there is" >&2; exit 2; }
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
kind=${QUADRATE_IMAGE_KIND:-cpu}
export test_name=docker-test
# shellcheck source=scripts/image/for_test.sh
. scripts/image/for_test.sh

use_engine
[ "$from" = prebuilt ] || or_skip scripts/image/standins.sh
scripts/image/build.sh "$kind" "${builder:?}" "$from"
scripts/setup/setup.sh pytest
IMAGE="quadrate-test:$kind" scripts/timed.sh "image tests" var/pytest-venv/bin/python -m pytest -q -rA test/image
