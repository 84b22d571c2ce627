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

# use_image: quadrate-test:cpu, built anew where it is older than what it is made of; KEEP_IMAGE=1
# takes the one that is there.
use_image() {
  if stale; then scripts/image/build.sh cpu "${builder:?}"; fi
}

# stale: the image is absent, or older than what it is made of.
stale() {
  docker image inspect quadrate-test:cpu >/dev/null 2>&1 || return 0
  [ -z "${KEEP_IMAGE:-}" ] || return 1
  local file
  while IFS= read -r -d '' file; do
    case $file in *_test.go) continue ;; esac
    [ ! "$file" -nt var/stamps/image-cpu ] || return 0
  done < <(git ls-files -z --cached --others --exclude-standard '*.go' go.mod go.sum Dockerfile configs \
    cmd/server/completions playground/assets scripts/image scripts/lib scripts/quadrate_export scripts/requirements.txt scripts/setup)
  return 1
}
