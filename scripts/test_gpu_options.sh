#!/usr/bin/env bash
# Tests what the server passes to ONNX Runtime's GPU providers against the real ones, on a machine
# without a GPU: stand-ins take the place of NVIDIA's libraries (scripts/gpu_stubs.py).
# Usage: scripts/test_gpu_options.sh [OPTIONS OF go test]    (make test-gpu-options)
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."

lib=$PWD/var/gpu-lib
stubs=$lib/stubs
[ -f "$lib/libonnxruntime.so" ] || { echo "there is no $lib/libonnxruntime.so: scripts/setup/setup.sh onnxruntime-gpu fetches it (255 MB)" >&2; exit 1; }
python3 scripts/gpu_stubs.py "$stubs" "$lib"/libonnxruntime_providers_{cuda,tensorrt}.so
LD_LIBRARY_PATH=$stubs QUADRATE_GPU_LIBRARY=$lib/libonnxruntime.so QUADRATE_REQUIRE_MODELS=1 \
  go test -count=1 -run 'GPU|CUDA' "$@" ./inference/ort
