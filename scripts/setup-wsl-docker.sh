#!/usr/bin/env bash
# Installs Docker Engine and the NVIDIA Container Toolkit in Ubuntu on WSL2, as their makers
# document it: from their own apt repositories, download.docker.com and nvidia.github.io.
#
# Usage: sudo scripts/setup-wsl-docker.sh [OPTIONS]
#   --no-gpu         Docker Engine alone
#   --user NAME      who may use Docker without sudo (default: who called sudo; "" for nobody).
#                    Members of the group docker are as good as root
#   --replace        remove other packagings of Docker (docker.io, podman-docker and so on) first
#   --enable-systemd write systemd=true into /etc/wsl.conf where systemd is off; WSL must then be
#                    restarted from Windows (wsl --shutdown) and this script be run again
#   --dry-run        say what would be done, without root and on any machine, and what is in the way
#   -h, --help       this text
#
# What is done already is left as it is. NVIDIA's driver belongs into Windows, which lends it to
# WSL: none is installed here. Both repositories' keys are checked against their fingerprints.
#
# Environment: SETUP_WSL_ROOT, a folder that stands for / where files are read and written (tests).
# Exit status: 0 done, 1 failed, 2 wrong usage.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=setup-wsl-docker
# shellcheck source=scripts/lib/script.sh
. "$here/lib/script.sh"

gpu=yes user=${SUDO_USER:-} replace=no enable_systemd=no dry_run=no
while [ $# -gt 0 ]; do
  case $1 in
    --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}"; continue ;;
    -h | --help) usage; exit ;;
    --no-gpu) gpu=no ;;
    --user) valued "$1" $#; user=$2; shift ;;
    --replace) replace=yes ;;
    --enable-systemd) enable_systemd=yes ;;
    --dry-run) dry_run=yes ;;
    *) wrong "unknown argument '$1'" ;;
  esac
  shift
done
base=${SETUP_WSL_ROOT:-}
docker_key=9DC858229FC7DD38854AE2D88D81803C0EBFCD88
nvidia_key=C95B321B61E88C1809C4F759DDCAE044F796ECB0
docker_packages=(docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin)
other_packages=(docker.io docker-doc docker-compose docker-compose-v2 podman-docker containerd runc)
changed=no folder=''

check_machine() {
  local kernel id
  kernel=$(uname -r)
  case $kernel in
    *WSL2* | *microsoft-standard*) ;;
    *-Microsoft) lack "this is WSL1, where no container engine runs; in Windows: wsl --set-version ${WSL_DISTRO_NAME:-Ubuntu} 2" ;;
    *) lack "this is no WSL2 (the kernel is $kernel); docs.docker.com/engine/install says how to install Docker elsewhere" ;;
  esac
  id=$(from_release ID)
  [ "$id" = ubuntu ] || lack "this is ${id:-an unknown distribution}, and the script knows Ubuntu alone"
  if [ "$dry_run" = no ] && [ "$(id -u)" -ne 0 ]; then fail "root is needed: sudo $(shown "$0")"; fi
  case $(readlink -f "$(command -v docker || true)") in
    */docker-desktop/*) lack "Docker Desktop lends its engine to this distribution: use that one, or switch it off in its settings (Resources, WSL integration)" ;;
  esac
  if [ -n "$user" ] && ! id "$user" >/dev/null 2>&1; then lack "there is no user '$user' here"; fi
}

# from_release NAME: a value of /etc/os-release.
from_release() {
  # shellcheck disable=SC1091
  (. "$base/etc/os-release" 2>/dev/null && printf '%s' "${!1:-}") || true
}

check_systemd() {
  local conf=$base/etc/wsl.conf
  if [ -d "$base/run/systemd/system" ]; then return 0; fi
  if [ "$enable_systemd" = no ]; then
    lack "systemd is off, and Docker's service needs it. Put '[boot]' and 'systemd=true' into /etc/wsl.conf (--enable-systemd does so), run 'wsl --shutdown' in Windows, and this script again"
    return 0
  fi
  if grep -qs '^[[:space:]]*systemd[[:space:]]*=' "$conf"; then
    run sed -i 's/^[[:space:]]*systemd[[:space:]]*=.*/systemd=true/' "$conf"
  elif grep -qs '^\[boot\]' "$conf"; then
    run sed -i 's/^\[boot\].*/[boot]\nsystemd=true/' "$conf"
  else
    printf '\n[boot]\nsystemd=true\n' | append "$conf"
  fi
  say "systemd is on from WSL's next start: run 'wsl --shutdown' in Windows, and then this script again"
  exit
}

check_gpu() {
  [ "$gpu" = yes ] || return 0
  [ -e "$base/usr/lib/wsl/lib/libcuda.so.1" ] ||
    lack "Windows lends no NVIDIA GPU to WSL: install NVIDIA's driver in Windows (and none here), or use --no-gpu"
}

# append FILE: puts standard input behind it.
append() {
  if [ "$dry_run" = yes ]; then say "would append to $1: $(tr '\n' ' ')"; cat >/dev/null; else cat >>"$1"; fi
}

# lacking PACKAGE...: those that are not installed.
lacking() {
  local known
  # It fails when it does not know one of them, and tells of the others all the same.
  known=$(dpkg-query --show --showformat='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null) || true
  printf '%s\n' "$@" | grep -vxF -f <(sed -n 's/ installed$//p' <<<"$known") || true
}

# install_packages PACKAGE...: those that are not there.
install_packages() {
  local missing
  mapfile -t missing < <(lacking "$@")
  if [ "${#missing[@]}" -eq 0 ]; then say "$*: installed"; return 0; fi
  changed=yes
  run env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" ||
    fail "${missing[*]} could not be installed; apt-get says why above"
}

remove_others() {
  local found
  mapfile -t found < <(printf '%s\n' "${other_packages[@]}" | grep -vxF -f <(lacking "${other_packages[@]}"))
  [ "${#found[@]}" -gt 0 ] || return 0
  if [ "$replace" = no ]; then
    lack "${found[*]} would be in Docker's way: --replace removes them (images and volumes stay)"
    return 0
  fi
  changed=yes
  run env DEBIAN_FRONTEND=noninteractive apt-get remove -y "${found[@]}"
}

# fetch URL FILE
fetch() {
  curl --fail --silent --show-error --location --retry 3 --output "$2" "$1" 2>"$folder/curl" ||
    fail "cannot fetch $1: $(<"$folder/curl"). Is there a network, or a proxy to be named in https_proxy?"
}

# check_key FILE FINGERPRINT: that key and no other must be in the file.
check_key() {
  local found
  found=$(gpg --batch --show-keys --with-colons "$1" 2>/dev/null | awk -F: '$1 == "pub" { primary = 1 } $1 == "fpr" && primary { print $10; primary = 0 }')
  [ "$found" = "$2" ] || fail "the key that was fetched has the fingerprint ${found:-of no key}, not $2: nothing was installed from its repository"
}

# place FILE PATH: puts a file into place, readable by all, unless the very same is there.
place() {
  if cmp -s "$1" "$base$2"; then return 0; fi
  changed=yes
  refresh=yes
  run install -D -m 0644 "$1" "$base$2"
}

# repository NAME KEY-URL FINGERPRINT KEY-PATH SOURCES-PATH: adds one, whose sources are on standard
# input.
repository() {
  local sources
  sources=$(cat)
  refresh=no
  if [ -f "$base$4" ] && [ "$(cat "$base$5" 2>/dev/null)" = "$sources" ]; then say "$1: there"; return 0; fi
  if [ "$dry_run" = yes ]; then
    say "would add the repository $1: the key of $2 (fingerprint $3) as $4, and $5 with: ${sources//$'\n'/; }"
    return 0
  fi
  say "$1: adding"
  fetch "$2" "$folder/key"
  check_key "$folder/key" "$3"
  place "$folder/key" "$4"
  printf '%s\n' "$sources" >"$folder/sources"
  place "$folder/sources" "$5"
  if [ "$refresh" = yes ]; then update; fi
}

update() {
  run apt-get update || fail "apt-get update failed; it says why above. Without a network nothing can be installed"
}

add_docker() {
  local codename
  codename=$(from_release UBUNTU_CODENAME)
  codename=${codename:-$(from_release VERSION_CODENAME)}
  repository "Docker's" https://download.docker.com/linux/ubuntu/gpg "$docker_key" \
    /etc/apt/keyrings/docker.asc /etc/apt/sources.list.d/docker.sources <<SOURCES
Types: deb
URIs: https://download.docker.com/linux/ubuntu
Suites: ${codename:-CODENAME}
Components: stable
Architectures: $(dpkg --print-architecture 2>/dev/null || echo ARCHITECTURE)
Signed-By: /etc/apt/keyrings/docker.asc
SOURCES
  install_packages "${docker_packages[@]}"
  if systemctl is-enabled --quiet docker 2>/dev/null && systemctl is-active --quiet docker 2>/dev/null; then
    say "the service docker: runs"
  else
    changed=yes
    run systemctl enable --now docker || fail "the service docker does not start: journalctl -u docker says why"
  fi
}

add_toolkit() {
  [ "$gpu" = yes ] || return 0
  repository "NVIDIA's" https://nvidia.github.io/libnvidia-container/gpgkey "$nvidia_key" \
    /etc/apt/keyrings/nvidia-container-toolkit.asc /etc/apt/sources.list.d/nvidia-container-toolkit.list <<SOURCES
deb [signed-by=/etc/apt/keyrings/nvidia-container-toolkit.asc] https://nvidia.github.io/libnvidia-container/stable/deb/\$(ARCH) /
SOURCES
  install_packages nvidia-container-toolkit
  if grep -qs '"nvidia-container-runtime"\|/nvidia-container-runtime"' "$base/etc/docker/daemon.json"; then
    say "the runtime nvidia: known to Docker"
    return 0
  fi
  changed=yes
  run nvidia-ctk runtime configure --runtime=docker
  # Docker reads its runtimes at its start.
  run systemctl restart docker
}

allow_user() {
  [ -n "$user" ] && [ "$user" != root ] || return 0
  if id -nG "$user" 2>/dev/null | tr ' ' '\n' | grep -qx docker; then say "$user: in the group docker"; return 0; fi
  changed=yes
  run usermod --append --groups docker "$user"
  [ "$dry_run" = yes ] || say "$user is in the group docker from the next login"
}

check_result() {
  local runtimes
  if [ "$dry_run" = yes ]; then return 0; fi
  runtimes=$(docker info --format '{{range $name, $_ := .Runtimes}}{{$name}} {{end}}' 2>&1) ||
    fail "Docker was installed, but does not answer: ${runtimes##*$'\n'}"
  if [ "$gpu" = yes ] && [[ " $runtimes " != *" nvidia "* ]]; then
    fail "Docker does not know the runtime nvidia after all; it has: $runtimes"
  fi
  if [ "$changed" = no ]; then say "all was there: nothing was done"; else say "done: Docker answers"; fi
  [ "$gpu" = no ] || say "to see the GPU from a container: docker run --rm --gpus all ubuntu nvidia-smi"
}

want dpkg-query 'This script is for Ubuntu.'
want apt-get 'This script is for Ubuntu.'
check_machine
check_systemd
check_gpu
remove_others
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -n "$(lacking ca-certificates curl gpg)" ]; then update; fi
install_packages ca-certificates curl gpg
add_docker
add_toolkit
allow_user
check_result
