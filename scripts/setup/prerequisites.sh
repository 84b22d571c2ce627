#!/usr/bin/env bash
# Names every tool that is missing or too old, all at once, with the way to get it.
set -uo pipefail
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;; esac

missing=()

# at_least HAVE WANT: whether version HAVE is WANT or newer.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# need NAME HAVE WANT HOW: records what is absent (HAVE empty) or older than WANT.
need() {
  if [ -z "$2" ]; then
    missing+=("$1 $3 or newer: not found. $4")
  elif ! at_least "$2" "$3"; then
    missing+=("$1 $3 or newer: found $2, which is too old. $4")
  fi
}

version() { "$@" 2>/dev/null | grep -oE '[0-9]+\.[0-9]+(\.[0-9]+)?' | head -n 1; }

go_hint='Install the current release from go.dev/dl (Debian 12 has 1.19).'
rust_hint='Debian 13: apt-get install cargo. Elsewhere install the current release with rustup, from rustup.rs (Debian 12 has 1.63).'
python_hint='Debian 12, Ubuntu 22.04 and later: apt-get install python3 python3-pip python3-venv.'
cc_hint='Debian and Ubuntu: apt-get install gcc g++ libc6-dev.'

# GOTOOLCHAIN=local asks for the version that is installed, not for one that go would fetch.
need Go "$(GOTOOLCHAIN=local version go env GOVERSION)" 1.26 "$go_hint"
need git "$(version git --version)" 2.20 'Debian and Ubuntu: apt-get install git.'
need 'a C compiler (gcc)' "$(version "${CC:-cc}" -dumpfullversion -dumpversion)" 9.0 "$cc_hint"
need 'a C++ standard library (g++)' "$(version "${CXX:-c++}" -dumpfullversion -dumpversion)" 9.0 "$cc_hint"
need 'Rust (cargo)' "$(version cargo --version)" 1.82 "$rust_hint"
need 'Python (python3)' "$(version python3 --version)" 3.10 "$python_hint"
if command -v python3 >/dev/null 2>&1; then
  need 'pip for python3' "$(version python3 -m pip --version)" 22.0 "$python_hint"
  python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || missing+=("venv for python3: not found. $python_hint")
fi

if [ "${#missing[@]}" -gt 0 ]; then
  {
    echo "Quadrate cannot be set up yet. Missing on this machine:"
    printf '  - %s\n' "${missing[@]}"
  } >&2
  exit 1
fi
