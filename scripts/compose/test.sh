#!/usr/bin/env bash
# Usage: scripts/compose/test.sh [PYTEST ARGUMENTS]    (as root; make compose-test)
# Checks every file of deploy/compose with Docker Compose, built from its Go module, and brings the
# base stack up for real with the CPU image, which is built anew where a source of it has
# changed since (test/compose; KEEP_IMAGE=1 takes the one that is there); a Quadrate container stands
# in for Infinity, and Debian's Redis and Prometheus for their images. Where no container engine can run, it says so and passes.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export test_name=compose-test
# shellcheck source=scripts/image/for_test.sh
. scripts/image/for_test.sh

use_engine
use_image
# played NAME: an image of Debian's package, in the place of its own.
played() { scripts/timed.sh "image of Debian's $1" "${builder:?}" build --quiet --target "$1" --tag "quadrate-played:$1" test/compose/image; }
scripts/image/base.sh quadrate-base:python
played redis
played prometheus
scripts/setup/setup.sh compose pytest
scripts/timed.sh "compose" var/pytest-venv/bin/python -m pytest -q -rA test/compose "$@"
