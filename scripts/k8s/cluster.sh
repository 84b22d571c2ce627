#!/usr/bin/env bash
# A Kubernetes cluster for the tests, in namespaces of its own: a control plane and two nodes, each
# with containerd, kubelet and kube-proxy. Nothing of the machine's is changed, and whatever runs in
# it ends with it. Usage (as root, after scripts/setup/setup.sh kubernetes):
#   scripts/k8s/cluster.sh check              exit 3 with a reason where none can run
#   scripts/k8s/cluster.sh start DIR          starts it with its files below DIR, unless it runs;
#                                             DIR/admin.kubeconfig is for whoever may do everything
#   scripts/k8s/cluster.sh load DIR IMAGE...  gives the nodes images of the container engine
#   scripts/k8s/cluster.sh exec DIR COMMAND   runs a command on the first node, where Services and
#                                             pods can be reached
#   scripts/k8s/cluster.sh stop DIR
set -euo pipefail
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")/cluster
nodes=(1 2)

none() { echo "no cluster: $1" >&2; exit 3; }

runs() { kill -0 "$(cat "$dir/cluster.pid" 2>/dev/null)" 2>/dev/null; }

# within SECONDS COMMAND...: waits until it succeeds.
within() {
  local tries=$(($1 * 2))
  shift
  for _ in $(seq "$tries"); do
    ! "$@" >/dev/null 2>&1 || return 0
    sleep 0.5
  done
  echo "not within $((tries / 2)) s: $*" >&2
  return 1
}

# inside COMMAND...: runs a command in the cluster's namespaces.
inside() { nsenter --target "$(cat "$dir/control-plane.pid")" --mount --net --pid --wd="$PWD" "$@"; }

# on NUMBER COMMAND...: runs a command on a node. Its process id is one of the cluster's.
on() {
  local pid
  pid=$(cat "$dir/node-$1/pid")
  shift
  inside nsenter --target "$pid" --mount --net --wd="$PWD" "$@"
}

check() {
  local name
  [ "$(id -u)" = 0 ] || none "only root can make namespaces, networks and containers"
  for name in containerd runc iptables ip unshare nsenter pgrep openssl; do
    command -v "$name" >/dev/null || none "$name is not installed (Debian: containerd, runc, iptables, iproute2, util-linux, procps, openssl)"
  done
  [ -d /sys/fs/cgroup/memory ] || [ -f /sys/fs/cgroup/cgroup.controllers ] || none "there are no cgroups"
  unshare --net --mount --pid --fork true 2>/dev/null || none "this kernel allows no namespaces here"
}

start() {
  check
  runs || launch
}

# Anew each time: what an earlier one left would be repaired by nobody.
launch() {
  rm -rf "$dir"
  mkdir -p "$dir/log"
  setsid unshare --net --mount --pid --fork --mount-proc --kill-child "$here/control-plane.sh" "$dir" "${nodes[@]}" \
    >"$dir/log/cluster.log" 2>&1 </dev/null &
  echo $! >"$dir/cluster.pid"
  within 10 child
  child >"$dir/control-plane.pid"
  within 240 launched && [ -e "$dir/ready" ] || { tail -n 20 "$dir"/log/cluster.log >&2; stop; exit 1; }
}

# The first process in the new namespaces, by its id outside.
child() { pgrep --parent "$(cat "$dir/cluster.pid")"; }

# It serves, or has failed to.
launched() { [ -e "$dir/ready" ] || ! runs; }

# In one archive, which has what the images share once.
load() {
  local node
  docker save "$@" >"$dir/images.tar"
  for node in "${nodes[@]}"; do on "$node" ctr --namespace k8s.io images import "$dir/images.tar" >/dev/null; done
  rm "$dir/images.tar"
}

ended() { ! runs; }

stop() {
  runs || return 0
  # With the first process the kernel ends all others of its namespace.
  kill -KILL "$(cat "$dir/control-plane.pid")"
  within 30 ended
  find /sys/fs/cgroup -depth -type d -path "*/quadrate-test-node-*" -exec rmdir {} + 2>/dev/null || true
  # The logs stay.
  rm -rf "$dir"/node-[0-9] "$dir/etcd"
}

command=${1:-}
case $command in
  check) ;;
  start | load | exec | stop) dir=$(realpath -m "${2:?a folder}") && shift 2 ;;
  *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
case $command in
  exec | load) runs || { echo "no cluster runs with its files below $dir" >&2; exit 1; } ;;
esac
case $command in
  exec) on 1 "$@" ;;
  *) "$command" "$@" ;;
esac
