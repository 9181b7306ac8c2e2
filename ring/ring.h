/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The ring engine: one shared ring, its front half and its back half.
 *
 * Layout and rules: xen/io/ring.h. A 64-byte header of four free-running
 * 32-bit indices is followed by a power of two of slots. The front produces
 * requests, the back answers each of them with one response in the slots that
 * the requests have left. An index counts slots ever used and wraps at 2^32.
 *
 * Neither half trusts the other: every index read from shared memory is
 * checked against what the peer may have produced, and nothing but the
 * private copies of our own indices decides where we read and write.
 *
 * A half belongs to one thread at a time; the caller sees to that.
 *
 *	front					back
 *	while (xpv_front_room(f))		n = xpv_back_pending(b)
 *		fill(xpv_front_request(f))	while (n--)
 *	if (xpv_front_push(f))				xpv_back_take(b, &req, ..)
 *		notify				xpv_back_put(b, &rsp, ..)
 *						if (xpv_back_push(b))
 *							notify
 *	before sleep: xpv_front_final_check(f)	xpv_back_final_check(b)
 */
#ifndef XPV_RING_H
#define XPV_RING_H

#include "barrier.h"

#define XPV_RING_HEADER_SIZE 64
/* The peer's index is impossible: stop using this ring (XSA-38, XSA-86). */
#define XPV_RING_BROKEN (-1)

struct xpv_sring {
	uint32_t req_prod;
	uint32_t req_event;
	uint32_t rsp_prod;
	uint32_t rsp_event;
	uint8_t pad[48];
};

_Static_assert(sizeof(struct xpv_sring) == XPV_RING_HEADER_SIZE,
	       "ring header is 64 bytes (xen/io/ring.h)");
_Static_assert(offsetof(struct xpv_sring, rsp_event) == 12,
	       "four 32-bit indices open the ring (xen/io/ring.h)");

/* Geometry, the same for both halves. */
struct xpv_ring {
	struct xpv_sring *shared;
	uint8_t *slots;
	uint32_t slot_size; /* bytes */
	uint32_t entries; /* power of two */
};

struct xpv_front {
	struct xpv_ring ring;
	uint32_t req_prod; /* next request to fill, ahead of req_pushed */
	uint32_t req_pushed; /* requests the back can see */
	uint32_t rsp_cons; /* next response to take */
};

struct xpv_back {
	struct xpv_ring ring;
	uint32_t rsp_prod; /* next response to fill, ahead of rsp_pushed */
	uint32_t rsp_pushed; /* responses the front can see */
	uint32_t req_cons; /* next request to take */
};

/*
 * Slots of @slot_size bytes in a ring of @bytes bytes: the largest power of
 * two that fits behind the header, 0 if none does.
 */
static inline uint32_t xpv_ring_entries(size_t bytes, size_t slot_size)
{
	size_t fit, entries = 1;

	if (bytes <= XPV_RING_HEADER_SIZE || !slot_size)
		return 0;
	fit = (bytes - XPV_RING_HEADER_SIZE) / slot_size;
	if (!fit)
		return 0;
	while (entries * 2 <= fit)
		entries *= 2;
	return (uint32_t)entries;
}

static inline void xpv_ring_map(struct xpv_ring *ring, void *mem, size_t bytes,
				size_t slot_size)
{
	ring->shared = mem;
	ring->slots = (uint8_t *)mem + XPV_RING_HEADER_SIZE;
	ring->slot_size = (uint32_t)slot_size;
	ring->entries = xpv_ring_entries(bytes, slot_size);
}

static inline void *xpv_ring_slot(const struct xpv_ring *ring, uint32_t index)
{
	return ring->slots +
	       (size_t)(index & (ring->entries - 1)) * ring->slot_size;
}

/*
 * Did the peer ask to be told of anything in (old, new]? It did when its
 * event index lies in that interval; the arithmetic is modulo 2^32.
 */
static inline bool xpv_ring_wants_event(uint32_t event, uint32_t old,
					uint32_t new)
{
	return new - event < new - old;
}

/* ---- front half ---- */

/* Start an empty ring in @mem, which holds @bytes bytes of zeroed pages. */
static inline void xpv_front_init(struct xpv_front *f, void *mem, size_t bytes,
				  size_t slot_size)
{
	xpv_ring_map(&f->ring, mem, bytes, slot_size);
	memset(mem, 0, XPV_RING_HEADER_SIZE);
	/* 1: the first request and the first response are to be signalled. */
	f->ring.shared->req_event = 1;
	f->ring.shared->rsp_event = 1;
	f->req_prod = 0;
	f->req_pushed = 0;
	f->rsp_cons = 0;
}

/* Requests that can still be filled before a response must be taken. */
static inline uint32_t xpv_front_room(const struct xpv_front *f)
{
	return f->ring.entries - (f->req_prod - f->rsp_cons);
}

/* The next free slot. Needs room. Seen by the back only after a push. */
static inline void *xpv_front_request(struct xpv_front *f)
{
	return xpv_ring_slot(&f->ring, f->req_prod++);
}

/* Forget the requests filled since the last push. */
static inline void xpv_front_abandon(struct xpv_front *f)
{
	f->req_prod = f->req_pushed;
}

/* Publish what was filled. True: the back asked to be notified. */
static inline bool xpv_front_push(struct xpv_front *f)
{
	uint32_t old = f->req_pushed, new = f->req_prod;

	if (old == new)
		return false;
	xpv_store_release(&f->ring.shared->req_prod, new);
	f->req_pushed = new;
	xpv_mb(); /* the back sees req_prod before we read its req_event */
	return xpv_ring_wants_event(xpv_load_once(&f->ring.shared->req_event),
				    old, new);
}

/* Responses ready to take, or XPV_RING_BROKEN: more than was requested. */
static inline int xpv_front_pending(const struct xpv_front *f)
{
	uint32_t n = xpv_load_acquire(&f->ring.shared->rsp_prod) - f->rsp_cons;

	if (n > f->req_pushed - f->rsp_cons)
		return XPV_RING_BROKEN;
	return (int)n;
}

/* Copy the next response, @len bytes. Only for one counted as pending. */
static inline void xpv_front_take(struct xpv_front *f, void *rsp, size_t len)
{
	xpv_copy_once(rsp, xpv_ring_slot(&f->ring, f->rsp_cons++), len);
}

/*
 * Ask for an event at the next response and look once more: one that came
 * meanwhile would never be signalled. Call it before sleeping, only then.
 */
static inline int xpv_front_final_check(const struct xpv_front *f)
{
	int n = xpv_front_pending(f);

	if (n)
		return n;
	xpv_store_once(&f->ring.shared->rsp_event, f->rsp_cons + 1);
	xpv_mb(); /* the back sees rsp_event before we read its rsp_prod */
	return xpv_front_pending(f);
}

/* ---- back half ---- */

/*
 * Attach to a ring that the front made in @mem, @bytes bytes. A back that
 * takes over from a predecessor goes on at the responses the front can see.
 * Returns 0, or XPV_RING_BROKEN if the indices cannot be.
 */
static inline int xpv_back_attach(struct xpv_back *b, void *mem, size_t bytes,
				  size_t slot_size)
{
	uint32_t rsp, req;

	xpv_ring_map(&b->ring, mem, bytes, slot_size);
	rsp = xpv_load_acquire(&b->ring.shared->rsp_prod);
	req = xpv_load_acquire(&b->ring.shared->req_prod);
	b->rsp_prod = rsp;
	b->rsp_pushed = rsp;
	b->req_cons = rsp;
	if (!b->ring.entries || req - rsp > b->ring.entries)
		return XPV_RING_BROKEN;
	return 0;
}

/*
 * Requests ready to take, or XPV_RING_BROKEN: the front claims more than the
 * slots it can have free.
 */
static inline int xpv_back_pending(const struct xpv_back *b)
{
	uint32_t n = xpv_load_acquire(&b->ring.shared->req_prod) - b->req_cons;

	if (n > b->ring.entries - (b->req_cons - b->rsp_prod))
		return XPV_RING_BROKEN;
	return (int)n;
}

/* Copy the next request, @len bytes. Only for one counted as pending. */
static inline void xpv_back_take(struct xpv_back *b, void *req, size_t len)
{
	xpv_copy_once(req, xpv_ring_slot(&b->ring, b->req_cons++), len);
}

/* Copy the request @ahead slots after the next one, without taking it. */
static inline void xpv_back_peek(const struct xpv_back *b, uint32_t ahead,
				 void *req, size_t len)
{
	xpv_copy_once(req, xpv_ring_slot(&b->ring, b->req_cons + ahead), len);
}

/* Take @n requests that were copied by xpv_back_peek(). */
static inline void xpv_back_skip(struct xpv_back *b, uint32_t n)
{
	b->req_cons += n;
}

/* Give the last @n that were taken back: they are taken anew, later. */
static inline void xpv_back_return(struct xpv_back *b, uint32_t n)
{
	b->req_cons -= n;
}

/*
 * Put the request in slot @from, which a response is about to take, into slot
 * @to, whose own is the one that it answers. Any free-running indices do.
 */
static inline void xpv_back_move(const struct xpv_back *b, uint32_t from,
				 uint32_t to)
{
	memmove(xpv_ring_slot(&b->ring, to), xpv_ring_slot(&b->ring, from),
		b->ring.slot_size);
}

/* Requests taken and not answered yet. */
static inline uint32_t xpv_back_unanswered(const struct xpv_back *b)
{
	return b->req_cons - b->rsp_prod;
}

/* Fill the next response with @len bytes. Needs an unanswered request. */
static inline void xpv_back_put(struct xpv_back *b, const void *rsp, size_t len)
{
	memcpy(xpv_ring_slot(&b->ring, b->rsp_prod++), rsp, len);
}

/* Publish what was filled. True: the front asked to be notified. */
static inline bool xpv_back_push(struct xpv_back *b)
{
	uint32_t old = b->rsp_pushed, new = b->rsp_prod;

	if (old == new)
		return false;
	xpv_store_release(&b->ring.shared->rsp_prod, new);
	b->rsp_pushed = new;
	xpv_mb(); /* the front sees rsp_prod before we read its rsp_event */
	return xpv_ring_wants_event(xpv_load_once(&b->ring.shared->rsp_event),
				    old, new);
}

/* Ask for an event at request number req_cons + @more and look once more. */
static inline int xpv_back_final_check_at(const struct xpv_back *b,
					  uint32_t more)
{
	int n = xpv_back_pending(b);

	if (n < 0 || (uint32_t)n >= more)
		return n;
	xpv_store_once(&b->ring.shared->req_event, b->req_cons + more);
	xpv_mb(); /* the front sees req_event before we read its req_prod */
	return xpv_back_pending(b);
}

/* As xpv_front_final_check(), for the next request. */
static inline int xpv_back_final_check(const struct xpv_back *b)
{
	return xpv_back_final_check_at(b, 1);
}

#endif
