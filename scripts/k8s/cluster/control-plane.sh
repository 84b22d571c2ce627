#!/usr/bin/env bash
# The first process of a cluster's namespaces: starts the control plane and the nodes, and ends with
# them. Usage: control-plane.sh DIR NODE...    (cluster.sh starts it)
set -euo pipefail
dir=$1
shift
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
PATH=$(realpath "$here/../../../var/k8s/bin"):$PATH
# shellcheck source=scripts/k8s/cluster/lib.sh
. "$here/lib.sh"

admin() { kubectl --kubeconfig "$dir/admin.kubeconfig" "$@"; }

# A bridge is what the nodes' network cards are plugged into.
network() {
  ip link set lo up
  ip link add cluster0 type bridge
  ip addr add "$address/24" dev cluster0
  ip link set cluster0 up
  echo 1 >/proc/sys/net/ipv4/ip_forward
}

# account NAME USER [GROUP]: a token for a user, and a kubeconfig with it.
account() {
  local token
  token=$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')
  echo "$token,$2,$1,\"${3:-}\"" >>"$dir/tokens.csv"
  cat >"$dir/$1.kubeconfig" <<YAML
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "https://$address:6443", certificate-authority: "$dir/pki/apiserver.crt"}}]
users: [{name: $1, user: {token: $token}}]
contexts: [{name: test, context: {cluster: test, user: $1}}]
current-context: test
YAML
}

accounts() {
  local node
  account admin test-admin system:masters
  account controller-manager system:kube-controller-manager
  account scheduler system:kube-scheduler
  account proxy system:kube-proxy
  for node in "$@"; do account "node-$node" "system:node:node-$node" system:nodes; done
}

# The state is gone with the cluster, so that nothing has to reach the disk.
etcd_server() {
  run etcd etcd --data-dir "$dir/etcd" --unsafe-no-fsync --listen-client-urls http://127.0.0.1:2379 \
    --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380 --logger zap
}

api_server() {
  openssl genrsa -out "$dir/pki/accounts.key" 2048 2>/dev/null
  run apiserver kube-apiserver --etcd-servers http://127.0.0.1:2379 --cert-dir "$dir/pki" --advertise-address "$address" \
    --service-cluster-ip-range 10.96.0.0/16 --service-account-issuer https://kubernetes.default.svc \
    --service-account-signing-key-file "$dir/pki/accounts.key" --service-account-key-file "$dir/pki/accounts.key" \
    --token-auth-file "$dir/tokens.csv" --authorization-mode Node,RBAC --kubelet-preferred-address-types InternalIP --enable-admission-plugins NodeRestriction
  within 120 admin get --raw /readyz
}

controllers() {
  run controller-manager kube-controller-manager --kubeconfig "$dir/controller-manager.kubeconfig" --leader-elect=false \
    --use-service-account-credentials --service-account-private-key-file "$dir/pki/accounts.key" --root-ca-file "$dir/pki/apiserver.crt"
  run scheduler kube-scheduler --kubeconfig "$dir/scheduler.kubeconfig" --leader-elect=false
}

# plug NUMBER: starts a node, gives it a network card, and leads its pods' addresses to it.
plug() {
  mkdir -p "$dir/node-$1"
  unshare --net --mount --propagation private "$here/node.sh" "$dir" "$1" >>"$dir/log/node-$1.log" 2>&1 &
  echo $! >"$dir/node-$1/pid"
  within 10 test -e "$dir/node-$1/unshared"
  ip link add "node-$1" master cluster0 type veth peer name eth0 netns "$(cat "$dir/node-$1/pid")"
  ip link set "node-$1" up
  ip route add "$(pods "$1")" via "$(node_address "$1")"
}

mkdir -p "$dir/pki"
network
accounts "$@"
etcd_server
api_server
controllers
for node in "$@"; do plug "$node"; done
for node in "$@"; do within 120 admin wait --for condition=Ready --timeout 1s "node/node-$node"; done
admin apply -f "$here/dns.yaml"
admin -n kube-system rollout status deployment/coredns --timeout 90s
touch "$dir/ready"
# A cluster without one of them would fail tests in ways that say nothing.
wait -n
echo "one of the cluster's programs has ended" >&2
exit 1
