#!/usr/bin/env bash
# Prints where Chromium is, for the tests in a browser: $CHROMIUM, or what is found under its names.
# Fails where there is none.
set -euo pipefail
for name in "${CHROMIUM:-chromium}" chromium-browser google-chrome; do
  if command -v "$name"; then exit; fi
done
exit 1
