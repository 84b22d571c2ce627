#!/usr/bin/env bash
# Names the Go files that gofmt would change.
set -euo pipefail
files=$(git ls-files --cached --others --exclude-standard '*.go')
bad=$(printf '%s\n' "$files" | tr '\n' '\0' | xargs -0 gofmt -l)
[ -z "$bad" ] || { printf 'not formatted (run gofmt -w):\n%s\n' "$bad" >&2; exit 1; }
