#!/usr/bin/env bash
# Makes what a release consists of, below dist/ (or --out FOLDER):
#   quadrate-gateway-VERSION-OS-ARCH.tar.gz   the router alone, static; linux and darwin, amd64 and arm64
#   quadrate-VERSION-linux-ARCH.tar.gz        the server with its libraries and the default model, for
#                                             this machine's processor; it runs from whatever folder
#   *.cdx.json                                what is in each program (CycloneDX)
#   SHA256SUMS
# The same commit makes the same archives, byte for byte: the gateway's anywhere with the same Go, tar
# and gzip, the server's with the same C compiler and system, too. FOLDER gets them when all are made, in
# place of those of the same names. docs/releases.md says how a release is made and used.
# Usage: scripts/release.sh [--out FOLDER] [--gateway-only] [VERSION]    (default: git describe)
set -euo pipefail
# What is packed is to be read by other users, whatever this one's files are.
umask 022
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/licences.sh
. scripts/lib/licences.sh

out=dist server=yes version='' made=()
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=${2:?--out needs a folder}; shift ;;
    --gateway-only) server= ;;
    -*) echo "release.sh: unknown option $1; see --help" >&2; exit 2 ;;
    *) version=$1 ;;
  esac
  shift
done
version=${version:-$(git describe --tags --always --dirty)}
case $version in *[!A-Za-z0-9._+-]*) echo "release.sh: version '$version' may have letters, digits and . _ + - only" >&2; exit 2 ;; esac
out=$(realpath -m -- "$out")
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out" "$work/made"

# program OS ARCH PACKAGE TO: a program with the release's version and commit. Go's build id is left out,
# which depends on where the native library lies.
program() { GOOS=$1 GOARCH=$2 go build -trimpath -buildvcs=true -ldflags "-s -w -buildid= -X main.version=$version" -o "$4" "$3"; }

# pack FOLDER: an archive of $work/FOLDER that depends on its content alone.
pack() {
  tar -C "$work" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX -cf - "$1" |
    gzip -n >"$work/made/$1.tar.gz"
  rm -rf "${work:?}/$1"
  made+=("$1.tar.gz" "$1.cdx.json")
}

# parts FOLDER: what every archive has.
parts() {
  install -D -m 0644 -t "$1" LICENSE README.md CHANGELOG.md
  git ls-files -z docs | xargs -0 cp --parents -t "$1"
  install -D -m 0644 -t "$1/configs" configs/*.yaml
  install -D -m 0644 -t "$1/configs/examples" configs/examples/*.yaml
  install -D -m 0644 -t "$1/deploy/systemd" deploy/systemd/quadrate.service
  # Where shells look below a prefix such as /usr/local, under the names that they look for.
  install -D -m 0644 cmd/server/completions/quadrate.bash "$1/share/bash-completion/completions/quadrate"
  install -D -m 0644 cmd/server/completions/quadrate.zsh "$1/share/zsh/site-functions/_quadrate"
  install -D -m 0644 cmd/server/completions/quadrate.fish "$1/share/fish/vendor_completions.d/quadrate.fish"
  page_licences "$1/licences/pages"
}

# bill PROGRAM NAME: the program's modules as CycloneDX, out of what Go has written into it.
bill() { var/tools/cyclonedx-gomod bin -json -noserial -notimestamp -version "$version" -output "$work/made/$2.cdx.json" "$1" >/dev/null; }

gateway() {
  local name=quadrate-gateway-$version-$1-$2
  local folder=$work/$name
  parts "$folder"
  # It cannot run the local models that the file begins with.
  sed -i '/^models:/,$d' "$folder/configs/server.yaml"
  printf 'models: []                          # this program has none of its own; routing.yaml says what it serves\n' >>"$folder/configs/server.yaml"
  CGO_ENABLED=0 program "$1" "$2" ./cmd/server "$folder/bin/quadrate"
  CGO_ENABLED=0 program "$1" "$2" ./cmd/bench "$folder/bin/quadrate-bench"
  CGO_ENABLED=0 GOOS=$1 GOARCH=$2 licences ./cmd/server "$folder/licences"
  bill "$folder/bin/quadrate" "$name"
  pack "$name"
}

server() {
  local name folder library
  name=quadrate-$version-linux-$(go env GOARCH)
  folder=$work/$name
  parts "$folder"
  CGO_ENABLED=1 program linux "$(go env GOARCH)" ./cmd/server "$folder/bin/quadrate"
  CGO_ENABLED=0 program linux "$(go env GOARCH)" ./cmd/bench "$folder/bin/quadrate-bench"
  for library in var/lib/libonnxruntime*.so; do install -D -m 0755 "$library" "$folder/lib/$(basename "$library")"; done
  install -D -m 0644 -t "$folder/licences/onnxruntime" var/lib/onnxruntime-*.txt
  licences ./cmd/server "$folder/licences"
  crate_licences "$folder/licences/rust"
  mkdir -p "$folder/var/models"
  cp -RL var/models/all-MiniLM-L6-v2 "$folder/var/models/"
  bill "$folder/bin/quadrate" "$name"
  pack "$name"
}

scripts/setup/setup.sh cyclonedx
for platform in "linux amd64" "linux arm64" "darwin amd64" "darwin arm64"; do
  # shellcheck disable=SC2086  # two words
  gateway $platform
done
if [ -n "$server" ]; then
  scripts/setup/setup.sh tools modules onnxruntime tokenizers exporter model
  server
fi
(cd "$work/made" && sha256sum -- "${made[@]}" >SHA256SUMS && cat SHA256SUMS)
mv -f -- "$work/made"/* "$out/"
