# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A guest's worker is killed at random moments, twenty times, under fio and under TCP both ways, and xpvd with it at the
# last of them: fio verifies what it wrote, each byte of the streams arrives, and no device goes away.
# timeout: 400

[[ $back = xpv ]] || skip "about xpvd"
kills=${kills:-20}

make_bridge xenbr0 192.168.77.1/24
disk=$(mkdisk data 32)
guest_create a --vcpus 2 --disk "$disk" --vif xenbr0
guest_address a eth0 192.168.77.2/24
guest_ping a 192.168.77.1
id=$(guest_id a)
worker() { read -r pid _ <"/run/xpv/worker-$id" && echo "$pid"; }
other_worker() { local now; now=$(worker) && [[ $now != "$1" ]] && kill -0 "$now"; }
states() { xenstore-read "/local/domain/0/backend/vbd/$id/51712/state" "/local/domain/0/backend/vif/$id/0/state"; }

# as long as a file is there
feed="while test -e /run/go; do head -c 16384 /dev/urandom >/tmp/chunk; cat /tmp/chunk; cat /tmp/chunk >&2; sleep 0.3; done"
guest_must a "touch /run/go; (socat -u TCP-LISTEN:5000 OPEN:/tmp/in,creat,trunc; touch /tmp/in.done) >/dev/null 2>&1 &"
timeout 380 socat -u TCP-LISTEN:5001 OPEN:"$WORK/in,creat,trunc" &
receiver=$!
touch /run/go
nap 1
guest_must a "(eval '$feed' 2>/tmp/out | socat -u - TCP:192.168.77.1:5001; touch /tmp/out.done) >/dev/null 2>&1 &"
(eval "${feed//\/tmp\/chunk/$WORK/chunk}" 2>"$WORK/out" | timeout 380 socat -u - TCP:192.168.77.2:5000) &
sender=$!
guest_must a "(while test -e /run/go; do fio --output-format=terse --name=kill --filename=/dev/xvda --ioengine=libaio \
	--direct=1 --iodepth=16 --rw=randwrite --bsrange=512-64k --size=2m --offset=\$((RANDOM % 14))m --verify=crc32c \
	--verify_fatal=1 >/tmp/fio.out 2>&1; rc=\$?; test \$rc = 0 || break; echo >>/tmp/rounds; done; echo \$rc >/tmp/fio.rc) \
	</dev/null >/dev/null 2>&1 &"

for ((n = 1; n <= kills; n++)); do
	# one that has lived for a while does not die in a row with others
	nap $((3 + RANDOM % 3)).$((RANDOM % 10))
	was=$(worker)
	if ((n == kills)); then
		kill -9 "$(cat /run/lab-xpvd.pid)"
		kill -9 "$was"
		backend_start_xpv
	else
		kill -9 "$was"
	fi
	wait_until 20 other_worker "$was" || fail "no other worker after kill $n"
	assert_equal "$(states)" $'4\n4' "states after kill $n"
done
wait_until 30 guest_run a "ping -c 1 -W 2 192.168.77.1" || fail "no network after the last kill"
rm /run/go
guest_must a "rm /run/go"
wait_until 60 guest_run a "test -e /tmp/fio.rc" || fail "fio does not end"
assert_equal "$(guest_run a 'cat /tmp/fio.rc')" 0 "fio: $(guest_run a 'tail -c 300 /tmp/fio.out')"
rounds=$(guest_run a 'wc -l </tmp/rounds')
((rounds > 2)) || fail "fio went $rounds times only"
wait $receiver || fail "dom0: receiver gave $?"
wait $sender || fail "dom0: sender gave $?"
wait_until 60 guest_run a "test -e /tmp/in.done -a -e /tmp/out.done" || fail "the guest's streams do not end"
for end in "$WORK/in /tmp/out" "$WORK/out /tmp/in"; do
	read -r here there <<<"$end"
	assert_equal "$(guest_run a "sha256sum <$there")" "$(sha256sum <"$here")" "$there of the guest"
	(($(stat -c %s "$here") > 20 * 16384)) || fail "$here has only $(stat -c %s "$here") bytes"
done
echo "$kills kills, $rounds rounds of fio, $(stat -c %s "$WORK/in") bytes in, $(stat -c %s "$WORK/out") bytes out"
guest_must a "! dmesg | grep -E 'I/O error|Buffer I/O'"
guest_shutdown a
