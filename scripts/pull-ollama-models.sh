#!/usr/bin/env bash
# Has Ollama fetch the models that are asked of it, and leaves those that it has as they are.
#
# Usage: scripts/pull-ollama-models.sh [OPTIONS] [MODEL...]
#   MODEL          such as bge-m3, qwen3-embedding:0.6b or hf.co/user/model-GGUF:Q8_0. Without one:
#                  what routing.yaml leads to upstreams of type ollama, at each of their urls, or
#                  OLLAMA_MODELS, as the server reads them (.env included)
#   --url URL      where Ollama is, for the MODELs named (default: OLLAMA_BASE_URL, else
#                  http://localhost:11434)
#   --routing FILE the routing file (default: the one that the server would read)
#   --stall SECONDS  give a pull up when nothing came for so long (default 600)
#   --dry-run      say what would be pulled
#   -h, --help     this text
#
# Ollama is called over HTTP, so that it may be on another machine or in a container, and its
# command need not be here. A pull that was cut off goes on where it was at the next run. Reading
# routing.yaml needs Python with PyYAML (make setup, or QUADRATE_PYTHON).
#
# Exit status: 0 all models are there, 1 some are not, 2 wrong usage.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=pull-ollama-models
# shellcheck source=scripts/lib/script.sh
. "$here/lib/script.sh"

url='' routing='' stall=600 dry_run=no models=()
while [ $# -gt 0 ]; do
  case $1 in
    --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}"; continue ;;
    -h | --help) usage; exit ;;
    --url) valued "$1" $#; url=$2; shift ;;
    --routing) valued "$1" $#; routing=$2; shift ;;
    --stall) valued "$1" $#; whole "$1" "$2"; stall=$2; shift ;;
    --dry-run) dry_run=yes ;;
    -*) wrong "unknown option '$1'" ;;
    *$'\n'*) wrong "'$1' is no name of a model" ;;
    *) models+=("$1") ;;
  esac
  shift
done
[ -z "$url" ] || [ "${#models[@]}" -gt 0 ] || wrong "--url is for MODELs that are named; those of a routing file have their own"

# wanted prints a line for each model: base URL, model, key.
wanted() {
  local base model python
  if [ "${#models[@]}" -gt 0 ]; then
    base=${url:-${OLLAMA_BASE_URL:-http://localhost:11434}}
    for model in "${models[@]}"; do printf '%s\x1f%s\x1f\n' "${base%/}" "$model"; done
    return
  fi
  python=$(python_with yaml) || fail "no Python with PyYAML was found to read routing.yaml: run 'make setup', name a Python in QUADRATE_PYTHON, or name the models as arguments"
  script=$name "$python" "$here/lib/routing.py" ollama ${routing:+"$routing"}
}

# with KEY: sets calling to curl with what all calls need. The key stays off the command line, which
# every user of this machine can read.
with() {
  local key=${1//\\/\\\\}
  : >"$folder/curl"
  [ -z "$key" ] || printf 'header = "Authorization: Bearer %s"\n' "${key//\"/\\\"}" >"$folder/curl"
  calling=(curl --silent --show-error --noproxy 'localhost,127.0.0.1,::1' --connect-timeout 10 --header 'Content-Type: application/json' --config "$folder/curl")
}

# field NAME TEXT: sets value to the string of that name in a JSON text, as it is written there.
field() {
  local pattern="\"$1\":[[:space:]]*\"(([^\"\\\\]|\\\\.)*)\""
  value=''
  [[ $2 =~ $pattern ]] && value=${BASH_REMATCH[1]}
}

# state BASE MODEL KEY: sets found to present, absent or a reason why that is not known.
state() {
  local answer value calling status=0 pattern='"capabilities":[[:space:]]*\[([^]]*)\]'
  found=''
  with "$3"
  answer=$("${calling[@]}" --max-time 30 --write-out '\n%{http_code}' --data "{\"model\":\"$2\"}" "$1/api/show" 2>&1) || status=$?
  [ "$status" -lt 128 ] || exit "$status"
  if [ "$status" -ne 0 ]; then
    found="Ollama does not answer at $1 ($(sed -n 's/^curl: ([0-9]*) //p' <<<"$answer")): start it (ollama serve), or say with OLLAMA_BASE_URL or routing.yaml where it is"
    return
  fi
  case ${answer##*$'\n'} in
    200) found=present ;;
    404) if field error "$answer"; then found=absent; else found="what answers at $1 is no Ollama: it has no /api/show"; fi ;;
    401 | 403) found="$1 refused us (${answer##*$'\n'}): upstreams[].api_key in routing.yaml is its key" ;;
    *)
      field error "$answer" || printf -v value '%.200s' "${answer%$'\n'*}"
      found="$1 answered ${answer##*$'\n'}: $value"
      ;;
  esac
  if [ "$found" = present ] && [[ $answer =~ $pattern ]] && [[ ${BASH_REMATCH[1]} != *'"embedding"'* ]]; then
    note "$2 does not say that it is an embedding model; Ollama may refuse to embed with it"
  fi
}

# progress LINE: shows how far a pull is, on a terminal only.
progress() {
  local total done_
  [ -t 2 ] || return 0
  [[ $1 =~ \"total\":([0-9]+) ]] && total=${BASH_REMATCH[1]} || return 0
  [[ $1 =~ \"completed\":([0-9]+) ]] && done_=${BASH_REMATCH[1]} || done_=0
  [ "$total" -gt 0 ] && printf '\r  %3d %% of %d MB ' $((done_ * 100 / total)) $((total / 1000000)) >&2
}

# pull BASE MODEL KEY: sets reason when it fails.
pull() {
  local line value calling word='' failed='' status=0
  with "$3"
  "${calling[@]}" --no-buffer --speed-time "$stall" --speed-limit 1 --data "{\"model\":\"$2\"}" "$1/api/pull" >"$folder/answer" 2>&1 &
  asking=$!
  # Nothing is started in here: bash does not end at a Ctrl-C that comes while a command runs and ends well.
  while IFS= read -r line; do
    if [ -z "$failed" ] && field error "$line"; then failed=$value; fi
    if field status "$line"; then word=$value; fi
    progress "$line"
  done <"$folder/answer"
  wait "$asking" || status=$?
  asking=''
  [ "$status" -lt 128 ] || exit "$status"
  if [ -t 2 ]; then printf '\r%40s\r' '' >&2; fi
  if [ "$status" -eq 0 ] && [ "$word" = success ] && [ -z "$failed" ]; then return 0; fi
  if [ "$status" -eq 28 ]; then failed="nothing came for $stall s"; fi
  reason=${failed:-the answer ended after \"${word:-nothing}\" (curl: status $status)}
  return 1
}

# settle BASE MODEL KEY: sees to one model; 1 when it is not there in the end.
settle() {
  if [[ ! $2 =~ ^[A-Za-z0-9][A-Za-z0-9._:/@-]*$ ]]; then
    note "error: '$2' is no name of a model"
    return 1
  fi
  state "$@"
  case $found in
    present) say "$2: there, at $1" ;;
    absent) fetch "$@" ;;
    *)
      if [ "$dry_run" = yes ]; then say "would pull $2 into $1, unless it is there: $found"; return 0; fi
      note "error: $2: $found"
      return 1
      ;;
  esac
}

fetch() {
  local reason=''
  if [ "$dry_run" = yes ]; then say "would pull $2 into $1"; return 0; fi
  say "$2: pulling into $1"
  pulling=$2
  if pull "$@"; then
    say "$2: pulled"
  else
    note "error: $2 could not be pulled into $1: $reason"
    pulling=''
    return 1
  fi
  pulling=''
}

need curl 'Debian and Ubuntu: apt-get install curl.'
folder=$(mktemp -d)
# Without a trap of INT and TERM: bash may run one amid its own parsing, and end with a message of that.
pulling='' asking=''
ended() {
  # Ollama goes on with a pull as long as somebody listens.
  [ -z "$asking" ] || kill "$asking" 2>/dev/null || true
  [ -z "$pulling" ] || note "interrupted; Ollama keeps what came, and the next run goes on from there"
  rm -rf "$folder"
}
trap ended EXIT
mkfifo "$folder/answer"
# Read before the first pull, so that what is wrong with it shows at once.
lines=$(wanted) || exit 1
[ -n "$lines" ] || { say "nothing leads to Ollama by name: nothing to pull (name models as arguments, or in OLLAMA_MODELS)"; exit 0; }
failures=0
while IFS=$'\x1f' read -r base model key <&3; do
  settle "$base" "$model" "$key" || failures=$((failures + 1))
done 3<<<"$lines"
[ "$failures" -eq 0 ] || fail "$failures of $(wc -l <<<"$lines") models are not there"
