# shellcheck shell=bash disable=SC2154
# The server's process. Sourced by start-all.sh, which sets program, config, state, timeout and
# stop_timeout.

# fields PID: the process's state and start time, which no later process of that number has.
fields() {
  local text
  text=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  # The name, in parentheses, may hold anything; the rest are words.
  # shellcheck disable=SC2086
  set -- ${text##*) }
  printf '%s %s' "$1" "${20}"
}

# alive PID START: whether that very process runs; one that has ended and was not waited for does not.
alive() {
  local now
  now=$(fields "$1") || return 1
  [ "${now#* }" = "$2" ] && [ "${now%% *}" != Z ]
}

# find_server sets server and born to the process that start_server wrote down, if it lives.
find_server() {
  server='' born=''
  [ -f "$state/server" ] || return 1
  read -r server born <"$state/server" || true
  if [ -n "$server" ] && alive "$server" "$born"; then return 0; fi
  server='' born=''
  return 1
}

is_ready() { "$program" healthcheck ${config:+-config "$config"} >/dev/null 2>&1; }

start_server() {
  if [ "$dry_run" = yes ]; then
    run "$program" ${config:+-config "$config"}
    return 0
  fi
  if is_ready; then fail "another server answers at this one's address; stop it, or set server.port (QUADRATE_SERVER_PORT)"; fi
  # In a session of its own: neither Ctrl-C here nor the terminal's end reach it.
  setsid "$program" ${config:+-config "$config"} >"$state/server.log" 2>&1 </dev/null 9>&- &
  server=$!
  born=$(fields "$server") || born=''
  born=${born#* }
  printf '%s %s\n' "$server" "$born" >"$state/server"
  say "server: started (process $server), its log is $state/server.log"
}

wait_ready() {
  local deadline=$((SECONDS + timeout))
  until is_ready; do
    if ! alive "$server" "$born"; then
      tail -n 20 "$state/server.log" >&2 || true
      fail "the server ended before it was ready; these are its last lines"
    fi
    [ "$SECONDS" -lt "$deadline" ] || fail "the server was not ready within $timeout s; $state/server.log says why"
    sleep 0.2
  done
  # Who answered may have been another, whose address this one could not take.
  alive "$server" "$born" || fail "another server answers at this one's address; $state/server.log says more"
}

# stop_server ends the process that find_server or start_server found. It drains first; Ctrl-C
# meanwhile is its second signal, which ends it at once.
stop_server() {
  local deadline=$((SECONDS + stop_timeout))
  say "server: stopping (process $server)"
  if [ "$dry_run" = yes ]; then run kill -TERM "$server"; return 0; fi
  trap 'kill -TERM "$server" 2>/dev/null || true' INT
  kill -TERM "$server" 2>/dev/null || true
  while alive "$server" "$born"; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      note "the server did not stop within $stop_timeout s, and is killed"
      kill -KILL "$server" 2>/dev/null || true
      break
    fi
    sleep 0.1 || true
  done
  trap - INT
  rm -f "$state/server"
  say "server: stopped"
}
