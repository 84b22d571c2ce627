# shellcheck shell=bash disable=SC2154
# Runs steps with a line of progress and its time each. Sourced by setup.sh, which defines the
# steps (step_NAME), what each is made from (inputs NAME), what it makes (result NAME) and the
# line that announces it (title NAME); var and stamps are its folders.

# put FROM TO: copies under another name first, so that TO is never half written.
put() {
  cp "$1" "$2.partial"
  mv "$2.partial" "$2"
}

# environment DIR REQUIREMENTS [OPTION ...]: a virtual environment with exactly the pinned
# packages; options are pip's.
environment() {
  # An environment whose making was interrupted has Python, but no pip yet.
  "$1/bin/python" -m pip --version >/dev/null 2>&1 || { rm -rf "$1" && python3 -m venv "$1"; }
  "$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --require-hashes --requirement "$2" "${@:3}"
}

digest() { inputs "$1" | sha256sum | cut -d ' ' -f 1; }

is_done() {
  [ "$1" != tools ] && [ -e "$(result "$1")" ] && [ -f "$stamps/$1" ] && [ "$(cat "$stamps/$1")" = "$2" ]
}

now() { date +%s%N; }

since() { awk -v from="$1" -v to="$(now)" 'BEGIN { printf "%.1f s", (to - from) / 1e9 }'; }

# run_step NUMBER COUNT NAME
run_step() {
  local label sum started status log=$var/log/setup-$3.log
  label=$(printf '[%s/%s] %-38s' "$1" "$2" "$(title "$3")")
  sum=$(digest "$3")
  if is_done "$3" "$sum"; then
    printf '%s already there\n' "$label"
    return 0
  fi
  started=$(now)
  printf '%s ...\n' "$label"
  # Not as a condition: inside one, bash would go on after a failing command.
  set +e
  ( set -e; "step_$3" ) >"$log" 2>&1
  status=$?
  set -e
  if [ "$status" -ne 0 ]; then
    printf '%s FAILED after %s; %s says:\n' "$label" "$(since "$started")" "$log" >&2
    tail -n 25 "$log" >&2
    return 1
  fi
  printf '%s\n' "$sum" >"$stamps/$3"
  printf '%s done in %s\n' "$label" "$(since "$started")"
}

run_steps() {
  local i=0 name started
  mkdir -p "$stamps" "$var/log"
  # A module of its own, so that ./... does not look for our packages below var/.
  [ -f "$var/go.mod" ] || printf 'module var\n' >"$var/go.mod"
  for name in "$@"; do title "$name" >/dev/null; done
  started=$(now)
  for name in "$@"; do
    i=$((i + 1))
    run_step "$i" "$#" "$name" || return 1
  done
  printf 'Set-up complete in %s\n' "$(since "$started")"
}
