#!/usr/bin/env bash
# Usage: scripts/image/test.sh    (as root; make docker-test)
# Builds the CPU image on a base made from Debian's packages, runs it for real and tests it
# (test/image). Where no container engine can run, it says so and passes. QUADRATE_IMAGE_KIND
# =cuda builds Dockerfile.cuda instead; without a GPU that image serves on the CPU.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;; esac
[ $# -eq 0 ] || { echo "unknown argument '$1'; --help says what there is" >&2; exit 2; }
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
kind=${QUADRATE_IMAGE_KIND:-cpu}
engine=var/docker-test
case $kind in
  cpu) file=Dockerfile staged=var/image ;;
  cuda) file=Dockerfile.cuda staged=var/image-cuda ;;
  *) echo "QUADRATE_IMAGE_KIND is '$kind', want cpu or cuda" >&2; exit 2 ;;
esac

# or_skip COMMAND...: ends the test as passed where COMMAND says that it cannot run here.
or_skip() {
  local code=0
  answer=$("$@") || code=$?
  [ "$code" -ne 3 ] || { echo "docker-test skipped"; exit 0; }
  [ "$code" -eq 0 ] || exit "$code"
}

or_skip scripts/image/engine.sh start "$engine"
export "${answer?}" DOCKER_BUILDKIT=1
trap 'scripts/image/engine.sh stop "$engine"' EXIT
or_skip scripts/image/engine.sh client
builder=$answer

scripts/timed.sh "base image" scripts/image/base.sh quadrate-base:test
scripts/timed.sh "stage" scripts/image/stage.sh "$staged" "$kind"
scripts/timed.sh "docker build" "$builder" build --file "$file" --tag "quadrate-test:$kind" \
  --build-arg BUILDER=prebuilt --build-arg BASE=quadrate-base:test \
  --build-arg VERSION="$(git describe --tags --always --dirty)" --build-arg REVISION="$(git rev-parse HEAD)" .
scripts/setup/setup.sh pytest
IMAGE="quadrate-test:$kind" scripts/timed.sh "image tests" var/pytest-venv/bin/python -m pytest -q -rA test/image
