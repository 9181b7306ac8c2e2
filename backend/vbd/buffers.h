/* SPDX-License-Identifier: MIT */
/*
 * Memory for the data of requests in flight: one arena a worker, so one for
 * all disks of a guest. Its size bounds what a guest can make us hold; pages
 * that were never needed are never touched, and an idle guest's go back to
 * the system.
 */
#ifndef XPV_BUFFERS_H
#define XPV_BUFFERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUFFERS_PAGES 2048u /* 8 MiB */

struct buffers {
	uint8_t *mem;
	uint64_t used[BUFFERS_PAGES / 64]; /* a bit a page */
	unsigned int in_use; /* pages */
	unsigned int touched; /* pages from the start on */
	uint64_t idle_since; /* seconds, 0: not idle */
	/* Was refused and comes first now: large ones must not starve. */
	const void *waiter;
};

/* 0 or -errno. */
int buffers_init(struct buffers *b);
void buffers_fini(struct buffers *b);

/* @pages pages side by side, or NULL: ask again when some were put back. */
void *buffers_get(struct buffers *b, unsigned int pages, const void *who);
void buffers_put(struct buffers *b, void *mem, unsigned int pages);
/* @who does not want any more. */
void buffers_forget(struct buffers *b, const void *who);
/* Called now and then: gives memory back that was not used for a while. */
void buffers_trim(struct buffers *b);

#endif
