/* SPDX-License-Identifier: MIT */
/* One load on a ring of one page, in two threads that only poll. */
#ifndef XPV_RING_LOAD_H
#define XPV_RING_LOAD_H

#include <stdint.h>

struct ring_load {
	void *page;
	uint32_t total; /* requests */
	uint32_t batch; /* pushed together, by either side */
	uint32_t depth; /* outstanding at most */
};

/* Both return when all requests are answered. */
struct ring_peer {
	const char *name;
	void (*init)(const struct ring_load *load);
	void (*front)(const struct ring_load *load);
	void (*back)(const struct ring_load *load);
};

extern const struct ring_peer ring_ours, ring_xen;

#define RING_XEN_NAME "xen/io/ring.h"
#define PROBE_NAME    "a cache line"

#endif
