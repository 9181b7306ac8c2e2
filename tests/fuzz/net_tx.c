// SPDX-License-Identifier: MIT
/*
 * A hostile guest that sends: the transmit half of the network engine.
 *
 * What has to hold: whole packets are answered, each slot once and in order,
 * an extra's with NULL; OK means that one frame went out, with the bytes that
 * the guest's pages hold; what the port is told of a frame is true of it; and
 * a packet that is whole is not left lying.
 */
#include "common/nic.h"

enum op {
	OP_PACKET,
	OP_RAW,
	OP_PUSH,
	OP_TURN,
	OP_HEADERS,
	OP_PAGE,
	OP_RING,
	OP_REWRITE,
	OP_RECONNECT,
	OP_TUNE,
	OPS,
};

union slot {
	struct xpv_netif_tx_request req;
	struct xpv_netif_extra extra;
};

_Static_assert(sizeof(union slot) == XPV_NETIF_TX_SLOT, "a slot of the ring");

/* The ring as it stood before the turn, and how far it was answered. */
static struct seen {
	union slot slot[NIC_SLOTS];
	uint32_t answered, pending;
} seen[NIC_QUEUES];
/* The guest has changed slots that may have been seen. */
static bool rewritten;

/* ---- what is expected ---- */

/* A packet on the ring, as the protocol has it. */
struct packet {
	uint32_t slots, extras, size;
	bool whole, gso, mcast;
	uint32_t first; /* bytes of the first fragment */
};

static const union slot *look(const struct seen *s, uint32_t index)
{
	return &s->slot[index % NIC_SLOTS];
}

static struct packet read_packet(const struct seen *s, uint32_t at)
{
	uint32_t end = s->answered + s->pending, rest = 0;
	const union slot *slot = look(s, at);
	struct packet p = {.slots = 1, .size = slot->req.size};
	bool more = slot->req.flags & XPV_TX_EXTRA;
	uint16_t flags = slot->req.flags;

	for (; more && at + p.slots != end; p.slots++, p.extras++) {
		slot = look(s, at + p.slots);
		more = slot->extra.flags & XPV_EXTRA_MORE;
		p.gso |= slot->extra.type == XPV_EXTRA_GSO;
		p.mcast |= slot->extra.type == XPV_EXTRA_MCAST_ADD ||
			   slot->extra.type == XPV_EXTRA_MCAST_DEL;
	}
	for (; !more && flags & XPV_TX_MORE && at + p.slots != end; p.slots++) {
		slot = look(s, at + p.slots);
		flags = slot->req.flags;
		rest += slot->req.size;
	}
	p.whole = !more && !(flags & XPV_TX_MORE);
	p.first = p.size - rest;
	return p;
}

/* The bytes at @at of the frame are those of the fragment. */
static bool same(const struct memframe *f, uint32_t at,
		 const struct xpv_netif_tx_request *frag, uint32_t size)
{
	unsigned int number;
	const uint8_t *page = nic_page(frag->gref, &number);

	return !size || (page && frag->offset + size <= XPV_PAGE_SIZE &&
			 !memcmp(f->data + at, page + frag->offset, size));
}

static void check_frame(const struct seen *s, uint32_t at,
			const struct packet *p, const struct memframe *f)
{
	const union slot *slot = look(s, at);
	uint32_t done = p->first;

	FUZZ_CHECK(f->len == p->size);
	FUZZ_CHECK(p->gso || f->off.gso == PORT_GSO_NONE);
	/* Its checksum may have been mended. */
	if (p->gso)
		return;
	FUZZ_CHECK(f->off.csum_needed ==
		   !!(slot->req.flags & XPV_TX_CSUM_BLANK));
	FUZZ_CHECK(same(f, 0, &slot->req, p->first));
	for (uint32_t i = 1 + p->extras; i < p->slots; i++) {
		slot = look(s, at + i);
		FUZZ_CHECK(same(f, done, &slot->req, slot->req.size));
		done += slot->req.size;
	}
}

/* Returns the status that all of them have. */
static int16_t check_answers(const struct nic_ring *r, const struct seen *s,
			     uint32_t at, const struct packet *p)
{
	struct xpv_netif_tx_response rsp, first;

	memcpy(&first, nic_slot(r, at, XPV_NETIF_TX_SLOT), sizeof(first));
	FUZZ_CHECK(first.status == XPV_NETIF_OKAY ||
		   first.status == XPV_NETIF_ERROR ||
		   first.status == XPV_NETIF_DROPPED);
	for (uint32_t i = 0; i < p->slots; i++) {
		memcpy(&rsp, nic_slot(r, at + i, XPV_NETIF_TX_SLOT),
		       sizeof(rsp));
		if (i && i <= p->extras) {
			FUZZ_CHECK(rsp.status == XPV_NETIF_NULL);
			continue;
		}
		FUZZ_CHECK(rsp.id == look(s, at + i)->req.id);
		FUZZ_CHECK(rsp.status == first.status);
	}
	return first.status;
}

/* Returns the number of frames that its answers tell of. */
static unsigned int check_queue(unsigned int q, unsigned int frame)
{
	const struct xpv_back *b = &nic.vif->queue[q].tx;
	const struct seen *s = &seen[q];
	uint32_t at = s->answered;

	FUZZ_CHECK(b->rsp_prod - s->answered <= s->pending);
	FUZZ_CHECK(b->rsp_prod == b->req_cons);
	while (at != b->rsp_prod) {
		struct packet p = read_packet(s, at);

		FUZZ_CHECK(p.whole && p.slots <= b->rsp_prod - at);
		FUZZ_CHECK(p.slots - p.extras <= XPV_NETIF_FATAL_SLOTS);
		if (check_answers(&nic.tx[q], s, at, &p) == XPV_NETIF_OKAY &&
		    !p.mcast) {
			FUZZ_CHECK(frame < memport_sent.nr);
			check_frame(s, at, &p, &memport_sent.frame[frame++]);
		}
		at += p.slots;
	}
	return frame;
}

static void turn(void)
{
	unsigned int frame = 0;

	for (unsigned int q = 0; q < nic.vif->nr_connected; q++) {
		const struct xpv_back *b = &nic.vif->queue[q].tx;
		int pending = xpv_back_pending(b);

		memcpy(seen[q].slot, nic_slot(&nic.tx[q], 0, XPV_NETIF_TX_SLOT),
		       sizeof(seen[q].slot));
		seen[q].answered = b->rsp_prod;
		seen[q].pending = pending > 0 ? (uint32_t)pending : 0;
	}
	memport_sent.nr = 0;
	host_turn();
	for (unsigned int q = 0; q < nic.vif->nr_connected; q++)
		frame = check_queue(q, frame);
	FUZZ_CHECK(frame == memport_sent.nr);
}

/* ---- what the guest does ---- */

static struct nic_ring *choose(struct input *in)
{
	return &nic.tx[input_u8(in) % nic.connect.nr_queues];
}

/* What it puts there, or takes back, the backend has been shown already. */
static bool is_behind(const struct nic_ring *r)
{
	return (int32_t)(r->prod - r->shared->req_prod) < 0;
}

static bool put(struct nic_ring *r, const void *slot)
{
	const struct vif_queue *q = &nic.vif->queue[r - nic.tx];

	if (!nic.vif->nr_connected || r->prod - q->tx.rsp_prod >= NIC_SLOTS)
		return false;
	rewritten |= is_behind(r);
	memcpy(nic_slot(r, r->prod++, XPV_NETIF_TX_SLOT), slot,
	       XPV_NETIF_TX_SLOT);
	return true;
}

static void put_extra(struct nic_ring *r, struct input *in, bool more)
{
	uint8_t what = input_u8(in);
	union slot slot = {.extra = {.type = what & 7, .flags = more}};

	if (slot.extra.type == XPV_EXTRA_GSO) {
		slot.extra.gso.type = 1 + (what >> 3 & 1);
		slot.extra.gso.size = input_u16(in) & 0x7ff;
	} else {
		input_bytes(in, slot.extra.mcast.addr, 6);
	}
	put(r, &slot);
}

static union slot fragment(struct input *in, bool more)
{
	uint8_t where = input_u8(in), page = input_u8(in);
	union slot slot = {
		.req = {.gref = host_gref(page, nic.gref, NIC_PAGES),
			.offset = where & 0x80 ? (where & 0x7fu) * 32 : 0,
			.flags = more ? XPV_TX_MORE : 0,
			.id = where,
			.size = input_u16(in) & 0x1fff},
	};

	if (slot.req.size > 0x1000)
		slot.req.size = (uint16_t)(XPV_PAGE_SIZE - slot.req.offset);
	return slot;
}

/* The total is the sum of its fragments, or that and a little. */
static void put_packet(struct input *in)
{
	struct nic_ring *r = choose(in);
	uint8_t shape = input_u8(in), flags = input_u8(in);
	unsigned int nr = 1 + (shape & 31) % 21, extras = flags >> 4 & 3;
	union slot frag[32];
	uint32_t total = 0;

	if (flags & 0x80)
		nr = 1 + nr % 3;
	for (unsigned int i = 0; i < nr; i++) {
		frag[i] = fragment(in, i + 1 < nr);
		total += frag[i].req.size;
	}
	frag[0].req.size = (uint16_t)(total + (shape >> 6 == 3));
	frag[0].req.flags |=
		flags & (XPV_TX_CSUM_BLANK | XPV_TX_DATA_VALIDATED);
	if (extras)
		frag[0].req.flags |= XPV_TX_EXTRA;
	put(r, &frag[0]);
	for (unsigned int i = 0; i < extras; i++)
		put_extra(r, in, i + 1 < extras);
	for (unsigned int i = 1; i < nr; i++)
		put(r, &frag[i]);
}

static void write_headers(struct input *in)
{
	struct port_offload off;
	uint8_t kind = input_u8(in), where = input_u8(in);

	nic_headers(kind, input_u16(in),
		    nic.page[where % NIC_PAGES] + (where & 0x80 ? 512 : 0),
		    &off);
}

static void write_page(struct input *in)
{
	uint8_t *page = nic.page[input_u8(in) % NIC_PAGES];
	unsigned int at = input_u16(in) % (XPV_PAGE_SIZE - 16);

	input_bytes(in, page + at, 1 + input_u8(in) % 16);
}

static void tune(struct input *in)
{
	struct ipc_vif_tune t = nic.connect.tune;
	struct reason why;

	t.multicast_filter = input_u8(in) & 1;
	t.headroom = input_u16(in);
	vif_tune(nic.vif, &t, &why);
}

static void operation(struct input *in)
{
	struct nic_ring *r;
	union slot slot;

	switch (input_u8(in) % OPS) {
	case OP_PACKET:
		put_packet(in);
		break;
	case OP_RAW:
		r = choose(in);
		input_bytes(in, &slot, sizeof(slot));
		put(r, &slot);
		break;
	case OP_PUSH:
		r = choose(in);
		rewritten |= is_behind(r);
		nic_push(r);
		break;
	case OP_TURN:
		turn();
		break;
	case OP_HEADERS:
		write_headers(in);
		break;
	case OP_PAGE:
		write_page(in);
		break;
	case OP_RING:
		r = choose(in);
		nic_write_header(r, in);
		rewritten = true; /* puts then reach what is seen */
		break;
	case OP_REWRITE:
		r = choose(in);
		input_bytes(in, nic_slot(r, input_u8(in), XPV_NETIF_TX_SLOT),
			    XPV_NETIF_TX_SLOT);
		rewritten = true;
		break;
	case OP_RECONNECT:
		nic_reconnect(in);
		break;
	case OP_TUNE:
		tune(in);
		break;
	}
}

static uint32_t waiting(void)
{
	uint32_t n = 0;

	for (unsigned int q = 0; q < nic.vif->nr_connected; q++)
		n += (uint32_t)xpv_back_pending(&nic.vif->queue[q].tx);
	return n;
}

/* What is left on the rings is no packet yet. */
static void settle(void)
{
	uint32_t before;

	do {
		before = waiting();
		turn();
	} while (waiting() != before && !nic.vif->broken);
	turn();
	/* A packet may have been made whole behind the back of who saw a part
	 * of it, and looks again when there is more. */
	if (nic.vif->broken || rewritten)
		return;
	for (unsigned int q = 0; q < nic.vif->nr_connected; q++)
		if (seen[q].pending)
			FUZZ_CHECK(
				!read_packet(&seen[q], seen[q].answered).whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};

	rewritten = false;
	nic_start(&in);
	while (in.left)
		operation(&in);
	settle();
	nic_stop();
	return 0;
}
