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

/* ns */
static uint64_t run(const struct ring_peer *peer, const struct ring_load *load)
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
	return start;
}

/* ---- a second ---- */

static struct figure rate(const struct ring_peer *peer,
			  const struct ring_load *load)
{
	double ns = (double)run(peer, load);

	return (struct figure){.value = load->total * 1e9 / ns};
}

static struct figure rate_ours(void *arg)
{
	return rate(&ring_ours, arg);
}

static struct figure rate_xen(void *arg)
{
	return rate(&ring_xen, arg);
}

/* ---- one at a time ---- */

static struct figure trip(const struct ring_peer *peer,
			  const struct ring_load *load)
{
	return (struct figure){.value = (double)run(peer, load) / load->total};
}

static struct figure trip_ours(void *arg)
{
	return trip(&ring_ours, arg);
}

static struct figure trip_xen(void *arg)
{
	return trip(&ring_xen, arg);
}

static struct figure trip_probe(void *arg)
{
	(void)arg;
	return (struct figure){.value = probe()};
}

static void measure_trip(struct ring_load *load)
{
	struct contest line = {.name = "ring round trip",
			       .unit = "ns",
			       .ours = trip_ours,
			       .peer = trip_probe,
			       .peer_name = PROBE_NAME,
			       .arg = load};
	struct contest xen = line;

	xen.peer = trip_xen;
	xen.peer_name = ring_xen.name;
	load->batch = 1;
	load->depth = 1;
	contest(&line);
	contest(&xen);
}

static void measure_batch(struct ring_load *load, uint32_t batch)
{
	struct contest c = {.unit = "req/s",
			    .ours = rate_ours,
			    .peer = rate_xen,
			    .peer_name = ring_xen.name,
			    .arg = load};

	snprintf(c.name, sizeof(c.name), "ring batch %u", batch);
	load->batch = batch;
	load->depth = 32;
	contest(&c);
}

void bench_ring(void)
{
	struct ring_load load = {.page = aligned_alloc(4096, 4096)};

	if (!load.page)
		die("no memory for a ring");
	report_title("bare ring, 112-byte requests");
	load.total = options.quick ? 20000 : 1000000;
	measure_trip(&load);
	load.total *= 5;
	measure_batch(&load, 1);
	measure_batch(&load, 8);
	measure_batch(&load, 32);
	free(load.page);
}
