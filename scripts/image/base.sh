#!/usr/bin/env bash
# Makes a base image of Debian 12 from its packages, where no image can be pulled: with the
# Python that the exporter needs, which the Dockerfiles would install into a base without.
# Usage: scripts/image/base.sh NAME    (as root; DOCKER_HOST as usual)
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;; esac
name=${1:?the name of the image}
docker image inspect "$name" >/dev/null 2>&1 && exit
command -v debootstrap >/dev/null ||
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends debootstrap; }
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
# From where this machine's own packages come.
# shellcheck disable=SC2016  # apt expands it
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -v -- -security | head -n 1)
debootstrap --variant=minbase --include=libstdc++6,python3 bookworm "$root" ${mirror:+"$mirror"}
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
tar -C "$root" -c . | docker import - "$name"
