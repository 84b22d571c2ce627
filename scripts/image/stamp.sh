#!/usr/bin/env bash
# Prints the build arguments that say of which version and commit an image is made, for its labels
# and its programs. The build cannot find out itself: the repository's history is no part of it.
# Usage: scripts/image/stamp.sh
#   docker build $(scripts/image/stamp.sh) -t quadrate .
# Environment: VERSION (default: git describe); SOURCE_DATE_EPOCH (default: the commit's time)
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
git rev-parse --quiet --verify HEAD >/dev/null 2>&1 ||
  { echo "stamp.sh: this is no clone, so that nothing says which commit it is; give --build-arg VERSION=… yourself" >&2; exit 1; }
created=$(date --utc --date="@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}" +%Y-%m-%dT%H:%M:%SZ)
printf -- '--build-arg %s\n' "VERSION=${VERSION:-$(git describe --tags --always --dirty)}" \
  "REVISION=$(git rev-parse HEAD)" "CREATED=$created"
