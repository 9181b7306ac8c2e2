# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# For a person at dom0's console: the words of scenarios, with the defaults that a scenario has. A false claim ends the
# command and not the shell.

. /lab/lib/lab.sh
PS1='dom0# '
scenario_parameters shell
mkdir -p "$WORK" "$DIR"
# shellcheck disable=SC2034	# parameters: what the overlays do not bring comes from Debian
{
	[[ -x /usr/sbin/xpvd ]] || back=stock
	[[ -e $OUT/guest/ours ]] || front=stock
}

# An expansion that fails takes an interactive bash back to its prompt, from any depth.
unset -v failed
fail() { : "${failed:?$*}"; }
skip() { fail "$@"; }

# the scenarios before it, if any, leave theirs
[[ $(</run/backend) != none ]] || backend_use "$back"

cat <<END

This is dom0, served by $(</run/backend); guests load the drivers of: $front. Leave with exit, which powers it off.
  guest_create a --vif xenbr0 --disk "\$(mkdisk a 64)"    make_bridge xenbr0 192.168.77.1/24 before it; --type pvh
  guest_run a 'uname -r; ls /sys/block'                  guest_address a eth0 192.168.77.2/24
  guest_shutdown a, guest_destroy a                      xl list, xpv list, xenstore-ls, cat /var/log/xpvd.log
  backend_use xpv|stock|none                             every other word: declare -F, files in /lab/lib
END
