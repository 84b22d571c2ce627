# shellcheck shell=bash
# What the scripts beside this folder have in common: usage, messages, options, dry runs, and
# waiting for servers. Sourced by them after they have set name, which stands before their messages.
: "${name:?}"
dry_run=${dry_run:-no}

# usage prints the script's header comment.
usage() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; }

say() { printf '%s\n' "$*"; }

note() { printf '%s: %s\n' "$name" "$*" >&2; }

fail() {
  note "error: $*"
  exit 1
}

wrong() {
  note "$*; --help says what there is"
  exit 2
}

# valued OPTION COUNT: whether OPTION has a value behind it, COUNT being how many words there are.
valued() { [ "$2" -ge 2 ] || wrong "$1 needs a value"; }

# whole OPTION VALUE: VALUE must be a whole number of seconds and the like, as the shell counts them:
# a leading zero would make it octal.
whole() {
  case $2 in
    '' | *[!0-9]* | 0?*) wrong "$1: '$2' is no whole number" ;;
    ??????????*) wrong "$1: '$2' is more than 999999999" ;;
  esac
}

# lack WHY: fails; a dry run says that a run would, and goes on, so that it can be had anywhere.
lack() {
  [ "$dry_run" = yes ] || fail "$*"
  note "a run would end here: $*"
}

# want COMMAND HOW: need, of which a dry run can do without.
want() { command -v "$1" >/dev/null 2>&1 || lack "there is no command '$1' here. $2"; }

# need COMMAND HOW: COMMAND must be on PATH; HOW says where it comes from.
need() { command -v "$1" >/dev/null 2>&1 || fail "there is no command '$1' here. $2"; }

# shown WORD...: the words as a shell would read them.
shown() {
  local words
  printf -v words '%q ' "$@"
  printf '%s' "${words% }"
}

# run COMMAND...: runs it; of a dry run, says so instead.
run() {
  if [ "$dry_run" = yes ]; then
    say "would run: $(shown "$@")"
  else
    "$@"
  fi
}

# answers URL: whether a server answers there with a success. A proxy is not asked for loopback.
answers() { curl --silent --fail --output /dev/null --noproxy localhost,127.0.0.1,::1 --max-time 5 "$1" 2>/dev/null; }

# python_with MODULE: the Python that has it: QUADRATE_PYTHON, that of the set-up, or python3.
python_with() {
  local root candidate
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
  for candidate in "${QUADRATE_PYTHON:-}" "$root/var/venv/bin/python" python3; do
    if [ -n "$candidate" ] && "$candidate" -c "import $1" >/dev/null 2>&1; then
      printf '%s\n' "$candidate"
      return 0
    fi
  done
  return 1
}
