# Sourced, from the repository's root, by tests that need a container engine. They set:
#   test_name   what a skip says
# shellcheck shell=bash
engine=var/docker-test

# or_skip COMMAND...: ends the test as passed where COMMAND says that it cannot run here.
or_skip() {
  local code=0
  answer=$("$@") || code=$?
  [ "$code" -ne 3 ] || { echo "${test_name:?} skipped"; exit 0; }
  [ "$code" -eq 0 ] || exit "$code"
}

# use_engine: the engine that answers, else one that ends with the test; exports DOCKER_HOST, and
# sets builder, a client that builds with BuildKit.
use_engine() {
  local ran=yes
  scripts/image/engine.sh running "$engine" || ran=
  or_skip scripts/image/engine.sh start "$engine"
  export "${answer?}" DOCKER_BUILDKIT=1
  [ -n "$ran" ] || trap 'scripts/image/engine.sh stop "$engine"' EXIT
  or_skip scripts/image/engine.sh client
  # shellcheck disable=SC2034  # for those who source this
  builder=$answer
}
