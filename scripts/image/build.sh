#!/usr/bin/env bash
# Builds the images quadrate-test:KIND, :KIND-export and :KIND-slim (without the exporter) on a base
# made from Debian's packages, without pulling anything.
# Usage: scripts/image/build.sh cpu|cuda [BUILDER]    (as root; DOCKER_HOST as usual)
#   BUILDER   a docker client that builds with BuildKit; default: docker
# var/stamps/image-KIND is as old as what the images were made of.
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
base=quadrate-base:python
scripts/timed.sh "base image" scripts/image/base.sh "$base"
IMAGE_PYTHON=3.11 scripts/timed.sh "stage" scripts/image/stage.sh "$staged" "$kind"
created=$(date --utc --date="@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}" +%Y-%m-%dT%H:%M:%SZ)
arguments=(--file "$file" --build-arg BUILDER=prebuilt --build-arg "BASE=$base" --build-arg "CREATED=$created")
arguments+=(--build-arg "VERSION=$(git describe --tags --always --dirty)" --build-arg "REVISION=$(git rev-parse HEAD)")
scripts/timed.sh "docker build" "$builder" build "${arguments[@]}" --tag "quadrate-test:$kind" .
scripts/timed.sh "docker build, export" "$builder" build "${arguments[@]}" --target export --tag "quadrate-test:$kind-export" .
scripts/timed.sh "docker build, slim" "$builder" build "${arguments[@]}" --build-arg EXPORTER=without --tag "quadrate-test:$kind-slim" .
mv "$stamp.begun" "$stamp"
