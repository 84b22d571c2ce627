#!/usr/bin/env bash
# Names the Go files that gofmt would change, and fails where there are any.
# Usage: scripts/check_format.sh
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;; esac
files=$(git ls-files --cached --others --exclude-standard '*.go')
bad=$(printf '%s\n' "$files" | tr '\n' '\0' | xargs -0 gofmt -l)
[ -z "$bad" ] || { printf 'not formatted (run gofmt -w):\n%s\n' "$bad" >&2; exit 1; }
