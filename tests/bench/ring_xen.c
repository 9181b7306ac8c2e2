// SPDX-License-Identifier: MIT
/* The load over the macros of Xen's own xen/io/ring.h. */
#include "bench.h"
#include "ring_load.h"

#include <stddef.h>
#include <string.h>
/* Or ring.h brings barriers of its own. */
#define __XEN_INTERFACE_VERSION__ 0x00040e00
#include <xen/xen.h>
#include <xen/io/blkif.h>

/* What ring.h wants from its environment. */
#define xen_mb()  __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)

#define PAGE	  4096

static void init(const struct ring_load *load)
{
	blkif_sring_t *sring = load->page;

	SHARED_RING_INIT(sring);
}

static inline void put_request(blkif_front_ring_t *f, uint64_t id)
{
	blkif_request_t *slot = RING_GET_REQUEST(f, f->req_prod_pvt);

	f->req_prod_pvt++;
	slot->operation = BLKIF_OP_READ;
	slot->nr_segments = 1;
	slot->id = id;
	slot->sector_number = id;
}

static inline void push_requests(blkif_front_ring_t *f)
{
	int notify;

	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(f, notify);
	(void)notify;
}

/* The acquire barrier that the macros leave to their user. */
static inline uint32_t responses(blkif_front_ring_t *f)
{
	uint32_t n = f->sring->rsp_prod - f->rsp_cons;

	xen_rmb();
	return n;
}

static inline uint64_t take_response(blkif_front_ring_t *f)
{
	blkif_response_t rsp;

	RING_COPY_RESPONSE(f, f->rsp_cons, &rsp);
	f->rsp_cons++;
	return rsp.id;
}

static inline uint32_t requests(blkif_back_ring_t *b)
{
	uint32_t prod = b->sring->req_prod;

	xen_rmb();
	if (RING_REQUEST_PROD_OVERFLOW(b, prod))
		die("ring broken");
	return prod - b->req_cons;
}

static inline uint64_t take_request(blkif_back_ring_t *b)
{
	blkif_request_t req;

	RING_COPY_REQUEST(b, b->req_cons, &req);
	b->req_cons++;
	return req.id;
}

static inline void respond(blkif_back_ring_t *b, uint64_t id)
{
	blkif_response_t *slot = RING_GET_RESPONSE(b, b->rsp_prod_pvt);

	b->rsp_prod_pvt++;
	slot->id = id;
	slot->operation = 0;
	slot->status = 0;
}

static inline void push_responses(blkif_back_ring_t *b)
{
	int notify;

	RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(b, notify);
	(void)notify;
}

static void attach_front(blkif_front_ring_t *f, void *page)
{
	blkif_sring_t *sring = page;

	FRONT_RING_INIT(f, sring, PAGE);
}

static void attach_back(blkif_back_ring_t *b, void *page)
{
	blkif_sring_t *sring = page;

	BACK_RING_INIT(b, sring, PAGE);
}

#define FRONT		    blkif_front_ring_t
#define FRONT_ATTACH(f, p)  attach_front(f, p)
#define ROOM(f)		    RING_FREE_REQUESTS(f)
#define REQUEST(f, id)	    put_request(f, id)
#define PUSH_REQUESTS(f)    push_requests(f)
#define RESPONSES(f)	    responses(f)
#define TAKE_RESPONSE(f)    take_response(f)
#define BACK		    blkif_back_ring_t
#define BACK_ATTACH(b, p)   attach_back(b, p)
#define REQUESTS(b)	    requests(b)
#define TAKE_REQUEST(b, id) (id = take_request(b))
#define RESPOND(b, id)	    respond(b, id)
#define PUSH_RESPONSES(b)   push_responses(b)

#include "ring_loops.h"

const struct ring_peer ring_xen = {RING_XEN_NAME, init, front, back};
