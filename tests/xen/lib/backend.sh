# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Who serves the guests: xpvd, the kernel's own xen-blkback and xen-netback, or for disks a QEMU. Never two at once.

backend_use() { # xpv|stock|qdisk|none
	local now
	now=$(</run/backend)
	if [[ $now != "$1" ]] || ! backend_alive; then
		"backend_stop_$now" || true
		"backend_start_$1"
		echo "$1" >/run/backend
	fi
}

backend_alive() {
	case $(</run/backend) in
	xpv) kill -0 "$(cat /run/lab-xpvd.pid)" 2>/dev/null ;;
	*) true ;;
	esac
}

backend_start_none() { :; }
backend_stop_none() { :; }

# -i: an administrator's modprobe.d for xpv keeps these from loading, and the lab knows better
backend_start_stock() { modprobe -i xen-blkback && modprobe -i xen-netback; }
backend_stop_stock() { rmmod xen-blkback; rmmod xen-netback; }

# libxl starts a QEMU for a guest with such disks
backend_start_qdisk() { modprobe -i xen-netback; }
backend_stop_qdisk() { rmmod xen-netback; }

backend_start_xpv() {
	[[ -x /usr/sbin/xpvd ]] || skip "no /usr/sbin/xpvd in the overlay"
	# nobody's child: a scenario that waits for its own would wait for the daemon too
	(setsid /usr/sbin/xpvd >>/var/log/xpvd.log 2>&1 </dev/null & echo $! >/run/lab-xpvd.pid)
	sleep 1
	backend_alive || fail "xpvd ends at once: $(tail -n1 /var/log/xpvd.log)"
}

backend_stop_xpv() {
	local pid
	pid=$(cat /run/lab-xpvd.pid)
	kill "$pid" 2>/dev/null
	wait_until 5 gone "$pid" || kill -9 "$pid"
}

gone() { ! kill -0 "$1"; }
