// SPDX-License-Identifier: MIT
#include "bench.h"

#define MIN_ROUNDS 3u /* all that are wanted of a quick run */
#define ROUNDS	   5u
/* After so many what there is has to do. */
#define MAX_QUICK  5u
#define MAX_ROUNDS 9u
/* Probes before and after that differ by more have seen the cores move. */
#define PROBE_LIMIT 1.5

struct round {
	struct figure ours, peer;
	double ratio, probe;
};

static bool agree(double a, double b)
{
	return a < b * PROBE_LIMIT && b < a * PROBE_LIMIT;
}

/* The round whose ratio is the median: its figures go together. */
static const struct round *middle(const struct round *r, unsigned int n)
{
	unsigned int i, j, below;

	for (i = 0; i + 1 < n; i++) {
		below = 0;
		for (j = 0; j < n; j++)
			below += r[j].ratio < r[i].ratio ||
				 (r[j].ratio == r[i].ratio && j < i);
		if (below == n / 2)
			break;
	}
	return &r[i];
}

static struct figure side(const struct contest *c,
			  struct figure (*measure)(void *arg))
{
	struct figure f;

	if (!measure)
		return (struct figure){.value = 1};
	f = measure(c->arg);
	if (c->by_cpu)
		f.value = f.cpu;
	return f;
}

static void conclude(struct contest *c, const struct round *r)
{
	const struct round *m = middle(r, c->good);
	unsigned int i;

	c->value = m->ours;
	c->peer_value = m->peer;
	c->ratio = m->ratio;
	c->probe = m->probe;
	c->low = m->ratio;
	c->high = m->ratio;
	for (i = 0; i < c->good; i++) {
		if (r[i].ratio < c->low)
			c->low = r[i].ratio;
		if (r[i].ratio > c->high)
			c->high = r[i].ratio;
	}
}

static void run(struct contest *c)
{
	unsigned int want = options.quick ? MIN_ROUNDS : ROUNDS, i;
	unsigned int most = options.quick ? MAX_QUICK : MAX_ROUNDS;
	struct round rounds[MAX_ROUNDS], *r = rounds;
	double before = probe(), after;

	for (i = 0; i < most && c->good < want; i++) {
		r->ours = side(c, c->ours);
		r->peer = side(c, c->peer);
		r->ratio = r->ours.value / r->peer.value;
		after = probe();
		r->probe = (before + after) / 2;
		/* Rather a doubtful figure than none at all. */
		if (agree(before, after) || most - i <= MIN_ROUNDS - c->good) {
			c->good++;
			r++;
		} else {
			c->dropped++;
		}
		before = after;
	}
	conclude(c, rounds);
}

void contest(struct contest *c)
{
	if (!wanted(c->name))
		return;
	run(c);
	report(c);
}
