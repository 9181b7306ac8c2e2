/* SPDX-License-Identifier: MIT */
/*
 * The `rate` of a vif: so many bytes in so many microseconds may leave the
 * guest. Credit grows with time up to a burst; a queue that finds too little
 * waits for a timer, and the queue that has waited longest goes first. There
 * is no timer while nobody waits, and nothing is counted without a rate.
 */
#ifndef XPV_VIF_CREDIT_H
#define XPV_VIF_CREDIT_H

#include "../worker/loop.h"

#include <stdbool.h>
#include <stdint.h>

/* Saved credit is never less, so that a frame of 64 KiB always fits. */
#define CREDIT_MIN_BURST (128u * 1024)

struct credit {
	uint64_t bytes; /* in .usec microseconds; 0: without limit */
	uint64_t usec;
	uint64_t left; /* bytes */
	uint64_t counted; /* microseconds: up to when .left has grown */
	struct loop_timer timer; /* the owner's */
	unsigned int first; /* of the queues that wait: the one to go first */
	bool has_first;
};

/* Set a rate, 0 bytes: none; starts with a full burst. */
void credit_set(struct credit *c, uint64_t bytes, uint64_t usec, uint64_t now);
/*
 * May @queue send @size bytes at @now (microseconds)? If so they are taken.
 * If not, *wait_usec says when to ask again, or is 0 behind another queue.
 */
bool credit_take(struct credit *c, unsigned int queue, uint32_t size,
		 uint64_t now, uint64_t *wait_usec);

#endif
