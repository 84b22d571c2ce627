#!/usr/bin/env bash
# Prints where Chromium is, for the tests in a browser: $CHROMIUM, or what is found under its names.
# Fails where there is none.
# Usage: scripts/chromium.sh
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;; esac
for name in "${CHROMIUM:-chromium}" chromium-browser google-chrome; do
  if command -v "$name"; then exit; fi
done
exit 1
