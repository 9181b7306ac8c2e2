// SPDX-License-Identifier: MIT
/* The scene of a NIC: its wire is slow, and now and then quick. */
#include "sim.h"

static void start(void)
{
	wire_start();
	nic_start();
	net_guest_start();
}

static void stop(void)
{
	net_guest_stop();
	nic_stop();
	wire_stop();
}

/* Somebody outside sends, or takes what came. */
static void wire_acts(void)
{
	uint32_t most = net_connection.sg && !sim_chance(8) ? WIRE_MAX : 1514;
	unsigned int n = 1 + sim_chance(4);

	if (!sim_chance(3)) {
		wire_drains(false);
		return;
	}
	while (n--)
		wire_give(sim_chance(net_connection.nr_queues),
			  WIRE_MIN + sim_chance(most - WIRE_MIN + 1));
}

static void guest_or_wire(void)
{
	if (sim_chance(4))
		net_guest_act();
	else
		wire_acts();
}

static void quick_wire(void)
{
	wire_drains(true);
}

const struct scene net_scene = {
	.name = "NIC",
	.start = start,
	.stop = stop,
	.guest_acts = guest_or_wire,
	.worker_turns = nic_turn,
	.strikes = quick_wire,
	.reconnects = net_guest_reconnect,
};
