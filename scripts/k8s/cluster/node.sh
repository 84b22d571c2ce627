#!/usr/bin/env bash
# A node of the cluster, in a network and with mounts of its own. Usage: node.sh DIR NUMBER
# (control-plane.sh starts it)
set -euo pipefail
dir=$1 number=$2 own=$1/node-$2
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
tools=$(realpath "$here/../../../var/k8s")
PATH=$tools/bin:$PATH
# shellcheck source=scripts/k8s/cluster/lib.sh
. "$here/lib.sh"
touch "$own/unshared"

# What kubelet and containerd keep at fixed places is this node's own.
mounts() {
  local folder
  mount --make-rshared /
  for folder in /run /var/lib /var/log; do mount -t tmpfs tmpfs "$folder"; done
  mkdir -p /run/lock /var/lib/kubelet
  setting vm/overcommit_memory 1
  setting vm/panic_on_oom 0
  setting kernel/panic 10
  setting kernel/panic_on_oops 1
  setting kernel/keys/root_maxkeys 1000000
  setting kernel/keys/root_maxbytes 25000000
}

# setting NAME VALUE: has kubelet read the value that it would set, for the whole machine, so that it does not.
setting() {
  local file=$own/settings/$1
  mkdir -p "$(dirname "$file")"
  echo "$2" >"$file"
  mount --bind "$file" "/proc/sys/$1"
}

network() {
  within 10 ip link show eth0
  ip link set lo up
  ip addr add "$(node_address "$number")/24" dev eth0
  ip link set eth0 up
  ip route add default via "$address"
  echo 1 >/proc/sys/net/ipv4/ip_forward
}

# kubelet puts its pods below a group of the node's, which has to be there; version 1 has a tree for each controller.
groups() {
  local tree
  group=quadrate-test-node-$number
  if [ -f /sys/fs/cgroup/cgroup.controllers ]; then mkdir -p "/sys/fs/cgroup/$group"; return; fi
  for tree in /sys/fs/cgroup/*/; do
    [ -f "$tree/cgroup.procs" ] && mkdir -p "$tree$group"
  done
}

# fill FILE: writes a file of this folder to the node's, with what differs between nodes.
fill() {
  sed -e "s|@DIR@|$own|g" -e "s|@GROUP@|$group|g" -e "s|@PODS@|$(pods "$number")|g" -e "s|@NODE@|node-$number|g" \
    -e "s|@TOOLS@|$tools|g" -e "s|@CLUSTER@|$dir|g" "$here/$1" >"$own/$1"
}

mounts
network
groups
for file in containerd.toml kubelet.yaml proxy.yaml; do fill "$file"; done
mkdir -p "$own/cni"
fill pods.conflist && mv "$own/pods.conflist" "$own/cni/"
run "node-$number-containerd" containerd --config "$own/containerd.toml"
within 30 ctr version
ctr --namespace k8s.io images import "$tools/images.tar"
run "node-$number-kubelet" kubelet --config "$own/kubelet.yaml" --kubeconfig "$dir/node-$number.kubeconfig" \
  --hostname-override "node-$number" --node-ip "$(node_address "$number")" --root-dir "$own/kubelet"
run "node-$number-proxy" kube-proxy --config "$own/proxy.yaml"
wait -n
echo "one of the node's programs has ended" >&2
exit 1
