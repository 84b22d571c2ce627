#!/usr/bin/env bash
# Makes images that stand in for those that a Dockerfile builds on, where none can be pulled:
#   quadrate-standin:debian   Debian 12 without Python, in the place of debian:12-slim
#   quadrate-standin:golang   this machine's Go at /usr/local/go, a C compiler and git
#   quadrate-standin:rust     this machine's Rust at /usr/local/cargo and /usr/local/rustup, by rustup
# Packages come from where this machine has them, which the images are told: apt's mirror, pip's
# settings, authorities, GOPROXY. They are for tests, and for nothing that is to be published.
# Usage: scripts/image/standins.sh    (as root; DOCKER_HOST as usual). Exit 3 with a reason when
#                                     this machine has nothing to make them of.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
name=quadrate-standin

none() { echo "no stand-ins for base images: $1" >&2; exit 3; }

# is_there IMAGE SUM: whether it is made of what it would be made of now.
is_there() { [ "$(docker image inspect --format '{{index .Config.Labels "made-of"}}' "$1" 2>/dev/null)" = "$2" ]; }

# settings: as options of docker import, what this machine's own package managers are told by the environment.
settings() {
  local variable
  printf -- '--change\nENV %s\n' "GOPROXY=$(go env GOPROXY)" "GOSUMDB=$(go env GOSUMDB)"
  for variable in PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_CERT PIP_DEFAULT_TIMEOUT SSL_CERT_FILE CARGO_HTTP_CAINFO; do
    [ -z "${!variable:-}" ] || printf -- '--change\nENV %s\n' "$variable=${!variable}"
  done
}

# into IMAGE SUM FOLDER [OPTION...]: makes an image of a folder.
into() { tar -C "$3" -c . | docker import --change "LABEL made-of=$2" "${@:4}" - "$1" >/dev/null; }

debian() {
  is_there "$name:debian" "$1" && return
  rm -rf "${root:?}"/* && scripts/image/base.sh --folder "$root" libstdc++6
  into "$name:debian" "$1" "$root"
}

golang() {
  is_there "$name:golang" "$1" && return
  local options
  rm -rf "${root:?}"/* && scripts/image/base.sh --folder "$root" ca-certificates,g++,gcc,git,libc6-dev,make,pkg-config
  cp -a "$(go env GOROOT)" "$root/usr/local/go"
  cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  if [ -f /etc/pip.conf ]; then cp /etc/pip.conf "$root/etc/"; fi
  mapfile -t options < <(settings)
  into "$name:golang" "$1" "$root" "${options[@]}" --change "ENV GOTOOLCHAIN=local GOPATH=/go" \
    --change "ENV PATH=/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
}

rust() {
  is_there "$name:rust" "$1" && return
  local sysroot toolchain to program
  sysroot=$(rustc --print sysroot)
  toolchain=$(rustc -vV | sed -n 's/^release: //p')-$(rustc -vV | sed -n 's/^host: //p')
  to=$root/usr/local/rustup/toolchains/$toolchain
  rm -rf "${root:?}"/* && mkdir -p "$to" "$root/usr/local/cargo/bin"
  tar -C "$sysroot" --exclude=./share/doc --exclude=./lib/rustlib/src -c . | tar -C "$to" -x
  # rustup is every program of the toolchain, by the name that it is called by.
  cp "$(command -v rustup)" "$root/usr/local/cargo/bin/rustup"
  for program in cargo rustc rustdoc; do ln "$root/usr/local/cargo/bin/rustup" "$root/usr/local/cargo/bin/$program"; done
  printf 'version = "12"\ndefault_toolchain = "%s"\n\n[overrides]\n' "$toolchain" >"$root/usr/local/rustup/settings.toml"
  if [ -f "${CARGO_HOME:-$HOME/.cargo}/config.toml" ]; then cp "${CARGO_HOME:-$HOME/.cargo}/config.toml" "$root/usr/local/cargo/"; fi
  into "$name:rust" "$1" "$root"
}

command -v rustup >/dev/null || none "the Rust here is not rustup's"
[ -f /etc/ssl/certs/ca-certificates.crt ] || none "there is no /etc/ssl/certs/ca-certificates.crt"
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
sum=$(sha256sum scripts/image/standins.sh scripts/image/base.sh | sha256sum | cut -c -16)
debian "$sum"
golang "$sum-$(go env GOVERSION)"
rust "$sum-$(rustc --version | cut -d ' ' -f 2)"
