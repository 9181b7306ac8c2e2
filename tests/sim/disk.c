// SPDX-License-Identifier: MIT
/* The scene of a disk: its power fails, too. */
#include "sim.h"

static void start(void)
{
	bool durable;

	sim.disk = model_disk_new((unsigned int)sim.seed);
	durable = sim_chance(2);
	if (!sim_chance(3))
		model_disk_fail(sim.disk, 100);
	backend_start(durable ? STORAGE_CACHE_WRITETHROUGH
			      : STORAGE_CACHE_WRITEBACK);
	guest_start(durable);
}

static void stop(void)
{
	guest_stop();
	backend_stop();
	model_disk_free(sim.disk);
}

const struct scene disk_scene = {
	.name = "disk",
	.start = start,
	.stop = stop,
	.guest_acts = guest_act,
	.worker_turns = backend_turn,
	.strikes = guest_cut_power,
	.reconnects = guest_reconnect,
};
