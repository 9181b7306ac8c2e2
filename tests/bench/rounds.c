// SPDX-License-Identifier: MIT
#include "bench.h"

#define MAX_ROUNDS 9
/* Probes before and after that differ by more have seen the cores move. */
#define PROBE_LIMIT 1.5

static bool agree(double a, double b)
{
	return a < b * PROBE_LIMIT && b < a * PROBE_LIMIT;
}

/* The round whose ratio is the median: its figures go together. */
static unsigned int middle(const double *ratios, unsigned int n)
{
	unsigned int i, j, below;

	for (i = 0; i + 1 < n; i++) {
		below = 0;
		for (j = 0; j < n; j++)
			below += ratios[j] < ratios[i] ||
				 (ratios[j] == ratios[i] && j < i);
		if (below == n / 2)
			break;
	}
	return i;
}

void contest_run(struct contest *c)
{
	double ours[MAX_ROUNDS], peers[MAX_ROUNDS], ratios[MAX_ROUNDS];
	double probes[MAX_ROUNDS], before, after, value, peer;
	unsigned int want = ROUNDS(options.quick), round, n = 0;

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
	round = middle(ratios, n);
	c->value = ours[round];
	c->peer_value = peers[round];
	c->ratio = ratios[round];
	c->probe = median(probes, n);
}
