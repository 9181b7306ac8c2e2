# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The words that scenarios are written in. Sourced in dom0 by the runner, by each scenario and by `lab shell`.

OUT=/lab/out
WORK=/tmp/lab		# disks and other files of the running scenario
for part in wait scenario assert backend guest disk net bench; do
	# shellcheck source=/dev/null
	. "/lab/lib/$part.sh"
done
