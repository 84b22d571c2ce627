#!/bin/sh
# Exports a model for Quadrate; --help says how. The work is done by the Python
# package beside this file.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
python=${QUADRATE_PYTHON:-$root/var/venv/bin/python}

if ! command -v "$python" >/dev/null 2>&1; then
    echo "export_onnx: there is no $python; run 'make setup', or name a Python in QUADRATE_PYTHON" >&2
    exit 1
fi

PYTHONPATH=$here${PYTHONPATH:+:$PYTHONPATH} exec "$python" -m quadrate_export "$@"
