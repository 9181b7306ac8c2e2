# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Guests: made with xl, spoken to through the agent on their console.

GUEST_CONSOLE=/var/log/xen/console
GUEST_IMAGES=/tmp/guest

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
	local kind=$type blk=$front net=$front version vcpus=1 mem=256 began
	version=$(guest_kernel "$kernel")
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
	guest_images "$version"
	cat >"$config" <<-END
		name = "$name"
		type = "$kind"
		kernel = "$GUEST_IMAGES/$version/vmlinux"
		ramdisk = "$GUEST_IMAGES/$version/initrd"
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

# guest_kernel [SERIES]: the default one, or the one of that series (6.12) or kind (686-pae)
guest_kernel() {
	local version
	[[ ${1:-} ]] || { cat "$OUT/guest/default"; return; }
	for version in "$OUT"/guest/*/; do
		version=${version%/}
		case ${version##*/} in "$1" | "$1".* | *"$1") echo "${version##*/}"; return ;; esac
	done
	echo "$1"
}

# xl maps these files, which a shared folder does badly: memory holds those kernels that are in use
guest_images() { # VERSION
	local images=$GUEST_IMAGES/$1
	[[ ! -e $images ]] || return 0
	[[ -e $OUT/guest/$1 ]] || fail "the lab was built without a guest kernel $1 (XPV_GUEST_KERNELS)"
	mkdir -p "$GUEST_IMAGES"
	cp -r "$OUT/guest/$1" "$images"
}

# guest_console NAME: sets TTY to the terminal that its agent listens on
guest_console() {
	local id name
	read -r id 2>/dev/null <"/run/lab/$1.id" || id=none
	{ read -r name; read -r TTY; } < <(xenstore-read "/local/domain/$id/name" "/local/domain/$id/console/tty" 2>/dev/null)
	[[ $name != "$1" ]] || return 0
	# it has another number since it rebooted or was restored
	id=$(guest_id "$1") || return 1
	echo "$id" >"/run/lab/$1.id"
	TTY=$(xenstore-read "/local/domain/$id/console/tty")
}

# console_lines NAME [SKIP]: sets LINES_READ to what came over its console since then
console_lines() { mapfile -t -s "${2:-0}" LINES_READ 2>/dev/null <"$GUEST_CONSOLE/guest-$1.log" || LINES_READ=(); }

# how many times its agent came up
guest_boots() {
	local line
	BOOTS=0
	console_lines "$1"
	for line in "${LINES_READ[@]}"; do [[ $line != @ready* ]] || BOOTS=$((BOOTS + 1)); done
}

guest_booted() { guest_boots "$1"; ((BOOTS >= $2)); }

# until its agent listens, for the Nth time
guest_wait() { # NAME [N]
	wait_until 100 guest_booted_or_gone "$1" "${2:-1}" || fail "guest $1 does not come up"
	guest_booted "$1" "${2:-1}" || fail "guest $1 died while booting"
}

# between two boots a guest is gone for a while, before the first it may not be
guest_booted_or_gone() { guest_booted "$@" || { nap 0.5; (($2 == 1)) && guest_gone "$1"; }; }

# guest_run NAME COMMAND [SECONDS]: its output here, its exit code ours; 125 when the guest does not answer
guest_run() {
	local name=$1 id=$BASHPID.$RANDOM skip command TTY LINES_READ ANSWER
	printf -v command %q "$2"
	guest_console "$name" || { echo "guest $name is gone" >&2; return 125; }
	console_lines "$name"
	skip=${#LINES_READ[@]}
	# a line may yet be incomplete
	((skip == 0)) || skip=$((skip - 1))
	echo "$id $command" >"$TTY"
	wait_until "${3:-60}" answered "$name" "$skip" "$id" >&2 || return 125
	[[ ${#ANSWER[@]} -le 1 ]] || printf '%s\n' "${ANSWER[@]:1}" | base64 -d
	return "${ANSWER[0]##* }"
}

# answered NAME SKIP ID: sets ANSWER to the frame's first line and the base64 that follows
answered() {
	local line within=0
	console_lines "$1" "$2"
	ANSWER=()
	for line in "${LINES_READ[@]}"; do
		case $line in
		"@$3 begin "*) within=1; ANSWER=("$line") ;;
		"@$3 end"*) return 0 ;;
		@log*) ;;
		*) ((!within)) || ANSWER+=("$line") ;;
		esac
	done
	[[ -e $TTY ]] || { ANSWER=("gone 125"); return 0; }
	return 1
}

# guest_push NAME FILE PATH and guest_pull NAME PATH FILE: for files of some KiB
guest_push() { guest_run "$1" "echo $(base64 -w0 "$2") | base64 -d >$3"; }
guest_pull() { guest_run "$1" "cat $2" >"$3"; }

# claims
guest_must() { guest_run "$@" || fail "in guest $1: '$2' gave $?"; }

guest_shutdown() { # NAME
	timeout $((60 * PATIENCE)) xl shutdown -w "$1" >/dev/null || fail "guest $1 does not shut down"
	wait_until 20 guest_gone "$1" || fail "guest $1 stays after its shutdown"
}

guest_destroy() { xl destroy "$1"; }
