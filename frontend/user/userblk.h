/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A block frontend in userspace, over ring/ and hyper/: it drives benchmarks
 * and hostile-peer tests, and attaches a guest's disk inside Dom0.
 *
 * Ring and data pages are granted once, when it is made, and stay granted.
 * The caller fills requests that name data pages by their grant references.
 *
 *	fe = userblk_new(h, &config)
 *	... the backend connects ...
 *	while (userblk_submit(fe, q, &req)) ...
 *	userblk_push(fe, q)
 *	userblk_wait(fe, timeout)
 *	n = userblk_reap(fe, q, rsp, max)
 *
 * A frontend belongs to one thread, unless each thread has a queue of its own
 * and none calls userblk_wait(), which is for all queues.
 */
#ifndef XPV_USERBLK_H
#define XPV_USERBLK_H

#include "blkif.h"
#include "hyper/hyper.h"
#include "ring.h"

#define USERBLK_MAX_QUEUES     16u
#define USERBLK_MAX_RING_PAGES (1u << XPV_BLKIF_MAX_RING_ORDER)

struct userblk_config {
	uint16_t backend; /* domid */
	uint8_t ring_order;
	uint8_t nr_queues; /* 0 stands for 1 */
	bool x86_32; /* the wire layout */
	bool persistent; /* agrees to persistent grants */
	unsigned int data_pages;
};

struct userblk_queue {
	struct xpv_front front;
	void *ring;
	uint32_t gref[USERBLK_MAX_RING_PAGES];
	uint32_t port;
};

struct userblk {
	struct hyper *hyper;
	struct userblk_config config;
	const struct xpv_blkif_abi *abi;
	unsigned int ring_pages;
	struct userblk_queue queue[USERBLK_MAX_QUEUES];
	uint8_t *data;
	uint32_t *gref; /* of each data page */
};

/* @h: a handle with HYPER_SHARE and HYPER_EVTCHN. NULL + errno. */
struct userblk *userblk_new(struct hyper *h, const struct userblk_config *c);
/*
 * End the grants. -EBUSY while the backend maps a ring: call again when it
 * has let go, the frontend is still whole.
 */
int userblk_free(struct userblk *fe);
/* Start over with empty rings, for the next connection. */
void userblk_reset(struct userblk *fe);

static inline void *userblk_page(const struct userblk *fe, unsigned int page)
{
	return fe->data + (size_t)page * XPV_PAGE_SIZE;
}

/* Name @n whole data pages from @page on as the request's segments. */
void userblk_segments(const struct userblk *fe, struct xpv_blk_request *req,
		      unsigned int page, unsigned int n);
/*
 * The same by way of an indirect page, the data page @indirect: as many as
 * it holds.
 */
void userblk_indirect(const struct userblk *fe, struct xpv_blk_request *req,
		      unsigned int indirect, unsigned int page, unsigned int n);

/* False: the ring is full. */
bool userblk_submit(struct userblk *fe, unsigned int queue,
		    const struct xpv_blk_request *req);
/* The next free slot as it is, abi->slot_size bytes, or NULL. */
void *userblk_slot(struct userblk *fe, unsigned int queue);
/* Show the backend what was submitted; notify it if it asked. */
void userblk_push(struct userblk *fe, unsigned int queue);
/* Responses taken, at most @max, or -EPROTO: the ring is broken. */
int userblk_reap(struct userblk *fe, unsigned int queue,
		 struct xpv_blk_response *rsp, unsigned int max);
/*
 * Sleep until a queue has responses: 1, or 0 when @timeout_ms have passed
 * (-1: no limit), or -errno.
 */
int userblk_wait(struct userblk *fe, int timeout_ms);

/*
 * One request on an otherwise idle queue, and wait for its response: the
 * response's status, or -errno (-ETIMEDOUT, -EPROTO: not its response).
 * Status and errno are told apart by *status.
 */
int userblk_call(struct userblk *fe, unsigned int queue,
		 const struct xpv_blk_request *req, int timeout_ms,
		 int *status);

#endif
