// SPDX-License-Identifier: MIT
#include "bench.h"

#define MAX_ROUNDS 9
/* Probes before and after that differ by more have seen the cores move. */
#define PROBE_LIMIT 1.5

static bool agree(double a, double b)
{
	return a < b * PROBE_LIMIT && b < a * PROBE_LIMIT;
}

void contest_run(struct contest *c)
{
	double ours[MAX_ROUNDS], peers[MAX_ROUNDS], ratios[MAX_ROUNDS];
	double probes[MAX_ROUNDS], before, after, value, peer;
	unsigned int want = options.quick ? 3 : 5, round, n = 0;

	before = probe();
	for (round = 0; round < MAX_ROUNDS && n < want; round++) {
		value = c->ours(c->arg);
		peer = c->peer ? c->peer(c->arg) : 1;
		after = probe();
		/* Rather a doubtful figure than none at all. */
		if (agree(before, after) || MAX_ROUNDS - round <= 3 - n) {
			ours[n] = value;
			peers[n] = peer;
			ratios[n] = value / peer;
			probes[n++] = after;
		} else {
			c->dropped++;
		}
		before = after;
	}
	c->good = n;
	c->value = median(ours, n);
	c->peer_value = median(peers, n);
	c->ratio = median(ratios, n);
	c->probe = median(probes, n);
}
