// SPDX-License-Identifier: MIT
#include "nic_rx.h"

#include <string.h>

/* A slot of the ring as it stood before the turn. */
struct posted {
	struct xpv_netif_rx_request slot[NIC_SLOTS];
	uint32_t answered, pending;
};

static struct posted posted[NIC_QUEUES];
/* Of each page: what may have been written. */
static struct {
	uint32_t from, to;
} written[NIC_PAGES];
/* Pages that this turn's responses have used, and how often. */
static unsigned int uses[NIC_PAGES];

void nic_rx_start(void)
{
	for (unsigned int i = 0; i < NIC_PAGES; i++) {
		written[i].from = XPV_PAGE_SIZE;
		written[i].to = 0;
	}
}

static void may_be_written(unsigned int page, uint32_t from, uint32_t to)
{
	if (from < written[page].from)
		written[page].from = from;
	if (to > written[page].to)
		written[page].to = to;
}

static union rx_response response(unsigned int q, uint32_t index)
{
	union rx_response rsp;

	memcpy(&rsp, nic_slot(&nic.rx[q], index, XPV_NETIF_RX_SLOT),
	       sizeof(rsp));
	return rsp;
}

/* ---- one frame of the guest's ---- */

/* Put together; larger than any frame that a port gives. */
static struct {
	uint32_t len;
	bool sure; /* the pages hold nothing but this frame */
	uint16_t flags; /* of its first response */
	uint8_t gso;
	uint8_t data[PORT_MAX_FRAME + XPV_PAGE_SIZE];
} frame;

static void add_piece(const struct xpv_netif_rx_request *req,
		      const struct xpv_netif_rx_response *rsp)
{
	unsigned int number;
	const uint8_t *page = nic_page(req->gref, &number);
	uint32_t len = (uint32_t)rsp->status;

	FUZZ_CHECK(rsp->id == req->id);
	if (rsp->status < 0) {
		/* Of a page that can be written, nothing is lost. */
		FUZZ_CHECK(!page || number >= NIC_WRITABLE);
		frame.sure = false;
		return;
	}
	FUZZ_CHECK(page && number < NIC_WRITABLE);
	FUZZ_CHECK(len && rsp->offset + len <= XPV_PAGE_SIZE);
	FUZZ_CHECK(rsp->offset == nic.vif->guest.headroom);
	may_be_written(number, rsp->offset, rsp->offset + len);
	frame.sure &= uses[number] == 1;
	FUZZ_CHECK(frame.len + len <= sizeof(frame.data));
	memcpy(frame.data + frame.len, page + rsp->offset, len);
	frame.len += len;
}

/* A checksum may have been completed, and nothing else been done to it. */
static bool is(const struct memframe *f)
{
	uint32_t sum = f->off.csum_start + (uint32_t)f->off.csum_offset;

	if (f->len != frame.len)
		return false;
	if (!f->off.csum_needed)
		return !memcmp(f->data, frame.data, f->len);
	return !memcmp(f->data, frame.data, sum) &&
	       !memcmp(f->data + sum + 2, frame.data + sum + 2,
		       f->len - sum - 2);
}

/* Whole, it was given; or it is a segment of one that was too large. */
static void check_frame(void)
{
	bool cut = false;

	if (!frame.sure)
		return;
	for (unsigned int i = 0; i < memport_given.nr; i++) {
		if (is(&memport_given.frame[i]))
			return;
		cut |= memport_given.frame[i].off.gso != PORT_GSO_NONE;
	}
	FUZZ_CHECK(cut && !frame.gso);
}

/* Its extras, from @at on; returns their number. */
static uint32_t take_extras(unsigned int q, uint32_t at, uint32_t end)
{
	union rx_response rsp;
	uint32_t n = 0;

	do {
		FUZZ_CHECK(at + n != end);
		rsp = response(q, at + n++);
		FUZZ_CHECK(rsp.extra.type == XPV_EXTRA_GSO ||
			   rsp.extra.type == XPV_EXTRA_HASH ||
			   rsp.extra.type == XPV_EXTRA_XDP);
		if (rsp.extra.type != XPV_EXTRA_GSO)
			continue;
		FUZZ_CHECK(rsp.extra.gso.size);
		FUZZ_CHECK(rsp.extra.gso.type == XPV_GSO_TCPV4
				   ? nic.connect.gso_tcpv4
				   : nic.connect.gso_tcpv6);
		frame.gso = rsp.extra.gso.type;
	} while (rsp.extra.flags & XPV_EXTRA_MORE);
	FUZZ_CHECK(n <= 3);
	return n;
}

static uint32_t take_frame(unsigned int q, uint32_t at, uint32_t end)
{
	const struct posted *p = &posted[q];
	uint32_t first = at;
	uint16_t flags;

	frame.len = 0;
	frame.gso = 0;
	frame.sure = true;
	do {
		union rx_response rsp;

		FUZZ_CHECK(at != end);
		rsp = response(q, at);
		flags = rsp.rsp.flags;
		add_piece(&p->slot[at % NIC_SLOTS], &rsp.rsp);
		at++;
		if (flags & XPV_RX_EXTRA) {
			FUZZ_CHECK(at == first + 1);
			at += take_extras(q, at, end);
		}
		FUZZ_CHECK(nic.connect.sg || !(flags & XPV_RX_MORE));
	} while (flags & XPV_RX_MORE);
	check_frame();
	return at;
}

/* ---- a turn ---- */

static void count_uses(unsigned int q, uint32_t at, uint32_t end)
{
	unsigned int number;

	/* Extras have slots whose page is not used, but it might have been. */
	for (; at != end; at++)
		if (nic_page(posted[q].slot[at % NIC_SLOTS].gref, &number))
			uses[number]++;
}

void nic_rx_turn(void)
{
	unsigned int nr = nic.vif->nr_connected;

	for (unsigned int q = 0; q < nr; q++) {
		const struct xpv_back *b = &nic.vif->queue[q].rx;
		int pending = xpv_back_pending(b);

		memcpy(posted[q].slot,
		       nic_slot(&nic.rx[q], 0, XPV_NETIF_RX_SLOT),
		       sizeof(posted[q].slot));
		posted[q].answered = b->rsp_prod;
		posted[q].pending = pending > 0 ? (uint32_t)pending : 0;
	}
	host_turn();
	memset(uses, 0, sizeof(uses));
	for (unsigned int q = 0; q < nr; q++) {
		const struct xpv_back *b = &nic.vif->queue[q].rx;

		FUZZ_CHECK(b->rsp_prod == b->req_cons);
		FUZZ_CHECK(b->rsp_prod - posted[q].answered <=
			   posted[q].pending);
		count_uses(q, posted[q].answered, b->rsp_prod);
	}
	for (unsigned int q = 0; q < nr; q++)
		for (uint32_t at = posted[q].answered;
		     at != nic.vif->queue[q].rx.rsp_prod;)
			at = take_frame(q, at, nic.vif->queue[q].rx.rsp_prod);
}

/* ---- what happens ---- */

void nic_rx_post(unsigned int queue, uint16_t id, uint32_t gref)
{
	struct nic_ring *r = &nic.rx[queue];
	struct xpv_netif_rx_request req = {.id = id, .gref = gref};

	if (queue >= nic.vif->nr_connected ||
	    r->prod - nic.vif->queue[queue].rx.rsp_prod >= NIC_SLOTS)
		return;
	memcpy(nic_slot(r, r->prod++, XPV_NETIF_RX_SLOT), &req, sizeof(req));
}

void nic_rx_frame(struct input *in)
{
	static uint8_t data[PORT_MAX_FRAME];
	uint8_t kind = input_u8(in), what = input_u8(in);
	uint32_t len = input_u16(in);
	struct port_offload off;
	unsigned int headers;

	/* Of a page or two as often as not. */
	if (what & 0x80)
		len &= 0x1fff;
	if (!len)
		len = 1;
	headers = nic_headers(kind, len, data, &off);
	for (uint32_t i = headers; i < len; i++)
		data[i] = (uint8_t)(i * 7 + (i >> 8) + len);
	input_bytes(in, data + 1, 5); /* its MAC is what tells it apart */
	if (kind & 0x40)
		input_bytes(in, data + 6 + input_u8(in) % 64, 4);
	off.csum_needed =
		what & 1 && off.csum_start + off.csum_offset + 2u <= len;
	off.csum_valid = what & 2;
	off.gso_size = input_u16(in) & 0x1fff;
	if (!off.csum_needed || !(what & 4) || !off.gso_size)
		off.gso = PORT_GSO_NONE;
	else if (what & 8)
		off.gso = PORT_GSO_TCPV4;
	if (memport_give(data, len, &off))
		for (unsigned int q = 0; q < nic.vif->nr_connected; q++)
			nic.vif->queue[q].port_ready = true;
}

/* ---- the end ---- */

static void check_pages(void)
{
	for (unsigned int i = 0; i < NIC_WRITABLE; i++)
		for (uint32_t at = 0; at < XPV_PAGE_SIZE; at++) {
			if (at == written[i].from && written[i].to > at)
				at = written[i].to;
			if (at < XPV_PAGE_SIZE)
				FUZZ_CHECK(nic.page[i][at] == NIC_FILL);
		}
}

static bool frames_wait(void)
{
	bool found = memport_waiting.nr;

	for (unsigned int q = 0; q < nic.vif->nr_connected; q++)
		found |= nic.vif->queue[q].rx_batch.nr;
	return found;
}

/* A large frame that is cut into small ones takes many rings. */
#define SETTLE_TURNS 20000

void nic_rx_settle(void)
{
	unsigned int n = 0;

	for (unsigned int q = 0; q < nic.vif->nr_connected; q++)
		nic.rx[q].prod =
			nic.vif->queue[q].rx.req_cons +
			(uint32_t)(xpv_back_pending(&nic.vif->queue[q].rx) > 0
					   ? xpv_back_pending(
						     &nic.vif->queue[q].rx)
					   : 0);
	while (nic.vif->nr_connected && frames_wait() && !nic.vif->broken) {
		FUZZ_CHECK(n++ < SETTLE_TURNS);
		for (unsigned int q = 0; q < nic.vif->nr_connected; q++) {
			for (unsigned int i = 0; i < NIC_SLOTS; i++)
				nic_rx_post(q, (uint16_t)i,
					    nic.gref[i % NIC_WRITABLE]);
			nic_push(&nic.rx[q]);
		}
		nic_rx_turn();
	}
	check_pages();
}
