#!/bin/sh
# Checks and measures Quadrate on this machine's NVIDIA GPU and writes one Markdown report;
# --help says how. The work is done by the Python package beside this file, which needs what
# the exporter needs (make setup; or name a Python in QUADRATE_PYTHON).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
python=${QUADRATE_PYTHON:-$(dirname "$here")/var/venv/bin/python}

if ! command -v "$python" >/dev/null 2>&1; then
    echo "gpu_check: there is no $python; run 'make setup', or name a Python in QUADRATE_PYTHON" >&2
    exit 1
fi

PYTHONPATH=$here${PYTHONPATH:+:$PYTHONPATH} exec "$python" -m gpu_check "$@"
