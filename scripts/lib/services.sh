# shellcheck shell=bash disable=SC2154
# Docker Compose's services beside the server. Sourced by start-all.sh, which sets here, root,
# files, variant, services, bringing, state and timeout; fields is of server.sh.

# A service that is named is used whatever profile it is in.
compose() { docker compose "${files[@]/#/--file=}" --profile '*' "$@"; }

# change is compose for what changes something: of a dry run it is only said.
change() { run docker compose "${files[@]/#/--file=}" --profile '*' "$@"; }

# choose_files sets files to what --compose-file names, else to the base stack with TEI and vLLM.
choose_files() {
  own_files=no
  [ "${#files[@]}" -eq 0 ] || { own_files=yes; return 0; }
  if [ -z "$variant" ]; then
    variant=cpu
    if nvidia-smi -L >/dev/null 2>&1; then variant=gpu; fi
  fi
  files=("$root/deploy/compose/docker-compose.yml" "$root/deploy/compose/docker-compose.$variant.yml")
}

# check_compose fails with the reason why the services cannot be started, and settles which they are.
check_compose() {
  local file reason known before
  for file in "${files[@]}"; do
    [ -f "$file" ] || fail "there is no $file: name a Compose file with --compose-file, or leave TEI and vLLM out with --no-compose"
  done
  want docker 'scripts/setup-wsl-docker.sh sets it up in WSL2; --no-compose leaves TEI and vLLM out.'
  if docker compose version >/dev/null 2>&1; then
    if ! known=$(compose config --services 2>&1); then fail "${files[*]}: $known"; fi
    choose_services "$known"
  else
    ! command -v docker >/dev/null || lack "docker has no Compose: install Docker's package docker-compose-plugin, or leave TEI and vLLM out with --no-compose"
    # A dry run, which takes it that the files have them.
    [ "${#services[@]}" -gt 0 ] || services=(tei vllm)
  fi
  publish
  before=$(written files)
  if [ -n "$before" ] && [ "$before" != "$(printf '%s\n' "${files[@]}")" ]; then
    fail "services of other Compose files are still up: scripts/start-all.sh stop stops them"
  fi
  if command -v docker >/dev/null && ! reason=$(docker version --format '{{.Server.Version}}' 2>&1); then
    lack "the container engine does not answer: ${reason##*$'\n'}. Start Docker, or say with DOCKER_HOST where it is"
  fi
}

# choose_services KNOWN: what --services names must be there; without it, tei and vllm as far as they are.
choose_services() {
  local service missing=()
  if [ "${#services[@]}" -eq 0 ]; then
    mapfile -t services < <(printf '%s\n' tei vllm | grep -xF -- "$1")
    [ "${#services[@]}" -gt 0 ] || fail "${files[*]}: there is neither a service tei nor vllm, but: ${1//$'\n'/ }. Name others with --services"
    return
  fi
  for service in "${services[@]}"; do
    grep -qxF -- "$service" <<<"$1" || missing+=("$service")
  done
  [ "${#missing[@]}" -eq 0 ] || fail "${files[*]}: there is no service ${missing[*]}, but: ${1//$'\n'/ }"
}

# publish has the stack's services listen on loopback, where the stack keeps them to itself.
# Compose files of others publish what they mean to.
publish() {
  local service
  [ "$own_files" = no ] || return 0
  for service in "${services[@]}"; do
    if [ -f "$here/lib/ports-$service.yml" ]; then files+=("$here/lib/ports-$service.yml"); fi
  done
}

# running prints those of the services that run.
running() {
  local up
  up=$(compose ps --services --status running 2>/dev/null) || up=''
  [ -z "$up" ] || printf '%s\n' "${services[@]}" | grep -xF -- "$up" || true
}

# start_services starts those that do not run, and writes down which those are: a stop leaves the
# others alone. Sets begun.
start_services() {
  local service up old
  up=$(running)
  for service in "${services[@]}"; do
    if [ -n "$up" ] && grep -qxF -- "$service" <<<"$up"; then say "$service: runs already"; else begun+=("$service"); fi
  done
  [ "${#begun[@]}" -gt 0 ] || return 0
  if [ "$dry_run" = no ]; then
    say "${begun[*]}: starting; the first time their images and models are fetched"
    mapfile -t old < <(written services)
    remember ${old[@]+"${old[@]}"} "${begun[@]}"
  fi
  bring_up "${begun[@]}" ||
    give_up "did not come up; Compose says above whether they ended, were not healthy within $timeout s, or could not be started$(port_hint)" "${begun[@]}"
}

# bring_up SERVICE...: until they are healthy. Beside this shell, which heeds no signal while it waits for a
# command in front, and in a session of its own, so that end_bringing reaches Compose whoever called it.
bring_up() {
  local status=0 up=(up --detach --wait --wait-timeout "$timeout" "$@")
  if [ "$dry_run" = yes ]; then change "${up[@]}"; return; fi
  bringing=now
  setsid docker compose "${files[@]/#/--file=}" --profile '*' "${up[@]}" 9>&- &
  bringing=$!
  wait "$bringing" || status=$?
  bringing=''
  return "$status"
}

# end_bringing ends a bring_up that a signal has cut short.
end_bringing() {
  local deadline=$((SECONDS + 30)) now
  if [ "$bringing" = now ]; then bringing=${!:-}; fi
  [ -n "$bringing" ] || return 0
  # It may be on its way to its session.
  kill -TERM -- "-$bringing" 2>/dev/null || kill -TERM "$bringing" 2>/dev/null || true
  while now=$(fields "$bringing") && [ "${now%% *}" != Z ]; do
    if [ "$SECONDS" -ge "$deadline" ]; then kill -KILL -- "-$bringing" 2>/dev/null || true; fi
    sleep 0.1
  done
  bringing=''
}

# port_hint says how the ports that publish takes are changed.
port_hint() {
  [ "$own_files" = yes ] || printf ' (START_ALL_TEI_PORT and START_ALL_VLLM_PORT name other ports, where theirs are taken)'
}

# give_up WHY SERVICE...
give_up() {
  note "the last lines of ${*:2}:"
  compose logs --no-color --tail 10 "${@:2}" >&2 || true
  fail "${*:2} $1"
}

# wait_healthy SERVICE URL: until it answers its health check. Images without one of their own
# count as up for Compose as soon as they run, long before their model is loaded.
wait_healthy() {
  local deadline=$((SECONDS + timeout))
  until answers "$2/health"; do
    [ -n "$(services=("$1") && running)" ] || give_up "ended before it was healthy" "$1"
    [ "$SECONDS" -lt "$deadline" ] || give_up "did not answer $2/health within $timeout s" "$1"
    sleep 0.5
  done
  say "$1: ready at $2"
}

# written WHAT: the files, or the services, that were written down.
written() { cat "$state/$1" 2>/dev/null || true; }

# remember SERVICE...: those written down are to be these. None: nothing is.
remember() {
  if [ $# -eq 0 ]; then rm -f "$state/services" "$state/files"; return 0; fi
  printf '%s\n' "${files[@]}" >"$state/files"
  printf '%s\n' "$@" | sort -u >"$state/services.new"
  mv "$state/services.new" "$state/services"
}

# stop_services SERVICE...: stops them, and strikes them off what is written down.
stop_services() {
  local left
  say "$*: stopping"
  change rm --stop --force "$@" || return
  [ "$dry_run" = no ] || return 0
  mapfile -t left < <(written services | grep -vxF -- "$(printf '%s\n' "$@")")
  remember ${left[@]+"${left[@]}"}
}

# stop_remembered stops what start_services has started; 1 when that is nothing, 2 when it failed.
stop_remembered() {
  local up
  mapfile -t up < <(written services)
  mapfile -t files < <(written files)
  [ "${#up[@]}" -gt 0 ] || return 1
  stop_services "${up[@]}" || return 2
}

# published SERVICE PORT: the address at which this machine reaches a service's port.
published() {
  local address
  address=$(compose port "$1" "$2" 2>/dev/null | head -n 1) || address=''
  case $address in
    '' | *:0) return 1 ;;
    0.0.0.0:* | '[::]:'*) printf 'http://127.0.0.1:%s' "${address##*:}" ;;
    *) printf 'http://%s' "$address" ;;
  esac
}
