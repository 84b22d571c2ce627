#!/bin/sh
# The images' entry point: fetches what QUADRATE_FETCH names where the server is about to serve,
# and becomes the server. Its other commands (version, key, healthcheck, -check, -h) fetch nothing.
set -eu
fetch=${QUADRATE_FETCH:-}
case ${1:-} in '' | serve | -*) ;; *) fetch= ;; esac
for word; do
    case $word in -h | -help | --help | -check | --check | -check=* | --check=*) fetch= ;; esac
done
[ -n "$fetch" ] || exec /usr/local/bin/quadrate "$@"
if [ ! -x /usr/local/bin/quadrate-export ]; then
    echo "quadrate: QUADRATE_FETCH=$fetch: this image has no exporter. Take the one that has it, or put the models' folders into the volume and unset QUADRATE_FETCH" >&2
    exit 1
fi
exec python3 -I -B /usr/local/lib/quadrate/exporter/quadrate_fetch/main.py serve "$@"
