#!/usr/bin/env bash
# Fetches models into the volume that TEI's containers mount, so that no start needs the network.
#
# Usage: scripts/prefetch-tei-models.sh [OPTIONS] [MODEL...]
#   MODEL          such as BAAI/bge-m3; needs --image and --volume. Without one: the models and
#                  containers of upstreams of type tei in routing.yaml, or TEI_MODELS with
#                  TEI_DOCKER_IMAGE, as the server reads them (.env included)
#   --image IMAGE  TEI's image
#   --volume NAME:/data  a volume, or a folder as /path:/data; may be repeated
#   --gpus WHICH   as docker run has it (default: none)
#   --routing FILE the routing file (default: the one that the server would read)
#   --timeout SECONDS  for one model, its download included (default 3600)
#   --force        fetch again what is there
#   --no-verify    leave the second start out (below)
#   --dry-run      say what would be fetched, and what is missing for it on this machine
#   -h, --help     this text
#
# TEI itself fetches: which files it takes differs by its version and back end. A container of the
# very image is started on the volume until it is ready, and then once more without any name
# server, which shows that it starts without the network. What has passed is noted in the volume,
# and the next run leaves it alone. HF_TOKEN is handed on for gated and private models, and
# HF_ENDPOINT, HTTP_PROXY, HTTPS_PROXY and NO_PROXY where they are set. A GPU's image needs that GPU.
#
# Exit status: 0 all models are there, 1 some are not, 2 wrong usage.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=prefetch-tei-models
# shellcheck source=scripts/lib/script.sh
. "$here/lib/script.sh"

image='' gpus='' routing='' timeout=3600 force=no verify=yes dry_run=no models=() volumes=()
while [ $# -gt 0 ]; do
  case $1 in
    --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}"; continue ;;
    -h | --help) usage; exit ;;
    --image) valued "$1" $#; image=$2; shift ;;
    --volume) valued "$1" $#; volumes+=("$2"); shift ;;
    --gpus) valued "$1" $#; gpus=$2; shift ;;
    --routing) valued "$1" $#; routing=$2; shift ;;
    --timeout) valued "$1" $#; whole "$1" "$2"; timeout=$2; shift ;;
    --force) force=yes ;;
    --no-verify) verify=no ;;
    --dry-run) dry_run=yes ;;
    -*) wrong "unknown option '$1'" ;;
    *$'\n'*) wrong "'$1' is no id of a model" ;;
    *) models+=("$1") ;;
  esac
  shift
done
if [ "${#models[@]}" -gt 0 ]; then
  [ -n "$image" ] && [ "${#volumes[@]}" -gt 0 ] || wrong "MODELs that are named need --image and --volume, too"
elif [ -n "$image$gpus" ] || [ "${#volumes[@]}" -gt 0 ]; then
  wrong "--image, --volume and --gpus are for MODELs that are named; those of a routing file have their own"
fi

# wanted prints a line for each model, as lib/routing.py does.
wanted() {
  local model python
  if [ "${#models[@]}" -gt 0 ]; then
    for model in "${models[@]}"; do
      printf 'tei\x1f%s\x1f%s' "$model" "$image"
      printf '\x1fvolume=%s' "${volumes[@]}"
      printf '%s\n' "${gpus:+$'\x1f'gpus=$gpus}"
    done
    return
  fi
  python=$(python_with yaml) || fail "no Python with PyYAML was found to read routing.yaml: run 'make setup', name a Python in QUADRATE_PYTHON, or name the models with --image and --volume"
  script=$name "$python" "$here/lib/routing.py" tei ${routing:+"$routing"}
}

# take FIELD...: sets upstream, model, image, and the containers' options and arguments.
take() {
  local field
  upstream=$1 model=$2 image=$3 mounts=() options=() args=() secrets=()
  for field in "${@:4}"; do
    case $field in
      volume=*) mounts+=(--volume "${field#*=}") ;;
      gpus=*) options+=(--gpus "${field#*=}") ;;
      arg=*) args+=("${field#*=}") ;;
      # By name only: values are secrets, and command lines are seen by everybody.
      env=*) field=${field#*=}; secrets+=("$field"); options+=(--env "${field%%=*}") ;;
    esac
  done
  for field in HF_TOKEN HF_ENDPOINT HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    [ -z "${!field:-}" ] || options+=(--env "$field")
  done
}

# kept: whether what is fetched stays: something writable is mounted at /data.
kept() { [[ " ${mounts[*]} " =~ :/data(:(rw|z|Z))*\  ]]; }

# mark is the note of this model in the volume. Another image may take other files.
mark() { printf '/data/.quadrate-prefetched/%s@%s' "${model//\//--}" "${image//[\/:@]/_}"; }

# inside COMMAND: runs a shell command in the image, on the volume. No network, and nothing of TEI.
inside() { docker run --rm --network none "${mounts[@]}" --entrypoint /bin/sh "$image" -c "$1"; }

# is_there: noted in the volume, and its folder has not been taken out since.
is_there() {
  docker image inspect "$image" >/dev/null 2>&1 || return 1
  inside "test -f '$(mark)' && test -d '/data/models--${model//\//--}/snapshots'" >/dev/null 2>&1
}

# serve OPTIONS...: starts TEI and waits until it is ready; sets reason when it is not.
serve() {
  local address status=0 deadline=$((SECONDS + timeout))
  container=quadrate-prefetch-$$-$((++started))
  # Beside this shell, which heeds no signal while it waits for a command in front: an image may be large.
  (
    # Exported for docker alone: another upstream's containers must not get them.
    [ "${#secrets[@]}" -eq 0 ] || export "${secrets[@]}"
    exec docker run --detach --name "$container" --publish 127.0.0.1::80 "${mounts[@]}" "$@" "$image" \
      --model-id "$model" --port 80 ${args[@]+"${args[@]}"} >/dev/null 2>"$folder/said"
  ) &
  starting=$!
  wait "$starting" || status=$?
  starting=''
  if [ "$status" -ne 0 ]; then reason=$(<"$folder/said"); return 1; fi
  while [ "$SECONDS" -lt "$deadline" ]; do
    if [ "$(docker inspect --format '{{.State.Running}}' "$container" 2>/dev/null)" != true ]; then
      reason="the container ended: $(docker logs --tail 5 "$container" 2>&1 | tr '\n' ' ')"
      return 1
    fi
    address=$(docker port "$container" 80/tcp 2>/dev/null | head -n 1)
    if [ -n "$address" ] && answers "http://$address/health"; then return 0; fi
    sleep "${PREFETCH_POLL:-1}"
  done
  reason="it was not ready within $timeout s: $(docker logs --tail 5 "$container" 2>&1 | tr '\n' ' ')"
  return 1
}

remove() {
  [ -n "$container" ] || return 0
  docker rm --force "$container" >/dev/null 2>&1 || ! docker inspect "$container" >/dev/null 2>&1 ||
    note "container $container could not be removed"
  container=''
}

# fetch: fetches the model and shows that it starts without the network; sets reason when not.
fetch() {
  local result=0
  serve ${options[@]+"${options[@]}"} || result=1
  remove
  [ "$result" -eq 0 ] || return 1
  if [ "$verify" = yes ]; then
    say "$model: fetched; starting it without the network"
    # A name server that is not there, and not --network none, so that its port can be asked.
    serve --dns 127.0.0.1 ${options[@]+"${options[@]}"} --env HTTP_PROXY= --env HTTPS_PROXY= || result=1
    remove
    [ "$result" -eq 0 ] || { reason="it was fetched, but does not start without the network: $reason"; return 1; }
  fi
  reason=$(inside "mkdir -p /data/.quadrate-prefetched && touch '$(mark)'" 2>&1)
}

# settle FIELD...: sees to one model; 1 when it is not there in the end.
settle() {
  local upstream model image mounts options args secrets reason=''
  take "$@"
  if [[ ! $model =~ ^[A-Za-z0-9][A-Za-z0-9._/-]*$ ]]; then note "error: '$model' is no id of a model"; return 1; fi
  if ! kept; then
    note "error: $model: upstream $upstream mounts no writable volume at /data, where TEI keeps its models: what is fetched would go with the container"
    return 1
  fi
  if [ "$force" = no ] && is_there; then say "$model: there, in ${mounts[*]}"; return 0; fi
  if [ "$dry_run" = yes ]; then
    say "would run: $(shown docker run --rm "${mounts[@]}" ${options[@]+"${options[@]}"} "$image" --model-id "$model" --port 80 ${args[@]+"${args[@]}"}) until $model is ready"
    return 0
  fi
  say "$model: fetching with $image"
  if ! fetch; then note "error: $model could not be fetched: $reason"; return 1; fi
  say "$model: there now"
}

want docker 'scripts/setup-wsl-docker.sh sets it up in WSL2; docs.docker.com/engine/install says how elsewhere.'
want curl 'Debian and Ubuntu: apt-get install curl.'
lines=$(wanted) || exit 1
[ -n "$lines" ] || { say "nothing leads to a container of TEI: nothing to fetch (upstreams of type tei with managed.image, or name models)"; exit 0; }
if command -v docker >/dev/null && ! reason=$(docker version --format '{{.Server.Version}}' 2>&1); then
  lack "the container engine does not answer: ${reason##*$'\n'}. Start Docker, or say with DOCKER_HOST where it is"
fi
container='' starting='' started=0 failures=0
folder=$(mktemp -d)
ended() {
  if [ -n "$starting" ]; then
    kill "$starting" 2>/dev/null || true
    wait "$starting" 2>/dev/null || true
  fi
  remove
  rm -rf "$folder"
}
trap ended EXIT
trap 'note "interrupted; what came stays in the volume, and the next run goes on from there"; exit 130' INT
trap 'exit 143' TERM
while IFS= read -r line <&3; do
  IFS=$'\x1f' read -ra fields <<<"$line"
  settle "${fields[@]}" || failures=$((failures + 1))
done 3<<<"$lines"
[ "$failures" -eq 0 ] || fail "$failures of $(wc -l <<<"$lines") models are not there"
