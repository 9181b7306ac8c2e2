# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A session: boot, let dom0 run the scenarios, watch that it lives, boot again for the rest when it does not.

BOOT_SECONDS=300	# from power-on to the first scenario
GRACE_SECONDS=90	# beyond a scenario's own timeout, for dom0 to clean up and say so

# run_session SPEC...: prints verdicts as they come; returns 0 when none failed
run_session() {
	local specs=("$@") verdicts=$SHARE/verdicts
	: >"$verdicts"
	while ((${#specs[@]})); do
		printf '%s\n' "${specs[@]}" >"$SHARE/todo"
		boot_once "$verdicts"
		mapfile -t specs < <(unjudged "$verdicts" "${specs[@]}")
	done
	summary "$verdicts"
}

# boot_once VERDICTS: until dom0 is done, or dead
boot_once() {
	local serial=$SHARE/serial pid seen=0 total now deadline doing='' line
	: >"$serial"
	machine '' -serial "file:$SHARE/console" -serial "file:$serial" </dev/null >"$SHARE/qemu.log" 2>&1 &
	pid=$!
	trap 'kill $pid 2>/dev/null' EXIT
	deadline=$((SECONDS + BOOT_SECONDS))
	while :; do
		total=$(wc -l <"$serial")
		while ((seen < total)); do
			seen=$((seen + 1))
			line=$(sed -n "${seen}p" "$serial" | tr -d '\r')
			case $line in
			start\ *) doing=${line#start }; deadline=$((SECONDS + ${doing##* } + GRACE_SECONDS)); doing=${doing% *} ;;
			ok\ *|not\ ok\ *|skip\ *) echo "$line" | tee -a "$1"; doing=''; deadline=$((SECONDS + GRACE_SECONDS)) ;;
			esac
		done
		kill -0 "$pid" 2>/dev/null || break
		if ((SECONDS > deadline)); then kill "$pid"; break; fi
		sleep 0.2
	done
	wait "$pid" 2>/dev/null
	trap - EXIT
	[[ $(tail -n1 "$serial" | tr -d '\r') = 'done' ]] && return
	mkdir -p "$SHARE/dead-dom0"
	cp "$SHARE/console" "$SHARE/dead-dom0/"
	# nothing ran at all: another boot would end the same way
	[[ $doing ]] || doing=$(unjudged "$1" $(cat "$SHARE/todo") | head -n1)
	[[ -z $doing ]] || echo "not ok $doing: dom0 died or hung, see dead-dom0/console" | tee -a "$1"
}

# unjudged VERDICTS SPEC...: those without a verdict
unjudged() {
	local verdicts=$1 spec
	shift
	for spec; do
		grep -qE "^(ok|not ok|skip) ${spec//./\\.}( |:|\$)" "$verdicts" || echo "$spec"
	done
}

summary() {
	local ok bad skipped
	ok=$(grep -c '^ok ' "$1")
	bad=$(grep -c '^not ok ' "$1")
	skipped=$(grep -c '^skip ' "$1")
	echo "lab: $ok ok, $bad not ok, $skipped skipped; logs in $SHARE"
	((bad == 0))
}
