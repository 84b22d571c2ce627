#!/usr/bin/env bash
# Prints the build arguments that pin an image's base and tools to what their tags name today.
# Usage: scripts/image/digests.sh [DOCKERFILE]    (default: Dockerfile; needs docker buildx and the registries)
#   docker build $(scripts/image/digests.sh) -t quadrate .
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
sed -n 's/^ARG \(BASE\|[A-Z]*_IMAGE\)=\(..*\)/\1 \2/p' "${1:-Dockerfile}" | while read -r argument image; do
  digest=$(docker buildx imagetools inspect --format '{{json .Manifest}}' "$image" | grep -o 'sha256:[0-9a-f]\{64\}' | head -n 1) || digest=
  [ -n "$digest" ] || { echo "digests.sh: the registry of $image does not tell its digest" >&2; exit 1; }
  printf -- '--build-arg %s=%s@%s\n' "$argument" "$image" "$digest"
done
