#!/usr/bin/env bash
# Usage: scripts/k8s/test.sh [PYTEST ARGUMENTS]    (as root; make k8s-test)
# Runs the Helm chart in a real Kubernetes of two nodes, which is built from its Go modules and
# started in namespaces of its own, with the CPU image, which is built anew where a source of it
# has changed since (test/cluster; KEEP_IMAGE=1 takes the one that is there). KEEP_CLUSTER=1 leaves
# the cluster running, for scripts/k8s/cluster.sh exec var/k8s/cluster COMMAND, and for the next
# run. Where no container engine or no cluster can run, it says so and passes.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export test_name=k8s-test
cluster=var/k8s/cluster
# shellcheck source=scripts/image/for_test.sh
. scripts/image/for_test.sh

ran=
! scripts/image/engine.sh running "$engine" || ran=yes
use_engine
finish() {
  [ -n "${KEEP_CLUSTER:-}" ] || scripts/k8s/cluster.sh stop "$cluster"
  [ -n "$ran" ] || scripts/image/engine.sh stop "$engine"
}
trap finish EXIT
or_skip scripts/k8s/cluster.sh check
use_image
# Another image, to upgrade to.
"${builder:?}" build --quiet --tag quadrate-test:next --label test=next - <<<"FROM quadrate-test:cpu" >/dev/null
scripts/setup/setup.sh helm k8s kubernetes
scripts/timed.sh "cluster" scripts/k8s/cluster.sh start "$cluster"
scripts/timed.sh "images" scripts/k8s/cluster.sh load "$cluster" quadrate-test:cpu quadrate-test:next
CLUSTER_KUBECONFIG=$PWD/$cluster/admin.kubeconfig scripts/timed.sh "chart in the cluster" \
  scripts/k8s/cluster.sh exec "$cluster" var/k8s-venv/bin/python -m pytest -q -rA test/cluster "$@"
