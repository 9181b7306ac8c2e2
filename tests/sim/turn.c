// SPDX-License-Identifier: MIT
/* One turn of a worker's loop, which may be its last. */
#include <poll.h>

#include "sim.h"

static bool is_awake(void)
{
	struct pollfd events = {
		.fd = sim.back->ops->evtchn_fd(sim.back),
		.events = POLLIN,
	};

	if (sim.asleep && !sim.kicked && sim.now_usec < sim.wakes_usec &&
	    poll(&events, 1, 0) == 0)
		return false;
	sim.asleep = false;
	sim.kicked = false;
	return true;
}

void turn_of_worker(void (*replace)(void))
{
	if (!is_awake())
		return;
	if (setjmp(sim.death)) {
		sim.in_turn = false;
		sim.deaths++;
		sim_note(sim.deaths);
		replace();
		return;
	}
	sim.in_turn = true;
	SIM_MUST(!loop_turn(sim.worker.loop, true));
	sim.in_turn = false;
	sim.sleeps += sim.asleep;
}
