# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Guests: made with xl, spoken to through the agent on their console.

GUEST_CONSOLE=/var/log/xen/console

domains() { xl list 2>/dev/null | awk 'NR > 1 && $2 != 0 { print $2 }'; }
guest_id() { xl domid "$1" 2>/dev/null; }
guest_exists() { guest_id "$1" >/dev/null; }
guest_gone() { ! guest_exists "$1"; }

# guest_create NAME [--type pv|pvh] [--vcpus N] [--mem M] [--disk SPEC]... [--vif SPEC]... [--blk ours|stock]
#     [--net ours|stock] [--kernel V] [--append WORDS] [--set LINE] [--no-wait]
# A disk SPEC is FILE[,vdev][,r] or a full xl one; a vif SPEC is a BRIDGE or a full xl one.
guest_create() {
	local name=$1 config=/run/lab/$1.cfg wait=1 append='' disks='' vifs='' more=''
	# a scenario's own parameters are the defaults
	local kind=$type blk=$front net=$front version=${kernel:-$(guest_kernel)} vcpus=1 mem=256 began
	shift
	while (($#)); do
		case $1 in
		--type) kind=$2 ;;
		--vcpus) vcpus=$2 ;;
		--mem) mem=$2 ;;
		--disk) disks+="'$(disk_spec "$2")', " ;;
		--vif) vifs+="'$(vif_spec "$2")', " ;;
		--blk) blk=$2 ;;
		--net) net=$2 ;;
		--kernel) version=$2 ;;
		--append) append=$2 ;;
		--set) more+="$2"$'\n' ;;
		--no-wait) wait=0; shift; continue ;;
		*) fail "guest_create: what is $1?" ;;
		esac
		shift 2
	done
	cat >"$config" <<-END
		name = "$name"
		type = "$kind"
		kernel = "/lab/guest/$version/vmlinux"
		ramdisk = "/lab/guest/$version/initrd"
		extra = "console=hvc0 quiet mitigations=off nokaslr random.trust_cpu=on xpv.blk=$blk xpv.net=$net $append"
		vcpus = $vcpus
		memory = $mem
		on_crash = "destroy"
		disk = [ $disks ]
		vif = [ $vifs ]
		$more
	END
	began=$(uptime_ms)
	xl create "$config" >"$config.log" 2>&1 || { cat "$config.log"; fail "xl create $name: $(tail -n1 "$config.log")"; }
	echo "guest $name: $kind created in $(seconds_since "$began") s"
	((!wait)) || guest_wait "$name"
	echo "guest $name: ready $(seconds_since "$began") s after the call"
}

guest_kernel() { cat /lab/guest/default; }

guest_log() { cat "$GUEST_CONSOLE/guest-$1.log" 2>/dev/null; }
guest_ready() { grep -aq '^@ready' "$GUEST_CONSOLE/guest-$1.log"; }
guest_dead_or_ready() { guest_ready "$1" || guest_gone "$1"; }

# until its agent listens
guest_wait() { # NAME [SECONDS]
	wait_until "${2:-60}" guest_dead_or_ready "$1" || fail "guest $1 does not come up"
	guest_ready "$1" || fail "guest $1 died while booting"
}

# guest_run NAME COMMAND [SECONDS]: its output here, its exit code ours; 125 when the guest does not answer
guest_run() {
	local name=$1 seconds=${3:-60} id=$BASHPID.$RANDOM log=$GUEST_CONSOLE/guest-$1.log from tty
	tty=$(xenstore-read "/local/domain/$(guest_id "$name")/console/tty") || { echo "guest $name is gone" >&2; return 125; }
	from=$(stat -c %s "$log")
	echo "$id $(printf %s "$2" | base64 -w0)" >"$tty"
	wait_until "$seconds" answered "$log" "$from" "$id" "$name" >&2 || return 125
	answer "$log" "$from" "$id"
}

answered() { # LOG FROM ID NAME
	tail -c +$(($2 + 1)) "$1" | grep -aq "^@$3 end" || guest_gone "$4"
}

answer() { # LOG FROM ID
	local frame code
	frame=$(tail -c +$(($2 + 1)) "$1" | tr -d '\r' | sed -n "/^@$3 begin/,/^@$3 end/p" | grep -av '^@log')
	code=$(sed -n '1s/.* //p' <<<"$frame")
	sed '1d;$d' <<<"$frame" | base64 -d
	return "${code:-125}"
}

# guest_push NAME FILE PATH and guest_pull NAME PATH FILE: for files of some KiB
guest_push() { guest_run "$1" "echo $(base64 -w0 "$2") | base64 -d >$3"; }
guest_pull() { guest_run "$1" "cat $2" >"$3"; }

# claims
guest_must() { guest_run "$@" || fail "in guest $1: '$2' gave $?"; }

guest_shutdown() { # NAME
	xl shutdown "$1" >/dev/null
	wait_until 40 guest_gone "$1" || fail "guest $1 does not shut down"
}

guest_destroy() { xl destroy "$1"; }

# how many times its agent came up
guest_boots() { grep -ac '^@ready' "$GUEST_CONSOLE/guest-$1.log"; }
