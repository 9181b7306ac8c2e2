#!/bin/bash
# SPDX-License-Identifier: MIT
# systemd.sh COMMAND...: runs it under a systemd of its own, process 1 of new namespaces over this machine's files, which it
# changes in memory alone. As root. Its output, its exit code.

set -e

boot() { # COMMAND...
	local hierarchy group dir
	hierarchy=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
	[[ $hierarchy && -x /lib/systemd/systemd ]] ||
		{ echo "systemd.sh: expected control groups of version 2 and /lib/systemd/systemd" >&2; exit 1; }
	dir=$(mktemp -d) group=$hierarchy/xpv-systemd-$$
	mkdir "$dir/out" "$dir/memory" "$dir/root" "$group"
	trap 'find "'"$group"'" -depth -type d -exec rmdir {} \; ; rm -rf "'"$dir"'"' EXIT
	printf '#!/bin/bash\ncd %q\n' "$PWD" >"$dir/out/run"
	printf '%q ' "$@" >>"$dir/out/run"
	# its root is the group that it starts in
	if ! (echo "$BASHPID" >"$group/cgroup.procs" && exec timeout -s KILL 120 \
		unshare --kill-child -m -p -f -n -i -u -C --propagation private "$0" --inside "$dir") >"$dir/out/systemd" 2>&1 </dev/null &&
		[[ ! -s $dir/out/code ]]; then
		cat "$dir/out/systemd" >&2
		exit 1
	fi
	cat "$dir/out/output"
	exit "$(<"$dir/out/code")"
}

inside() { # DIR
	local dir=$1
	mount -t tmpfs memory "$dir/memory"
	mkdir "$dir/memory/upper" "$dir/memory/work"
	mount -t overlay root -o "lowerdir=/,upperdir=$dir/memory/upper,workdir=$dir/memory/work" "$dir/root"
	cd "$dir/root"
	mkdir -p "./$dir/out"
	mount --bind "$dir/out" "./$dir/out"
	# the overlay has none of the mounts below /, and this may be one
	mkdir -p ".$OLDPWD"
	mount --rbind "$OLDPWD" ".$OLDPWD"
	mount -t proc proc proc
	mount --rbind /sys sys
	umount -l sys/fs/cgroup
	mount -t cgroup2 cgroup sys/fs/cgroup
	mount --rbind /dev dev
	mount --bind "$dir/out/systemd" dev/console
	mount -t tmpfs run run
	rm -rf etc/systemd/system
	mkdir -p etc/systemd/system
	echo 00000000000000000000000000000001 >etc/machine-id
	cat >etc/systemd/system/run.service <<-END
		[Unit]
		DefaultDependencies=no
		[Service]
		Type=oneshot
		ExecStart=/bin/bash -c 'bash $dir/out/run >$dir/out/output 2>&1; echo \$? >$dir/out/code'
		ExecStopPost=/bin/systemctl poweroff -ff
	END
	exec chroot . env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system \
		--unit=run.service --log-target=console --log-color=no --show-status=no
}

if [[ ${1:-} = --inside ]]; then inside "$2"; else boot "$@"; fi
