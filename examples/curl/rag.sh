#!/usr/bin/env bash
# Retrieval with curl and jq: the vectors of the passages and of a question, the nearest passages
# by cosine, and their ranking.
#
# Usage: examples/curl/rag.sh [QUESTION]
# SERVER_URL, EMBEDDER, RERANKER and API_KEY say where the models are; with LLM_URL and LLM_MODEL
# set (and LLM_API_KEY where it asks for one), a chat model of any OpenAI-compatible server answers at the end.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."

server=${SERVER_URL:-http://localhost:8000}
question=${1:-I cannot remember my password}

command -v jq >/dev/null || { echo "jq was not found; it builds and reads the JSON here." >&2; exit 1; }

# ask URL KEY: posts standard input. The body of an error says what is wrong, so it is shown. The key
# stays off the command line, which every user of a machine can read.
ask() {
  local body
  body=$(curl -sS --fail-with-body -H @<(printf 'Authorization: Bearer %s\n' "$2") -H 'Content-Type: application/json' --data-binary @- "$1") || {
    printf '%s\n' "$body" >&2
    return 1
  }
  printf '%s' "$body"
}

# show TITLE: prints the passages of standard input with their scores.
show() {
  echo "$1"
  jq -r '.[] | [.score, .passage] | @tsv' | while IFS=$'\t' read -r score passage; do
    LC_ALL=C printf '  %.3f  %s\n' "$score" "$passage"
  done
}

# The question is embedded with the passages.
passages=$(jq -Rn '[inputs]' passages.txt)
embedded=$(
  jq -n --arg model "${EMBEDDER:-default}" --arg question "$question" --argjson passages "$passages" \
    '{$model, input: ($passages + [$question])}' | ask "$server/v1/embeddings" "${API_KEY:--}"
)

# Vectors have unit norm, so that the dot product is the cosine.
retrieved=$(
  jq --argjson passages "$passages" '
    [.data[].embedding] as $vectors | $vectors[-1] as $question |
    [range($passages | length) as $i | {
      passage: $passages[$i],
      score: ([$vectors[$i], $question] | transpose | map(.[0] * .[1]) | add)
    }] | sort_by(-.score)[:4]' <<<"$embedded"
)
show Retrieved <<<"$retrieved"

answered=$(
  jq -n --arg model "${RERANKER:-default}" --arg query "$question" --argjson found "$retrieved" \
    '{$model, $query, documents: [$found[].passage], top_n: 2}' | ask "$server/v2/rerank" "${API_KEY:--}"
)
ranked=$(jq --argjson found "$retrieved" '[.results[] | {passage: $found[.index].passage, score: .relevance_score}]' <<<"$answered")
show Reranked <<<"$ranked"

if [ -n "${LLM_URL:-}" ]; then
  printf 'Answer\n  '
  jq -n --arg model "$LLM_MODEL" --arg question "$question" --argjson found "$ranked" '{$model, messages: [{role: "user", content:
    ("Answer from these passages only.\n\n" + ([$found[].passage] | join("\n")) + "\n\nQuestion: " + $question)}]}' |
    ask "$LLM_URL/chat/completions" "${LLM_API_KEY:--}" | jq -r '.choices[0].message.content'
fi
