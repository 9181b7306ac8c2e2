// SPDX-License-Identifier: MIT
/* The bare ring: what a request costs before anybody does anything for it. */
#include "bench.h"
#include "ring_load.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct side {
	const struct ring_peer *peer;
	const struct ring_load *load;
};

static void *back_thread(void *arg)
{
	struct side *side = arg;

	pin_thread(1);
	side->peer->back(side->load);
	return NULL;
}

/* Requests a second. */
static double run(const struct ring_peer *peer, const struct ring_load *load)
{
	struct side side = {peer, load};
	pthread_t thread;
	uint64_t start;

	memset(load->page, 0, 4096);
	peer->init(load);
	pin_thread(0);
	if (pthread_create(&thread, NULL, back_thread, &side))
		die("no thread for the back end");
	start = now_ns();
	peer->front(load);
	start = now_ns() - start;
	pthread_join(thread, NULL);
	return load->total * 1e9 / (double)start;
}

static double run_ours(void *arg)
{
	return run(&ring_ours, arg);
}

static double run_xen(void *arg)
{
	return run(&ring_xen, arg);
}

static void measure(const char *what, struct ring_load *load, bool trip)
{
	struct contest c = {.ours = run_ours, .peer = run_xen, .arg = load};
	struct measure m = {.peer = ring_xen.name};

	snprintf(m.name, sizeof(m.name), "ring %s", what);
	if (!wanted(m.name))
		return;
	contest_run(&c);
	m.value = trip ? 1e9 / c.value : c.value;
	m.peer_value = trip ? 1e9 / c.peer_value : c.peer_value;
	m.unit = trip ? "ns" : "req/s";
	m.ratio = c.ratio;
	report(&m);
	report_note("probe %.0f ns, %u rounds, %u dropped", c.probe, c.good,
		    c.dropped);
}

void bench_ring(void)
{
	static const uint32_t batches[] = {1, 8, 32};
	struct ring_load load = {.page = aligned_alloc(4096, 4096)};
	char what[32];
	unsigned int i;

	if (!load.page)
		die("no memory for a ring");
	report_title("bare ring, 112-byte requests, one page");
	load.total = options.quick ? 20000 : 1000000;
	load.batch = 1;
	load.depth = 1;
	measure("round trip", &load, true);
	load.total *= 5;
	load.depth = 32;
	for (i = 0; i < 3; i++) {
		load.batch = batches[i];
		snprintf(what, sizeof(what), "batch %u", batches[i]);
		measure(what, &load, false);
	}
	free(load.page);
}
