#!/usr/bin/env bash
# Tests what the server passes to ONNX Runtime's GPU providers against the real ones, on a machine
# without a GPU: stand-ins take the place of NVIDIA's libraries (scripts/gpu_stubs.py).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

lib=$PWD/var/gpu-lib
stubs=$lib/stubs
python3 scripts/gpu_stubs.py "$stubs" "$lib"/libonnxruntime_providers_{cuda,tensorrt}.so
LD_LIBRARY_PATH=$stubs QUADRATE_GPU_LIBRARY=$lib/libonnxruntime.so QUADRATE_REQUIRE_MODELS=1 \
  go test -count=1 -run 'GPU|CUDA' "$@" ./inference/ort
