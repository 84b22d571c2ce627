# shellcheck shell=bash disable=SC2154
# Runs steps with a line of progress and its time each. Sourced by setup.sh, which defines the
# steps (step_NAME), what each is made from (inputs NAME), what it makes (result NAME), the line that
# announces it (title NAME) and where it fetches from (fetched_from NAME); var and stamps are its folders.

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

# unreachable LOG: whether it tells of servers that could not be reached.
unreachable() {
  grep -qiE 'unreachable|name resolution|resolve host|no such host|name or service not known|connection (refused|reset|broken)|timed out|i/o timeout|certificate verify|unknown authority|EAI_AGAIN|ENOTFOUND' "$1"
}

# prepare_folders: makes them, and says so where this user cannot write.
prepare_folders() {
  local folder
  mkdir -p "$stamps" "$var/log" 2>/dev/null || true
  for folder in "$var" "$stamps" "$var/log"; do
    [ -w "$folder" ] || {
      echo "The set-up goes into $PWD/$var, where $(id -un) cannot write to $folder. Clone the repository into a folder of your own, or, where root has run it there, give it back: chown -R $(id -un) $PWD/$var" >&2
      return 1
    }
  done
}

# run_step NUMBER COUNT NAME. Not to be called as a condition (if, &&, ||): inside one, bash goes on
# after a failing command, in the subshell of the step, too.
run_step() {
  local label sum started status log=$var/log/setup-$3.log
  label=$(printf '[%s/%s] %-38s' "$1" "$2" "$(title "$3")")
  sum=$(digest "$3" || true)
  if is_done "$3" "$sum"; then
    printf '%s already there\n' "$label"
    return 0
  fi
  started=$(now)
  printf '%s ...\n' "$label"
  set +e
  ( set -e; "step_$3" ) >"$log" 2>&1
  status=$?
  set -e
  if [ "$status" -ne 0 ]; then
    printf '%s FAILED after %s; %s says:\n' "$label" "$(since "$started")" "$log" >&2
    tail -n 25 "$log" >&2
    if unreachable "$log"; then
      echo "Servers could not be reached, it seems. This step fetches from $(fetched_from "$3"). HTTPS_PROXY names a proxy. The same command goes on where it stopped." >&2
    fi
    return 1
  fi
  printf '%s\n' "$sum" >"$stamps/$3"
  printf '%s done in %s\n' "$label" "$(since "$started")"
}

run_steps() {
  local i=0 name started
  prepare_folders
  # A module of its own, so that ./... does not look for our packages below var/.
  [ -f "$var/go.mod" ] || printf 'module var\n' >"$var/go.mod"
  for name in "$@"; do title "$name" >/dev/null; done
  started=$(now)
  for name in "$@"; do
    i=$((i + 1))
    run_step "$i" "$#" "$name"
  done
  printf 'Set-up complete in %s\n' "$(since "$started")"
}
