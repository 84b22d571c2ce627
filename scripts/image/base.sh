#!/usr/bin/env bash
# Makes a base image of Debian 12 from its packages, where no image can be pulled: with the
# Python that the exporter needs, which the Dockerfiles would install into a base without.
# Usage: scripts/image/base.sh NAME    (as root; DOCKER_HOST as usual)
#        scripts/image/base.sh --folder FOLDER PACKAGE,…    lays such a base out in an empty folder
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;; esac

# lay_out FOLDER PACKAGES
lay_out() {
  local mirror
  command -v debootstrap >/dev/null ||
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends debootstrap; }
  # From where this machine's own packages come.
  # shellcheck disable=SC2016  # apt expands it
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -v -- -security | head -n 1)
  debootstrap --variant=minbase --include="$2" bookworm "$1" ${mirror:+"$mirror"}
  rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/*
}

if [ "${1:-}" = --folder ]; then
  lay_out "${2:?a folder}" "${3:?packages}"
  exit
fi
name=${1:?the name of the image}
docker image inspect "$name" >/dev/null 2>&1 && exit
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
lay_out "$root" libstdc++6,python3
tar -C "$root" -c . | docker import - "$name"
