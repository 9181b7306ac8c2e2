// SPDX-License-Identifier: MIT
/* The load over our ring engine: copies and checks as the vbd makes them. */
#include "bench.h"
#include "ring_load.h"

#include "blkif.h"
#include "ring.h"

#define ABI (&xpv_blkif_x86_64)

static void init(const struct ring_load *load)
{
	struct xpv_front f;

	xpv_front_init(&f, load->page, XPV_PAGE_SIZE, ABI->slot_size);
}

/* The front was made by init(): this only finds it again. */
static void attach_front(struct xpv_front *f, void *page)
{
	*f = (struct xpv_front){.req_prod = 0};
	xpv_ring_map(&f->ring, page, XPV_PAGE_SIZE, ABI->slot_size);
}

struct wire_request {
	uint8_t bytes[112];
};

static inline void put_request(struct xpv_front *f, uint64_t id)
{
	struct wire_request *slot = xpv_front_request(f);

	slot->bytes[0] = XPV_BLKIF_READ;
	slot->bytes[1] = 1;
	memcpy(slot->bytes + 8, &id, sizeof(id));
	memcpy(slot->bytes + 16, &id, sizeof(id));
}

static inline uint32_t pending(int n)
{
	if (n < 0)
		die("ring broken");
	return (uint32_t)n;
}

static inline uint64_t take_response(struct xpv_front *f)
{
	uint64_t bytes[2];

	xpv_front_take(f, bytes, sizeof(bytes));
	return bytes[0];
}

static inline uint64_t take_request(struct xpv_back *b)
{
	struct wire_request req;
	uint64_t id;

	xpv_back_take(b, &req, sizeof(req));
	memcpy(&id, req.bytes + 8, sizeof(id));
	return id;
}

static inline void respond(struct xpv_back *b, uint64_t id)
{
	uint64_t bytes[2] = {id, 0};

	xpv_back_put(b, bytes, sizeof(bytes));
}

#define FRONT		    struct xpv_front
#define FRONT_ATTACH(f, p)  attach_front(f, p)
#define ROOM(f)		    xpv_front_room(f)
#define REQUEST(f, id)	    put_request(f, id)
#define PUSH_REQUESTS(f)    (void)xpv_front_push(f)
#define RESPONSES(f)	    pending(xpv_front_pending(f))
#define TAKE_RESPONSE(f)    take_response(f)
#define BACK		    struct xpv_back
#define BACK_ATTACH(b, p)   xpv_back_attach(b, p, XPV_PAGE_SIZE, ABI->slot_size)
#define REQUESTS(b)	    pending(xpv_back_pending(b))
#define TAKE_REQUEST(b, id) (id = take_request(b))
#define RESPOND(b, id)	    respond(b, id)
#define PUSH_RESPONSES(b)   (void)xpv_back_push(b)

#include "ring_loops.h"

const struct ring_peer ring_ours = {"xpv", init, front, back};
