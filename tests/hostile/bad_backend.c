// SPDX-License-Identifier: MIT
/*
 * A block backend that keeps to the protocol until the guest reads from
 * sector TRIGGER on, and then breaks it in one way; or one that can less than
 * ours, or more, and fails what it did not ask for. Nothing is behind the
 * disk: reads are answered without data.
 *
 *	bad-backend MODE DOMID VIRTUAL-DEVICE
 *
 * Ends when the frontend has closed; the exit code is 0 if it did so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "blkif.h"
#include "peer.h"
#include "ring.h"

#define TRIGGER	  4096u
#define SECTORS	  8192u
#define INDIRECT  32u
#define POLL_US	  2000
#define STORM	  50000
#define FAR_AHEAD 5u
/* xl waits 10 s for a device to close. */
#define LATE_S 14

struct bad {
	struct peer peer;
	void *memory;
	struct xpv_back ring;
	uint32_t port;
	bool silent; /* from now on */
	bool always; /* acts on every request, not only on reads far out */
	bool owes; /* an answer to: */
	struct xpv_blk_request owed;
	time_t asked; /* to close, at the first look */
	void *kept; /* a page of the guest's that we do not unmap */
};

static const struct xpv_blkif_abi *const abi = &xpv_blkif_x86_64;

/* ---- the protocol as it should be ---- */

static void notify(struct bad *b)
{
	b->peer.h->ops->evtchn_notify(b->peer.h, b->port);
}

static void respond(struct bad *b, uint64_t id, uint8_t op, int16_t status)
{
	struct xpv_blk_response rsp = {.id = id, .op = op, .status = status};
	uint8_t wire[XPV_BLKIF_MAX_SLOT];

	xpv_blkif_encode_response(abi, &rsp, wire);
	xpv_back_put(&b->ring, wire, abi->rsp_size);
	xpv_back_push(&b->ring);
	notify(b);
}

static void answer(struct bad *b, const struct xpv_blk_request *req)
{
	respond(b, req->id, req->op, XPV_BLKIF_OKAY);
}

/* ---- the ways to break it ---- */

static void bad_id(struct bad *b, const struct xpv_blk_request *req)
{
	respond(b, UINT64_MAX, req->op, XPV_BLKIF_OKAY);
}

static void idle_id(struct bad *b, const struct xpv_blk_request *req)
{
	respond(b, (req->id + 1) % b->ring.ring.entries, req->op,
		XPV_BLKIF_OKAY);
}

static void bad_op(struct bad *b, const struct xpv_blk_request *req)
{
	respond(b, req->id, req->op ^ 1, XPV_BLKIF_OKAY);
}

/* An error, and no more than that. */
static void bad_status(struct bad *b, const struct xpv_blk_request *req)
{
	respond(b, req->id, req->op, 77);
}

static void move_index(struct bad *b, uint32_t by)
{
	struct xpv_sring *shared = b->ring.ring.shared;

	xpv_store_release(&shared->rsp_prod, b->ring.rsp_prod + by);
	notify(b);
	b->silent = true;
}

static void beyond(struct bad *b, const struct xpv_blk_request *req)
{
	(void)req;
	move_index(b, FAR_AHEAD);
}

static void backwards(struct bad *b, const struct xpv_blk_request *req)
{
	(void)req;
	move_index(b, (uint32_t)-1);
}

static void *map_to_read(struct bad *b, uint32_t gref)
{
	void *page = b->peer.h->ops->map(b->peer.h, b->peer.domid, &gref, 1,
					 HYPER_READ);

	if (!page)
		peer_die("mapping a page");
	return page;
}

/* The answer comes while we hold a page of the request, against the rules. */
static void mapped(struct bad *b, const struct xpv_blk_request *req)
{
	if (req->nr_segs && !req->indirect && !b->kept)
		b->kept = map_to_read(b, req->seg[0].gref);
	answer(b, req);
}

/* Is there more to see than the sectors that were asked for? (XSA-403) */
static bool leaks(struct bad *b, const struct xpv_blk_seg *seg)
{
	size_t from = seg->first * XPV_SECTOR_SIZE;
	size_t to = (seg->last + 1) * XPV_SECTOR_SIZE;
	uint8_t *page = map_to_read(b, seg->gref);
	bool any = false;

	for (size_t i = 0; i < XPV_PAGE_SIZE; i++)
		any |= (i < from || i >= to) && page[i];
	b->peer.h->ops->unmap(b->peer.h, page, 1);
	return any;
}

static void peek(struct bad *b, const struct xpv_blk_request *req)
{
	bool any = req->nr_segs && !req->indirect && leaks(b, &req->seg[0]);

	respond(b, req->id, req->op, any ? XPV_BLKIF_ERROR : XPV_BLKIF_OKAY);
}

static void storm(struct bad *b, const struct xpv_blk_request *req)
{
	for (int i = 0; i < STORM; i++)
		notify(b);
	answer(b, req);
}

static void silent(struct bad *b, const struct xpv_blk_request *req)
{
	(void)req;
	b->silent = true;
}

/* Asked to close, it takes its time with what it was told to do, and does it. */
static void late(struct bad *b, const struct xpv_blk_request *req)
{
	b->owed = *req;
	b->owes = true;
}

static void pay(struct bad *b)
{
	if (!b->owes)
		return;
	if (!b->asked && peer_back_state(&b->peer) == XPV_STATE_CLOSING)
		b->asked = time(NULL);
	if (!b->asked || time(NULL) - b->asked < LATE_S)
		return;
	answer(b, &b->owed);
	b->owes = false;
}

/* Two requests at once, of which the first is answered twice. */
static void twice(struct bad *b, const struct xpv_blk_request *req)
{
	static struct xpv_blk_request held;
	static bool holds;

	if (!holds) {
		held = *req;
		holds = true;
		return;
	}
	answer(b, &held);
	answer(b, &held);
	b->silent = true;
}

/* What cannot be used must not be: the disk does not come. */
static void bad_offer(struct bad *b)
{
	peer_put_text(&b->peer, XPV_KEY_SECTORS, "18446744073709551615");
	peer_put_text(&b->peer, XPV_KEY_SECTOR_SIZE, "513");
}

/* Nor is there another size that would do for this one. */
static void bad_sector(struct bad *b)
{
	peer_put_text(&b->peer, XPV_KEY_SECTOR_SIZE, "8192");
}

/* What is out of range is as if it were absent; so are unknown bits alone. */
static void huge_offer(struct bad *b)
{
	peer_put_text(&b->peer, XPV_KEY_MAX_RING_ORDER, "77");
	peer_put_text(&b->peer, XPV_KEY_MQ_MAX_QUEUES, "4294967295");
	peer_put_text(&b->peer, XPV_KEY_MAX_INDIRECT, "4294967295");
	peer_put(&b->peer, XPV_KEY_INFO, XPV_VDISK_READONLY | 8);
}

/* ---- no breach: others than ours ---- */

/* The toolstack's word, which is there before the frontend looks. */
static void offer_untrusted(struct bad *b)
{
	if (hyper_writef(b->peer.h, 0, b->peer.front, xpv_key(XPV_KEY_TRUSTED),
			 "0"))
		peer_die("trusted");
}

/* A barrier is all that there is; so few segments are not worth a page. */
static void offer_barrier(struct bad *b)
{
	b->always = true;
	peer_put(&b->peer, XPV_KEY_FEATURE_FLUSH, 0);
	peer_put(&b->peer, XPV_KEY_FEATURE_BARRIER, 1);
	peer_put(&b->peer, XPV_KEY_MAX_INDIRECT, 8);
}

static void barrier(struct bad *b, const struct xpv_blk_request *req)
{
	bool good =
		req->op == XPV_BLKIF_READ || req->op == XPV_BLKIF_WRITE_BARRIER;

	respond(b, req->id, req->op, good ? XPV_BLKIF_OKAY : XPV_BLKIF_ERROR);
}

static void offer_no_cache(struct bad *b)
{
	b->always = true;
	peer_put(&b->peer, XPV_KEY_FEATURE_FLUSH, 0);
}

static void no_cache(struct bad *b, const struct xpv_blk_request *req)
{
	bool good = req->op == XPV_BLKIF_READ || req->op == XPV_BLKIF_WRITE;

	respond(b, req->id, req->op, good ? XPV_BLKIF_OKAY : XPV_BLKIF_ERROR);
}

/* It had a flush and has it no more. Whoever asks again is told otherwise. */
static void offer_flush(struct bad *b)
{
	b->always = true;
}

static void refuse(struct bad *b, const struct xpv_blk_request *req)
{
	static bool refused;

	if (req->op != XPV_BLKIF_FLUSH) {
		answer(b, req);
		return;
	}
	respond(b, req->id, req->op,
		refused ? XPV_BLKIF_ERROR : XPV_BLKIF_EOPNOTSUPP);
	refused = true;
}

/* What is discarded must be so securely. */
static void offer_secure(struct bad *b)
{
	b->always = true;
	peer_put(&b->peer, XPV_KEY_FEATURE_DISCARD, 1);
	peer_put(&b->peer, XPV_KEY_DISCARD_SECURE, 1);
	peer_put(&b->peer, XPV_KEY_DISCARD_GRANULARITY, 8192);
	peer_put(&b->peer, XPV_KEY_DISCARD_ALIGNMENT, 4096);
	peer_put(&b->peer, XPV_KEY_PHYSICAL_SECTOR_SIZE, 4096);
	peer_put(&b->peer, XPV_KEY_INFO, XPV_VDISK_REMOVABLE);
}

static void secure(struct bad *b, const struct xpv_blk_request *req)
{
	bool good = req->op != XPV_BLKIF_DISCARD || req->secure;

	respond(b, req->id, req->op, good ? XPV_BLKIF_OKAY : XPV_BLKIF_ERROR);
}

static const struct mode {
	const char *name;
	void (*offer)(struct bad *b);
	void (*act)(struct bad *b, const struct xpv_blk_request *req);
} modes[] = {
	{"id", NULL, bad_id},
	{"idle", NULL, idle_id},
	{"op", NULL, bad_op},
	{"status", NULL, bad_status},
	{"beyond", NULL, beyond},
	{"backwards", NULL, backwards},
	{"mapped", NULL, mapped},
	{"storm", NULL, storm},
	{"silent", NULL, silent},
	{"twice", NULL, twice},
	{"peek", NULL, peek},
	{"offer", bad_offer, NULL},
	{"huge", huge_offer, answer},
	{"late", NULL, late},
	{"sector", bad_sector, NULL},
	{"untrusted", offer_untrusted, peek},
	{"barrier", offer_barrier, barrier},
	{"no-cache", offer_no_cache, no_cache},
	{"refuse", offer_flush, refuse},
	{"secure", offer_secure, secure},
};

/* ---- the life of the device ---- */

static void offer(struct bad *b, const struct mode *mode)
{
	peer_put(&b->peer, XPV_KEY_FEATURE_FLUSH, 1);
	peer_put(&b->peer, XPV_KEY_MAX_INDIRECT, INDIRECT);
	peer_put(&b->peer, XPV_KEY_SECTORS, SECTORS);
	peer_put(&b->peer, XPV_KEY_SECTOR_SIZE, XPV_SECTOR_SIZE);
	peer_put(&b->peer, XPV_KEY_INFO, 0);
	if (mode->offer)
		mode->offer(b);
	peer_put(&b->peer, XPV_KEY_STATE, XPV_STATE_INIT_WAIT);
}

static void connect(struct bad *b)
{
	b->memory = peer_map(&b->peer, peer_get(&b->peer, XPV_KEY_RING_REF));
	if (xpv_back_attach(&b->ring, b->memory, XPV_PAGE_SIZE, abi->slot_size))
		peer_die("ring");
	b->port =
		peer_bind(&b->peer, peer_get(&b->peer, XPV_KEY_EVENT_CHANNEL));
	peer_put(&b->peer, XPV_KEY_STATE, XPV_STATE_CONNECTED);
}

static void serve(struct bad *b, const struct mode *mode)
{
	static const struct xpv_blk_limits limits = {
		.sectors = SECTORS,
		.align = 1,
		.max_indirect = INDIRECT,
	};
	struct xpv_blk_request req;
	uint8_t slot[XPV_BLKIF_MAX_SLOT];

	while (!b->silent && xpv_back_final_check(&b->ring) > 0) {
		xpv_back_take(&b->ring, slot, abi->slot_size);
		xpv_blkif_decode(abi, &limits, slot, &req);
		if (b->always ||
		    (req.sector >= TRIGGER && req.op == XPV_BLKIF_READ))
			mode->act(b, &req);
		else
			answer(b, &req);
	}
}

static bool life(struct bad *b, const struct mode *mode)
{
	bool connected = false;

	offer(b, mode);
	peer_wait_for_script(&b->peer);
	if (!peer_front_reaches(&b->peer, XPV_STATE_INITIALISED))
		return false;
	connect(b);
	/* the toolstack says when it is over, or the frontend does */
	for (;;) {
		unsigned int front = peer_front_state(&b->peer);

		connected |= front == XPV_STATE_CONNECTED;
		if (front >= XPV_STATE_CLOSING)
			break;
		if (connected && front < XPV_STATE_CONNECTED)
			break;
		serve(b, mode);
		pay(b);
		usleep(POLL_US);
	}
	peer_put(&b->peer, XPV_KEY_STATE, XPV_STATE_CLOSING);
	/* one that was taken away by force has no state */
	if (peer_front_state(&b->peer) != XPV_STATE_UNKNOWN &&
	    !peer_front_reaches(&b->peer, XPV_STATE_CLOSED))
		return false;
	/* the page that was kept goes last: the guest had to do without it */
	if (b->kept)
		b->peer.h->ops->unmap(b->peer.h, b->kept, 1);
	b->peer.h->ops->evtchn_unbind(b->peer.h, b->port);
	b->peer.h->ops->unmap(b->peer.h, b->memory, 1);
	peer_put(&b->peer, XPV_KEY_STATE, XPV_STATE_CLOSED);
	return true;
}

int main(int argc, char **argv)
{
	const struct mode *mode = NULL;
	struct bad b = {.silent = false};

	for (size_t i = 0; argc == 4 && i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(argv[1], modes[i].name))
			mode = &modes[i];
	if (!mode) {
		fprintf(stderr, "bad-backend MODE DOMID VIRTUAL-DEVICE\n");
		return 2;
	}
	peer_open(&b.peer, XPV_CLASS_VBD, (unsigned int)atoi(argv[2]),
		  (unsigned int)atoi(argv[3]));
	return life(&b, mode) ? 0 : 1;
}
