/* SPDX-License-Identifier: MIT */
/*
 * The `rate` of a vif: so many bytes in so many microseconds may leave the
 * guest. Credit grows with time up to a burst; queues that find too little
 * wait for a timer, and then go round. There is no timer while nobody waits,
 * and nothing is counted without a rate.
 */
#ifndef XPV_VIF_CREDIT_H
#define XPV_VIF_CREDIT_H

#include "../worker/loop.h"

#include <stdbool.h>
#include <stdint.h>

/* Saved credit is never less, so that a frame of 64 KiB always fits. */
#define CREDIT_MIN_BURST  (128u * 1024)

#define CREDIT_MAX_QUEUES 16u

/* Bytes times .usec: so no division ever loses a part of a byte. */
typedef unsigned __int128 credit_units;

struct credit {
	uint64_t bytes; /* in .usec microseconds; 0: without limit */
	uint64_t usec;
	credit_units left;
	uint64_t counted; /* microseconds: up to when .left has grown */
	struct loop_timer timer; /* the owner's */
	uint32_t waiting; /* queues, a bit each */
	unsigned int next; /* to go, if it waits; else one behind it */
};

/* Set a rate, 0 bytes: none; starts with a full burst. */
void credit_set(struct credit *c, uint64_t bytes, uint64_t usec, uint64_t now);
/* The queues are no more. */
void credit_forget_queues(struct credit *c);
/*
 * May @queue send @size bytes at @now (microseconds)? If so they are taken.
 * If not, *wait_usec says when there is enough, 0: it is another's turn.
 */
bool credit_take(struct credit *c, unsigned int queue, uint32_t size,
		 uint64_t now, uint64_t *wait_usec);
/* @size bytes were taken and have not left. */
void credit_return(struct credit *c, uint32_t size);

#endif
