#!/usr/bin/env bash
# Builds the images quadrate-test:KIND, :KIND-export and :KIND-slim (without the exporter) without
# pulling anything.
# Usage: scripts/image/build.sh cpu|cuda [BUILDER [FROM]]    (as root; DOCKER_HOST as usual)
#   BUILDER   a docker client that builds with BuildKit; default: docker
#   FROM      prebuilt (default): of parts that are built here, on a base made from Debian's packages
#             source: as docker build does it by itself, on stand-ins for its base images that are made
#             of this machine's Go and Rust (standins.sh)
# What it replaces is removed. var/stamps/image-KIND is as old as what the images were made of.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
kind=${1:?cpu or cuda} builder=${2:-docker} from=${3:-prebuilt}
case $kind in
  cpu) file=Dockerfile staged=var/image ;;
  cuda) file=Dockerfile.cuda staged=var/image-cuda ;;
  *) echo "the image's kind is '$kind', want cpu or cuda" >&2; exit 2 ;;
esac
# Debian 12's, on which all of it is built here.
python=3.11
case $from in
  prebuilt)
    base=quadrate-base:python context=$staged
    build=(--build-arg BUILDER=prebuilt)
    ;;
  source)
    base=quadrate-standin:debian context=.
    build=(--build-arg GO_IMAGE=quadrate-standin:golang --build-arg RUST_IMAGE=quadrate-standin:rust --build-arg "PYTHON=$python")
    ;;
  *) echo "images are built from '$from', want prebuilt or source" >&2; exit 2 ;;
esac
stamp=var/stamps/image-$kind
mkdir -p var/stamps
touch "$stamp.begun"
if [ "$from" = prebuilt ]; then
  scripts/timed.sh "base image" scripts/image/base.sh "$base"
  IMAGE_PYTHON=$python scripts/timed.sh "stage" scripts/image/stage.sh "$staged" "$kind"
else
  scripts/timed.sh "stand-ins for base images" scripts/image/standins.sh
fi
# shellcheck disable=SC2207  # words, none with a space
build+=(--file "$file" --build-arg "BASE=$base" $(scripts/image/stamp.sh))

# image TAG OPTION...
image() {
  local tag=$1 before
  shift
  before=$(docker image inspect --format '{{.Id}}' "$tag" 2>/dev/null) || before=
  scripts/timed.sh "docker build, $tag" "$builder" build "${build[@]}" "$@" --tag "$tag" "$context"
  # By another name it is somebody else's; one that others were made of stays, too.
  [ "$(docker image inspect --format '{{len .RepoTags}}' "$before" 2>/dev/null)" != 0 ] || docker image rm "$before" >/dev/null 2>&1 || true
}

image "quadrate-test:$kind"
image "quadrate-test:$kind-export" --target export
image "quadrate-test:$kind-slim" --build-arg EXPORTER=without
mv "$stamp.begun" "$stamp"
