// SPDX-License-Identifier: MIT
#include "disk_guest.h"

#include <string.h>

#define NOTHING 0xff /* an operation that the storage is never asked for */

struct disk_guest guest;

/* ---- what is expected ---- */

static bool names(const struct asked *a, const struct storage_io *io)
{
	static const enum storage_op ops[] = {
		[XPV_BLKIF_READ] = STORAGE_READ,
		[XPV_BLKIF_WRITE] = STORAGE_WRITE,
		[XPV_BLKIF_WRITE_BARRIER] = STORAGE_WRITE,
		[XPV_BLKIF_FLUSH] = STORAGE_WRITE,
		[XPV_BLKIF_DISCARD] = STORAGE_DISCARD,
	};
	uint64_t sectors = io->length >> 9;

	return a->op <= XPV_BLKIF_DISCARD && a->op != XPV_BLKIF_RESERVED &&
	       ops[a->op] == io->op && a->sector == io->offset >> 9 &&
	       (a->indirect ? sectors <= a->sectors : sectors == a->sectors);
}

void disk_guest_asked(const struct storage_io *io)
{
	FUZZ_CHECK(!guest.vbd->limits.read_only || io->op == STORAGE_READ ||
		   io->op == STORAGE_FLUSH);
	if (io->op == STORAGE_FLUSH)
		return;
	for (unsigned int q = 0; q < guest.rings.nr_queues; q++)
		for (unsigned int i = 0; i < 64; i++)
			if (names(&guest.ring[q].asked[i], io))
				return;
	FUZZ_CHECK(!"the storage was asked for what no request names");
}

uint32_t ring_entries(void)
{
	return guest.vbd->queue[0].back.ring.entries;
}

void *ring_slot(const struct ring *r, uint32_t index)
{
	const struct xpv_blkif_abi *abi =
		guest.rings.abi ? &xpv_blkif_x86_32 : &xpv_blkif_x86_64;
	size_t bytes = (size_t)XPV_PAGE_SIZE << guest.rings.ring_order;
	uint32_t n = xpv_ring_entries(bytes, abi->slot_size);

	return (uint8_t *)r->mem + XPV_RING_HEADER_SIZE +
	       (size_t)(index & (n - 1)) * abi->slot_size;
}

void disk_guest_name(const uint8_t *wire)
{
	uint32_t gref;

	memcpy(&gref, wire, sizeof(gref));
	for (unsigned int i = 0; i <= PAGES; i++)
		for (unsigned int s = wire[4]; s <= wire[5] && s < 8; s++)
			if (guest.gref[i] == gref)
				guest.named[i] |= (uint8_t)(1u << s);
}

static void look_at_direct(struct asked *a, const uint8_t *slot,
			   const struct xpv_blkif_abi *abi)
{
	a->data = slot[1];
	for (unsigned int i = 0; i < slot[1] && i < 11; i++) {
		const uint8_t *wire = slot + abi->segments + i * 8;

		if (a->op == XPV_BLKIF_READ)
			disk_guest_name(wire);
		a->sectors += (uint64_t)wire[5] - wire[4] + 1;
	}
}

static void look_at_indirect(struct asked *a, const uint8_t *slot,
			     const struct xpv_blkif_abi *abi)
{
	uint32_t gref;
	uint16_t nr;

	a->op = slot[1];
	a->indirect = true;
	a->data = true;
	memcpy(&nr, slot + 2, sizeof(nr));
	a->sectors = nr * 8u;
	memcpy(&gref, slot + abi->indirect_grefs, sizeof(gref));
	for (unsigned int i = 0; i <= PAGES; i++)
		if (guest.gref[i] == gref && (i < WRITABLE || i == GONE))
			guest.any_named = true;
}

/* Before a turn: what it may take, read without the product's decoder. */
static void look_at(struct ring *r, const struct vbd_queue *q)
{
	const struct xpv_blkif_abi *abi = guest.vbd->abi;
	int pending = xpv_back_pending(&q->back);

	for (uint32_t i = q->back.req_cons; pending > 0; pending--, i++) {
		struct asked *a = &r->asked[i & (ring_entries() - 1)];
		const uint8_t *slot = ring_slot(r, i);

		memset(a, 0, sizeof(*a));
		a->op = slot[0];
		memcpy(&a->id, slot + abi->id, sizeof(a->id));
		memcpy(&a->sector, slot + abi->sector, sizeof(a->sector));
		if (a->op == XPV_BLKIF_INDIRECT) {
			look_at_indirect(a, slot, abi);
		} else if (a->op == XPV_BLKIF_DISCARD) {
			memcpy(&a->sectors, slot + abi->discard_sectors, 8);
			a->data = a->sectors;
		} else {
			look_at_direct(a, slot, abi);
		}
	}
	r->answered = q->back.rsp_prod;
}

static void count_okay(const struct asked *a)
{
	if (a->op == XPV_BLKIF_READ)
		guest.told[STORAGE_READ]++;
	else if (a->op == XPV_BLKIF_DISCARD)
		guest.told[STORAGE_DISCARD] += a->data;
	else if (a->data)
		guest.told[STORAGE_WRITE]++;
	if (a->op == XPV_BLKIF_FLUSH || a->op == XPV_BLKIF_WRITE_BARRIER)
		guest.told[STORAGE_FLUSH]++;
}

/*
 * Of requests with the same id and operation: does an answer of @status fit
 * @a rather than @b? What is said to be done is as little as may be.
 */
static bool fits_rather(const struct asked *a, const struct asked *b,
			int status)
{
	if (a->indirect != b->indirect && a->op > XPV_BLKIF_FLUSH)
		return a->indirect == (status != XPV_BLKIF_EOPNOTSUPP);
	return status == XPV_BLKIF_OKAY ? a->data < b->data : a->data > b->data;
}

/* The request that it answers, for which that of the slot comes in. */
static struct asked take_asked(struct ring *r, uint32_t index, uint32_t owed,
			       const struct xpv_blk_response *rsp)
{
	struct asked *first = &r->asked[index & (ring_entries() - 1)];
	struct asked *found = NULL, taken;

	for (uint32_t i = index; i != index + owed; i++) {
		struct asked *a = &r->asked[i & (ring_entries() - 1)];

		if (a->id == rsp->id && a->op == rsp->op &&
		    (!found || fits_rather(a, found, rsp->status)))
			found = a;
	}
	FUZZ_CHECK(found);
	taken = *found;
	*found = *first;
	first->op = NOTHING;
	return taken;
}

static void check_response(struct ring *r, uint32_t index, uint32_t owed)
{
	struct xpv_blk_response rsp;
	struct asked asked, *a = &asked;

	xpv_blkif_decode_response(guest.vbd->abi, ring_slot(r, index), &rsp);
	asked = take_asked(r, index, owed, &rsp);
	FUZZ_CHECK(rsp.status == XPV_BLKIF_OKAY ||
		   rsp.status == XPV_BLKIF_ERROR ||
		   rsp.status == XPV_BLKIF_EOPNOTSUPP);
	/* Told so, a guest would go on without flushing. */
	FUZZ_CHECK(rsp.status != XPV_BLKIF_EOPNOTSUPP ||
		   (a->op > XPV_BLKIF_FLUSH && !a->indirect));
	if (rsp.status == XPV_BLKIF_OKAY)
		count_okay(a);
}

static void check_ring(struct ring *r, const struct vbd_queue *q)
{
	uint32_t answered = q->back.rsp_prod - r->answered;
	uint32_t owed = q->back.req_cons - r->answered;

	FUZZ_CHECK(owed <= ring_entries() && answered <= owed);
	for (uint32_t i = 0; i < answered; i++)
		check_response(r, r->answered + i, owed - i);
	r->answered = q->back.rsp_prod;
}

void disk_guest_turn(void)
{
	unsigned int nr = guest.vbd->nr_queues;

	for (unsigned int q = 0; q < nr; q++)
		look_at(&guest.ring[q], &guest.vbd->queue[q]);
	host_turn();
	/* Disconnected meanwhile, there is no ring to look at. */
	for (unsigned int q = 0; q < nr && q < guest.vbd->nr_queues; q++)
		check_ring(&guest.ring[q], &guest.vbd->queue[q]);
	for (unsigned int op = 0; op < STORAGE_OPS; op++)
		FUZZ_CHECK(guest.told[op] <= slowdisk.done[op]);
	FUZZ_CHECK(guest.vbd->memory <= BUFFERS_PAGES);
	FUZZ_CHECK(guest.vbd->common->mapped_pages <= KEPT_PER_GUEST);
}

void disk_guest_check_pages(void)
{
	for (unsigned int i = 0; i < PAGES * 8; i++) {
		unsigned int page = i / 8, at = i % 8 * 512;

		if (page < WRITABLE &&
		    (guest.any_named || guest.named[page] >> (i % 8) & 1))
			continue;
		FUZZ_CHECK(!memcmp(guest.page[page] + at,
				   guest.shadow[page] + at, 512));
	}
}

static void make_guest(void)
{
	uint8_t *rw, *ro;

	if (guest.page[0])
		return;
	host_start();
	rw = host_share(WRITABLE, true, guest.gref);
	ro = host_share(READONLY, false, guest.gref + WRITABLE);
	for (unsigned int i = 0; i < PAGES; i++)
		guest.page[i] = i < WRITABLE
					? rw + i * XPV_PAGE_SIZE
					: ro + (i - WRITABLE) * XPV_PAGE_SIZE;
	for (unsigned int q = 0; q < QUEUES; q++) {
		struct ring *r = &guest.ring[q];

		r->mem = host_share(RING_PAGES, true, r->gref);
		r->port = host_port();
	}
}

/* It may be mapped, and then it stays. */
void disk_guest_revoke(void)
{
	struct hyper *h = host.front;

	if (guest.page[GONE]) {
		if (!h->ops->unshare(h, guest.page[GONE], 1))
			guest.page[GONE] = NULL;
		return;
	}
	guest.page[GONE] = host_share(1, true, &guest.gref[GONE]);
}

void disk_guest_start(void)
{
	make_guest();
	for (unsigned int i = 0; i < PAGES; i++)
		memset(guest.page[i], 0x5a, XPV_PAGE_SIZE);
	memset(guest.shadow, 0x5a, sizeof(guest.shadow));
	memset(guest.named, 0, sizeof(guest.named));
	memset(guest.told, 0, sizeof(guest.told));
	guest.any_named = false;
	if (!guest.page[GONE])
		disk_guest_revoke();
}

void disk_guest_connected(void)
{
	for (unsigned int q = 0; q < guest.rings.nr_queues; q++) {
		struct ring *r = &guest.ring[q];

		memset(r->asked, NOTHING, sizeof(r->asked));
		r->prod = guest.vbd->queue[q].back.req_cons;
	}
}
