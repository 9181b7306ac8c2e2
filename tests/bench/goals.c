// SPDX-License-Identifier: MIT
/* What each case is to reach, as a ratio of ours to the peer's. */
#include "bench.h"

#include <string.h>

#include "disk_load.h"
#include "ring_load.h"

#define AT_LEAST(n) .near = (n), .far = (n)
#define AT_MOST(n)  .at_most = true, .near = (n), .far = (n)

static const struct goal goals[] = {
	{"ring round trip", PROBE_NAME, AT_MOST(1.6)},
	{"ring batch 1", RING_XEN_NAME, .near = 1.2, .far = 2},
	{"ring batch 32", RING_XEN_NAME, AT_LEAST(1)},
	{"disk null read qd32", QEMU_NAME, AT_LEAST(5)},
	{"disk null read qd1", QEMU_NAME, AT_LEAST(5)},
	{"disk page cache read qd32", QEMU_NAME, AT_LEAST(2.3)},
	{"disk page cache read qd1", QEMU_NAME, AT_LEAST(2.6)},
	{"disk page cache read qd32", URING_NAME, AT_LEAST(0.97)},
	{"disk page cache read qd1", URING_NAME, AT_LEAST(0.85)},
	{"disk memory read qd32", MEMCPY_NAME, AT_LEAST(0.92)},
	{"disk asleep read qd1", EVENTFD_NAME, AT_MOST(1.1)},
	{"disks: 100 idle, wake-ups", NULL, AT_MOST(0)},
	{"disks: 10 at work", ONE_NAME, AT_LEAST(0.9)},
	{"disks: 10 at work, worker cpu", ONE_NAME, AT_MOST(1.1)},
	{"disks: 100 at work", ONE_NAME, AT_LEAST(0.9)},
	{"disks: 100 at work, worker cpu", ONE_NAME, AT_MOST(1.1)},
	{"disks: 1000 at work", ONE_NAME, AT_LEAST(0.9)},
	{"disks: 1000 at work, worker cpu", ONE_NAME, AT_MOST(1.1)},
	{"disk null 20k IOPS, worker cpu", QEMU_NAME, AT_MOST(1 / 3.)},
};

const struct goal *goal_of(const struct contest *c)
{
	size_t i;

	for (i = 0; i < sizeof(goals) / sizeof(goals[0]); i++)
		if (!strcmp(goals[i].name, c->name) &&
		    (goals[i].peer ? c->peer_name && !strcmp(goals[i].peer,
							     c->peer_name)
				   : !c->peer_name))
			return &goals[i];
	return NULL;
}

double goal_bound(const struct goal *g, double probe)
{
	return probe < PROBE_FAR ? g->near : g->far;
}

bool goal_reached(const struct goal *g, const struct contest *c)
{
	double bound = goal_bound(g, c->probe);

	return g->at_most ? c->ratio <= bound : c->ratio >= bound;
}
