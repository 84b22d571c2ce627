#!/usr/bin/env bash
# Runs a script under a systemd of its own: systemd.sh FOLDER. As root.
# systemd is the first process of namespaces in which this machine's root folder is covered by one in
# memory, so that what is installed there is gone afterwards. FOLDER is /mnt there; FOLDER/script is
# what is run, and FOLDER/opt is /opt/quadrate.
set -euo pipefail
folder=$(realpath -- "$1")

if [ -z "${inside:-}" ]; then
  inside=yes exec unshare --mount --pid --fork --kill-child --ipc --uts --cgroup bash "$0" "$folder"
fi

layers=$folder/layers
mkdir -p "$layers"
mount --make-rprivate /
mount -t tmpfs tmpfs "$layers"
mkdir "$layers/upper" "$layers/work" "$layers/root"
root=$layers/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$layers/upper,workdir=$layers/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev"
for name in run tmp; do mount -t tmpfs tmpfs "$root/$name"; done
mkdir -p "$root/opt/quadrate"
mount --bind "$folder" "$root/mnt"
mount --bind -o ro "$folder/opt" "$root/opt/quadrate"

cat >"$root/etc/systemd/system/script.service" <<'UNIT'
[Unit]
Requires=basic.target
After=basic.target
[Service]
Type=oneshot
ExecStart=/bin/bash /mnt/script
StandardOutput=file:/mnt/said
StandardError=inherit
ExecStopPost=/bin/systemctl poweroff --force --force
UNIT
# What belongs to a whole machine is left out.
for unit in systemd-udevd systemd-udev-trigger systemd-networkd systemd-resolved systemd-timesyncd systemd-logind systemd-sysctl \
  systemd-remount-fs systemd-tmpfiles-setup-dev systemd-random-seed systemd-update-utmp systemd-binfmt; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit.service"
done
rm -f "$root/etc/fstab"
: >"$root/etc/machine-id"
mkdir "$root/old"
cd "$root"
pivot_root . old
umount -l /old
exec env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=script.service --log-target=console --show-status=0
