#!/usr/bin/env bash
# Builds what a cluster for the tests consists of, from Go modules, in minutes: Kubernetes and etcd
# (scripts/k8s/tools says which), the network plugins, CoreDNS, and images of CoreDNS and of the
# program that holds a pod's namespaces.
# Usage: scripts/k8s/build.sh OUT    (CNI_VERSION: the Makefile's)
set -euo pipefail
case ${1:-} in -h | --help | '') sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit $((${#1} == 0 ? 2 : 0)) ;; esac
out=$(realpath -m "$1")
cd "$(dirname "${BASH_SOURCE[0]}")"
export CGO_ENABLED=0
mkdir -p "$out/bin" "$out/cni"

# go install refuses them, because Kubernetes' module replaces others; and what it tells of its
# version, by which Helm decides, is given to it.
cd tools
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
IFS=. read -r major minor _ <<<"${version#v}"
stamp=k8s.io/component-base/version
flags="-s -w -X $stamp.gitVersion=$version -X $stamp.gitMajor=$major -X $stamp.gitMinor=$minor"
for package in $(go list tool); do
  name=$(basename "$package")
  case $package in go.etcd.io/etcd/server/*) name=etcd ;; esac
  go build -trimpath -ldflags "$flags" -o "$out/bin/$name" "$package"
done
source=$(go list -m -f '{{.Dir}}' k8s.io/kubernetes)
(cd coredns && go build -trimpath -ldflags "-s -w" -o "$out/bin/coredns" .)
cd ..

plugins=github.com/containernetworking/plugins/plugins
for plugin in main/ptp main/loopback ipam/host-local; do
  GOFLAGS=-trimpath GOBIN=$out/cni go install -ldflags "-s -w" "$plugins/$plugin@${CNI_VERSION:?}"
done
"${CC:-cc}" -static -Os -s -DVERSION=1 -o "$out/bin/pause" "$source/build/pause/linux/pause.c"
python3 images.py "$out/images.tar.partial" "quadrate-test-coredns:1=$out/bin/coredns" "quadrate-test-pause:1=$out/bin/pause"
mv "$out/images.tar.partial" "$out/images.tar"
