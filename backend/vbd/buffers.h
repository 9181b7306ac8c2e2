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
#include <sys/queue.h>

#include "../worker/loop.h"

#define BUFFERS_PAGES 2048u /* 8 MiB */

/*
 * Somebody who was refused, once in the queue. They are served in the order
 * in which they came: neither does a large request starve among small ones,
 * nor a ring behind another that asks before it in every turn.
 */
struct buffers_waiter {
	bool waiting;
	STAILQ_ENTRY(buffers_waiter) next;
};

struct buffers {
	uint8_t *mem;
	uint64_t used[BUFFERS_PAGES / 64]; /* a bit a page */
	unsigned int in_use; /* pages */
	unsigned int touched; /* pages from the start on */
	bool used_lately; /* since the timer was set */
	struct loop *loop;
	struct loop_timer idle;
	STAILQ_HEAD(, buffers_waiter) waiters;
};

/* 0 or -errno. */
int buffers_init(struct buffers *b, struct loop *loop);
void buffers_fini(struct buffers *b);

/* @pages pages side by side, or NULL: ask again when some were put back. */
void *buffers_get(struct buffers *b, unsigned int pages,
		  struct buffers_waiter *who);
/* All pages of a buffer, or those from @mem to its end. */
void buffers_put(struct buffers *b, void *mem, unsigned int pages);
/* @who does not want any more. */
void buffers_forget(struct buffers *b, struct buffers_waiter *who);

#endif
