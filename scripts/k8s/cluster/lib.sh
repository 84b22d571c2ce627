# Sourced by the scripts that run in a cluster's namespaces. They set dir, its folder.
# shellcheck shell=bash

# The control plane's address, and the nodes' router.
# shellcheck disable=SC2034  # for those who source this
address=10.89.0.1

node_address() { echo "10.89.0.1$1"; }

# pods NUMBER: the addresses of a node's pods.
pods() { echo "10.244.$1.0/24"; }

# run NAME COMMAND...: starts a program with a log of its own.
run() { "${@:2}" >>"${dir:?}/log/$1.log" 2>&1 & }

# within SECONDS COMMAND...: waits until it succeeds.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || { echo "in vain: $*" >&2; return 1; }
    sleep 0.5
  done
}
