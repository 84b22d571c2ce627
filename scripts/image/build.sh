#!/usr/bin/env bash
# Builds the image quadrate-test:KIND on a base made from Debian's packages, without pulling
# anything. Usage: scripts/image/build.sh cpu|cuda [BUILDER]    (as root; DOCKER_HOST as usual)
#   BUILDER   a docker client that builds with BuildKit; default: docker
# var/stamps/image-KIND is as old as what the image was made of.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
kind=${1:?cpu or cuda} builder=${2:-docker}
case $kind in
  cpu) file=Dockerfile staged=var/image ;;
  cuda) file=Dockerfile.cuda staged=var/image-cuda ;;
  *) echo "the image's kind is '$kind', want cpu or cuda" >&2; exit 2 ;;
esac
stamp=var/stamps/image-$kind
mkdir -p var/stamps
touch "$stamp.begun"
scripts/timed.sh "base image" scripts/image/base.sh quadrate-base:test
scripts/timed.sh "stage" scripts/image/stage.sh "$staged" "$kind"
scripts/timed.sh "docker build" "$builder" build --file "$file" --tag "quadrate-test:$kind" \
  --build-arg BUILDER=prebuilt --build-arg BASE=quadrate-base:test \
  --build-arg VERSION="$(git describe --tags --always --dirty)" --build-arg REVISION="$(git rev-parse HEAD)" .
mv "$stamp.begun" "$stamp"
