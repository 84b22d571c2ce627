#!/bin/bash
# Takes the arguments of TEI's image, or of vLLM's, and serves the model with Quadrate's program,
# which speaks both dialects. Usage: serve tei|vllm ARGUMENTS…
# A model is a folder of /models, or one that the base image has, by the name's last part.
# The environment makes it misbehave:
#   START_DELAY=S     waits S seconds before it serves
#   NEVER_HEALTHY=1   never serves
#   EXIT_AT_START=N   ends with status N at once
#   EXIT_AFTER=S      ends with status 9 after S seconds
#   SERVED_AS=NAME    serves the model by another name
#   OLD_VLLM=1        takes the arguments of vLLM before 0.10.1
#   OOM_VICTIM=1      is what the kernel kills first when the container's memory runs out
set -euo pipefail
kind=$1
shift
printf 'played %s: started with:' "$kind" && printf ' %s' "$@" && echo

fail() { echo "played $kind: error: $1" >&2; exit "${2:-1}"; }

model='' port=80 tasks='' old=${OLD_VLLM:-}
[ "$kind" = tei ] || port=8000
while [ $# -gt 0 ]; do
  [ $# -gt 1 ] || fail "$1 needs a value" 2
  case $kind$1 in
    tei--model-id | vllm--model) model=$2 ;;
    tei--port | vllm--port) port=$2 ;;
    tei--dtype | tei--max-batch-tokens | vllm--dtype | vllm--max-model-len) ;;
    vllm--runner)
      [ -z "$old" ] || fail "unrecognized arguments: --runner $2" 2
      [ "$2" = pooling ] || fail "--runner $2 does not embed" 2
      ;;
    vllm--convert | vllm--task)
      if [ "$1" = --task ] && [ -z "$old" ]; then fail "unrecognized arguments: --task $2" 2; fi
      case $2 in embed) tasks=embed ;; classify | score) tasks=rerank ;; *) fail "$1 $2 is not known" 2 ;; esac
      ;;
    *) fail "unexpected argument '$1'" 2 ;;
  esac
  shift 2
done
[ -n "$model" ] || fail "no model was named" 2

folder=${model##*/}
if [ -d "/models/$folder" ]; then
  folder=/models/$folder
elif [ -d "/usr/local/share/quadrate/models/$folder" ]; then
  folder=/usr/local/share/quadrate/models/$folder
else
  fail "Repository Not Found for model $model"
fi

[ -z "${OOM_VICTIM:-}" ] || echo 1000 >/proc/self/oom_score_adj
if [ -n "${EXIT_AT_START:-}" ]; then fail "CUDA error: no kernel image is available" "$EXIT_AT_START"; fi
if [ -n "${START_DELAY:-}" ]; then echo "played $kind: loading weights" && sleep "$START_DELAY"; fi
if [ -n "${NEVER_HEALTHY:-}" ]; then
  echo "played $kind: waiting for a GPU that never comes"
  trap 'exit 0' TERM
  sleep infinity &
  wait
fi

cat >/tmp/server.yaml <<YAML
log: {format: json, level: warn}
server: {host: 0.0.0.0, port: $port, drain_delay: 0s}
files: {routing: '', auth: '', rate_limits: ''}
models: [{name: '${SERVED_AS:-$model}', path: '$folder', tasks: [$tasks]}]
YAML
echo "played $kind: serving $model on port $port"
[ -n "${EXIT_AFTER:-}" ] || exec /usr/local/bin/quadrate -config /tmp/server.yaml
/usr/local/bin/quadrate -config /tmp/server.yaml &
trap 'exit 0' TERM
sleep "$EXIT_AFTER" &
wait $!
fail "Segmentation fault" 9
