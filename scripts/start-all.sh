#!/usr/bin/env bash
# Starts everything on this machine: looks whether Ollama answers, starts TEI and vLLM by Docker
# Compose, then this server before them, and waits until it is ready. Stops it all again.
#
# Usage: scripts/start-all.sh [start|stop|status] [OPTIONS]
#   start          the default; what runs already is left as it is
#   stop           stops the server, and then the services that start has started
#   status         says what runs; exit status 1 when the server is not ready
#   --only-server  neither Ollama nor Compose
#   --no-ollama    without Ollama
#   --no-compose   without TEI and vLLM
#   --variant NAME gpu or cpu: which of the two is added to the stack in deploy/compose (default:
#                  gpu where nvidia-smi finds one). On a CPU vLLM wants AVX-512: without it,
#                  --services tei
#   --compose-file FILE  instead of that stack; may be repeated
#   --services NAME[,NAME]  the Compose services to start (default: tei and vllm, as far as there are)
#   --keep-routing  do not tell the server where Ollama and the services are: routing.yaml does
#   --config FILE  the server's configuration (default: QUADRATE_CONFIG, else configs/server.yaml)
#   --timeout SECONDS  for the services, and then for the server, to be ready (default 1800)
#   --stop-timeout SECONDS  after which a server that does not stop is killed (default 330)
#   --foreground   stay, and stop everything at Ctrl-C
#   --dry-run      say what would be run, and what is missing for it on this machine
#   -h, --help     this text
#
# The server is told OLLAMA_BASE_URL, and TEI_BASE_URL and VLLM_BASE_URL as Compose publishes ports
# 80 of tei and 8000 of vllm, unless they are set. Ctrl-C before all is ready stops what was started.
#
# Environment: OLLAMA_BASE_URL (default http://localhost:11434), START_ALL_TEI_PORT (8080) and
# START_ALL_VLLM_PORT (8081) on loopback, START_ALL_PROGRAM (default bin/quadrate), START_ALL_STATE
# (default var/start-all: the server's log, and what was started).
# Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
name=start-all
# shellcheck source=scripts/lib/script.sh
. "$here/lib/script.sh"
# shellcheck source=scripts/lib/services.sh
. "$here/lib/services.sh"
# shellcheck source=scripts/lib/server.sh
. "$here/lib/server.sh"

action='' files=() variant='' services=() config='' keep_routing=no
with_ollama=yes with_compose=yes timeout=1800 stop_timeout=330 foreground=no dry_run=no
while [ $# -gt 0 ]; do
  case $1 in
    --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}"; continue ;;
    -h | --help) usage; exit ;;
    start | stop | status) [ -z "$action" ] || wrong "'$1' after '$action'"; action=$1 ;;
    --only-server) with_ollama=no with_compose=no keep_routing=yes ;;
    --no-ollama) with_ollama=no ;;
    --no-compose) with_compose=no ;;
    --compose-file) valued "$1" $#; files+=("$(realpath -m -- "$2")"); shift ;;
    --variant) valued "$1" $#; variant=$2; shift; case $variant in cpu | gpu) ;; *) wrong "--variant is gpu or cpu, not '$variant'" ;; esac ;;
    --services) valued "$1" $#; IFS=, read -ra services <<<"$2"; [ "${#services[@]}" -gt 0 ] || wrong "$1 names no service"; shift ;;
    --keep-routing) keep_routing=yes ;;
    --config) valued "$1" $#; config=$(realpath -m -- "$2"); shift ;;
    --timeout) valued "$1" $#; whole "$1" "$2"; timeout=$2; shift ;;
    --stop-timeout) valued "$1" $#; whole "$1" "$2"; stop_timeout=$2; shift ;;
    --foreground) foreground=yes ;;
    --dry-run) dry_run=yes ;;
    *) wrong "unknown argument '$1'" ;;
  esac
  shift
done
program=$(realpath -m -- "${START_ALL_PROGRAM:-$root/bin/quadrate}")
state=$(realpath -m -- "${START_ALL_STATE:-$root/var/start-all}")
ollama=${OLLAMA_BASE_URL:-http://localhost:11434}
begun=() bringing='' server='' born='' ours=no finished=no
cd "$root"

# lock: one start or stop at a time. Of a dry run nothing is written.
lock() {
  [ "$dry_run" = no ] || return 0
  need flock 'Debian and Ubuntu: apt-get install util-linux.'
  mkdir -p "$state"
  exec 9>"$state/lock"
  flock --nonblock 9 || fail "another start or stop is at work (it holds $state/lock)"
}

check_ollama() {
  if answers "${ollama%/}/api/version"; then
    say "ollama: answers at $ollama"
  else
    lack "Ollama does not answer at $ollama: start it (ollama serve), say with OLLAMA_BASE_URL where it is, or leave it out with --no-ollama"
  fi
}

# said NAME: whether the environment, or the .env file that the server reads, has NAME.
said() { [ -n "${!1+set}" ] || grep -qs "^[[:space:]]*\(export[[:space:]]\+\)\?$1=" .env; }

# tell NAME URL: tells the server by its environment where an upstream is.
tell() {
  said "$1" || export "$1=$2"
  if said "$1"; then say "the server is told $1=${!1:-as .env has it}"; fi
}

# reach SERVICE: waits until it answers, and tells the server where.
reach() {
  local url port variable
  case $1 in
    tei) port=80 variable=TEI_BASE_URL ;;
    vllm) port=8000 variable=VLLM_BASE_URL ;;
    *) return 0 ;;
  esac
  if ! url=$(published "$1" "$port"); then
    fail "$1 runs, but publishes no port on this machine: stop it (docker compose stop $1) for this script to start it, or publish it in the Compose file"
  fi
  wait_healthy "$1" "$url"
  [ "$keep_routing" = yes ] || tell "$variable" "$url"
}

# undo stops what this run has started, when it does not get to its end.
undo() {
  [ "$finished" = no ] || return 0
  finished=yes
  end_bringing
  if [ "$ours" = yes ] && alive "$server" "$born"; then stop_server; fi
  if [ "${#begun[@]}" -gt 0 ] && [ "$dry_run" = no ]; then stop_services "${begun[@]}" || note "${begun[*]} could not be stopped"; fi
}

start() {
  local service
  lock
  want curl 'Debian and Ubuntu: apt-get install curl.'
  want setsid 'Debian and Ubuntu: apt-get install util-linux.'
  [ -x "$program" ] || lack "there is no $program: make build"
  if [ "$with_compose" = yes ]; then
    choose_files
    check_compose
  fi
  if [ "$with_ollama" = yes ]; then check_ollama; fi
  trap undo EXIT
  trap 'note "interrupted: stopping what was started"; exit 130' INT
  trap 'note "told to end: stopping what was started"; exit 143' TERM
  # A server that runs was told at its start.
  if find_server; then keep_routing=yes; fi
  if [ "$with_ollama" = yes ] && [ "$keep_routing" = no ]; then tell OLLAMA_BASE_URL "$ollama"; fi
  if [ "$with_compose" = yes ]; then start_services; fi
  if [ "$with_compose" = yes ] && [ "$dry_run" = no ]; then
    for service in "${services[@]}"; do reach "$service"; done
  fi
  if find_server; then
    say "server: runs already (process $server)"
  else
    ours=yes
    start_server
  fi
  if [ "$dry_run" = yes ]; then finished=yes; return 0; fi
  wait_ready
  say "server: ready"
  if [ "$foreground" = yes ]; then stay; fi
  finished=yes
}

# stay: until Ctrl-C, or until the server ends by itself, which then is this script's end, too.
stay() {
  local status=0
  flock --unlock 9
  say "Ctrl-C stops it all"
  if [ "$ours" = yes ]; then wait "$server" || status=$?; else while alive "$server" "$born"; do sleep 1; done; fi
  note "the server ended (exit status $status)"
  exit "$status"
}

stop() {
  local found=no status=0
  lock
  if find_server; then stop_server; found=yes; fi
  stop_remembered || status=$?
  [ "$status" -ne 2 ] || fail "the services could not be stopped"
  if [ "$found" = no ] && [ "$status" -eq 1 ]; then say "nothing that start has started runs: nothing to stop"; fi
}

status() {
  local result=0
  if [ "$with_ollama" = yes ]; then
    if answers "${ollama%/}/api/version"; then say "ollama: answers at $ollama"; else say "ollama: no answer at $ollama"; fi
  fi
  if [ "$with_compose" = yes ]; then tell_services; fi
  if ! find_server; then say "server: was not started here"; result=1
  elif is_ready; then say "server: ready (process $server)"
  else say "server: not ready (process $server); its log is $state/server.log"; result=1; fi
  return "$result"
}

# tell_services says which of those that start has started run.
tell_services() {
  local service up
  mapfile -t services < <(written services)
  mapfile -t files < <(written files)
  if [ "${#services[@]}" -eq 0 ]; then say "services: none were started here"; return 0; fi
  need docker 'scripts/setup-wsl-docker.sh sets it up in WSL2.'
  up=$(running)
  for service in "${services[@]}"; do
    if grep -qxF -- "$service" <<<"$up"; then say "$service: runs"; else say "$service: does not run"; fi
  done
}

"${action:-start}"
