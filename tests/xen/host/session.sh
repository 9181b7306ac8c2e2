# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A session: boot, let dom0 run the scenarios, watch that it lives, boot again for the rest when it does not.

BOOT_SECONDS=300	# from power-on to the first scenario
GRACE_SECONDS=90	# beyond a scenario's own timeout, for dom0 to clean up and say so
SILENT_SECONDS=90	# a dom0 that is alive says so every few seconds
BOOTS=3			# for one scenario, before it is what kills dom0

# run_session: takes scenarios from the queue until it is empty; prints verdicts as they come; 0 when none failed
run_session() {
	VERDICTS=$SHARE/verdicts
	: >"$VERDICTS"
	BURIED='' DEATHS=0	# in which scenario dom0 died last, and how often in a row
	local spec=end
	while [[ $spec != end ]] || spec=$(take); do
		echo "$spec" >"$SHARE/todo"
		boot_once || bury
		# what the dead did not get to
		spec=$(tail -n 1 "$SHARE/todo")
		unjudged "$spec" || spec=end
	done
	summary
}

# take: the next scenario of the queue, which other machines may share; fails when there is none
take() {
	local spec
	{
		flock 8
		read -r spec <"$QUEUE" || return
		sed -i 1d "$QUEUE"
		echo "$spec"
	} 8>"$QUEUE.lock"
}

# hand_out: what dom0 does next
hand_out() { { take || echo end; } >>"$SHARE/todo"; }

# boot_once: until dom0 is done (0) or dead (1)
boot_once() {
	local serial=$SHARE/serial pid i
	: >"$serial"
	DOING=''
	machine '' -serial "file:$SHARE/console" -serial "file:$serial" </dev/null >"$SHARE/qemu.log" 2>&1 &
	pid=$!
	# shellcheck disable=SC2064
	trap "kill $pid 2>/dev/null" EXIT
	follow "$serial" "$pid"
	kill "$pid" 2>/dev/null
	for ((i = 0; i < 50; i++)); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	kill -9 "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	trap - EXIT
	[[ $(tail -n1 "$serial" | tr -d '\r') = 'done' ]]
}

# follow SERIAL PID: pass verdicts on until the machine ends or says nothing for too long
follow() {
	local seen=0 deadline=$((SECONDS + BOOT_SECONDS)) silent=$((SECONDS + BOOT_SECONDS)) line lines alive=1
	while ((alive && SECONDS < deadline && SECONDS < silent)); do
		sleep 0.2
		kill -0 "$2" 2>/dev/null || alive=0
		mapfile -s "$seen" lines <"$1"
		for line in "${lines[@]}"; do
			[[ $line = *$'\n' ]] || break		# still being written
			seen=$((seen + 1))
			silent=$((SECONDS + SILENT_SECONDS))
			line=${line%%[$'\r\n']*}
			case $line in
			start\ *) DOING=${line#start }; deadline=$((SECONDS + ${DOING##* } + GRACE_SECONDS)); DOING=${DOING% *} ;;
			ok\ *|not\ ok\ *|skip\ *) judge "$line"; hand_out; deadline=$((SECONDS + GRACE_SECONDS)) ;;
			esac
		done
	done
}

judge() { echo "$1" | tee -a "$VERDICTS"; }

# bury: dom0 died. When no scenario was running, no boot will do better. Else the one that ran gets another boot: an
# emulated machine now and then stops dead by itself, see README. What kills dom0 each time has failed.
bury() {
	local spec dir=$SHARE/$DOING
	if [[ $DOING ]]; then
		unjudged "$DOING" || return
		mkdir -p "$dir"
		cp "$SHARE/console" "$dir/dom0.console"
		[[ $DOING = "$BURIED" ]] || DEATHS=0
		BURIED=$DOING
		DEATHS=$((DEATHS + 1))
		if ((DEATHS == BOOTS)); then
			judge "not ok $DOING: dom0 died or hung in $BOOTS boots, see its dom0.console"
		else
			say "dom0 died or hung in $DOING, see its dom0.console; once more in a new boot"
		fi
	else
		{ cat "$SHARE/todo"; while take; do :; done; } | while read -r spec; do
			[[ $spec = end ]] || judge "not ok $spec: dom0 does not come up, see $SHARE/console"
		done
	fi
}

# unjudged SPEC: it has no verdict
unjudged() {
	local line
	while read -r line; do
		[[ "$line " != ok\ "$1 "* && $line != not\ ok\ "$1:"* && $line != skip\ "$1:"* ]] || return 1
	done <"$VERDICTS"
}

# the same with a person at dom0's console: no watchdog, and a shell at the end
run_kept() {
	VERDICTS=$SHARE/verdicts
	{ cat "$QUEUE"; echo end; } >"$SHARE/todo"
	(machine lab.keep -serial mon:stdio -serial "file:$SHARE/serial")
	tr -d '\r' <"$SHARE/serial" | grep -E '^(ok|not ok|skip) ' | tee "$VERDICTS"
	summary
}

summary() {
	local ok bad skipped
	ok=$(grep -c '^ok ' "$VERDICTS")
	bad=$(grep -c '^not ok ' "$VERDICTS")
	skipped=$(grep -c '^skip ' "$VERDICTS")
	echo "lab: $ok ok, $bad not ok, $skipped skipped; logs in $SHARE"
	((bad == 0))
}
