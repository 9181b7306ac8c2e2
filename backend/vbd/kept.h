/* SPDX-License-Identifier: MIT */
/*
 * Pages of the guest that stay mapped: persistent grants. A frontend that
 * agreed to them uses the same grants again and again, so each is mapped when
 * it is first met, read-write because the next request may go the other way,
 * and found by its reference from then on.
 *
 * A page that cannot be had here (the limit, a reference that is none, a host
 * out of mappings) is no error: its data is copied as if nothing were mapped,
 * and the copy tells what the reference is worth.
 *
 * The guest may write to a mapped page at any time: only data is used in
 * place, everything else is copied out before it is looked at.
 */
#ifndef XPV_KEPT_H
#define XPV_KEPT_H

#include <stdint.h>
#include <sys/queue.h>

#include "../worker/loop.h"

/* Pages mapped for a ring, and for all disks of a guest. */
#define KEPT_PER_QUEUE 1056u
#define KEPT_PER_GUEST (16 * KEPT_PER_QUEUE)
/* A page that nobody used for so long is unmapped. */
#define KEPT_UNUSED_MS 60000u
/* Unmapped at a time: others want their turn. */
#define KEPT_UNUSED_BATCH 256u
/* At the limit, this part of it makes room, but only so often. */
#define KEPT_RELEASE_PART 20u
#define KEPT_RELEASE_MS	  100u
/* References from here on are not kept: as many as all of Dom0 can map. */
#define KEPT_GREFS (1u << 18)

struct hyper;

struct page {
	void *addr; /* NULL: nothing is mapped */
	uint32_t gref;
	unsigned int users; /* segments of requests under way */
	uint64_t last_used; /* ms; while it has no users */
	TAILQ_ENTRY(page) next; /* idle or free */
};

TAILQ_HEAD(page_list, page);

/* Of one disk; all zero: nothing is ever mapped. */
struct kept {
	struct loop *loop;
	struct hyper *hyper;
	uint16_t domid;
	unsigned int limit, mapped;
	unsigned int *of_guest; /* mapped for all disks of the guest */
	struct page *page; /* limit of them */
	uint32_t *by_gref; /* KEPT_GREFS: see kept.c */
	struct page_list idle; /* without users; the longest unused first */
	struct page_list free; /* were used before */
	unsigned int fresh; /* page[] from here on was never used */
	struct loop_timer timer; /* set while a page is idle */
	uint64_t (*clock)(void); /* ms: loop_now(), or a test's own */
	uint64_t now; /* of this turn */
	uint64_t released; /* when room was made last */
};

/* 0 or -errno. @of_guest counts for all disks and starts at 0. */
int kept_init(struct kept *k, struct loop *loop, uint16_t domid,
	      unsigned int limit, unsigned int *of_guest);
/* Unmaps everything, in use or not. Harmless without kept_init(). */
void kept_fini(struct kept *k);

/* A turn of the loop begins: the time is looked up once. */
void kept_turn(struct kept *k);

/*
 * The page behind @gref, held until kept_put(); NULL: copy. What is held can
 * be asked for again with kept_at().
 */
void *kept_get(struct kept *k, uint32_t gref);
void *kept_at(const struct kept *k, uint32_t gref);
void kept_put(struct kept *k, uint32_t gref);

#endif
