#!/usr/bin/env bash
# Lays out the exporter with its Python packages, for the Python of an image's base.
# Usage: scripts/image/exporter.sh OUT VERSION
#   OUT      folder to make: what an image has at /usr/local/lib/quadrate/exporter
#   VERSION  of the base's Python, such as 3.11 (Debian 12) or 3.12 (Ubuntu 24.04)
set -euo pipefail
case ${1:-} in '' | -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit $((${#1} == 0 ? 2 : 0)) ;; esac
out=$(realpath -m "$1") version=${2:?the version of the image\'s Python}
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
packages=$out/site-packages
wanted=$(mktemp)
trap 'rm -f "$wanted"' EXIT
rm -rf "$out" && mkdir -p "$out"

var/venv/bin/python scripts/image/requirements_for.py "$version" <scripts/requirements.txt >"$wanted"
# Its own version is what pip would hold the packages' demands against.
var/venv/bin/python -m pip install --quiet --ignore-requires-python --disable-pip-version-check --no-input --no-compile --no-deps \
  --require-hashes --only-binary :all: --python-version "$version" --implementation cp --abi "cp${version//./}" --abi abi3 --abi none \
  --platform "manylinux_2_28_$(uname -m)" --platform "manylinux_2_27_$(uname -m)" --platform "manylinux_2_24_$(uname -m)" \
  --platform "manylinux_2_17_$(uname -m)" --platform "manylinux2014_$(uname -m)" --platform any \
  --target "$packages" --requirement "$wanted"

# What an export never reads: tests, other tools, and a second copy of ONNX Runtime's library,
# which its Python module has inside.
rm -rf "${packages:?}"/bin "$packages"/onnxruntime/{transformers,tools,quantization,datasets,backend} \
  "$packages"/onnxruntime/capi/libonnxruntime.so.* "$packages"/onnx/backend/test
find "$packages" -name tests -type d -prune -exec rm -rf {} +
find "$packages" -name '*.pyi' -delete
# Of the SBOM and the licences, RECORD lists files and no more.
find "$packages" -path '*.dist-info/RECORD' -delete

cp -R scripts/quadrate_export scripts/quadrate_export_torch scripts/image/quadrate_fetch "$out/"
find "$out" -name __pycache__ -type d -prune -exec rm -rf {} +
