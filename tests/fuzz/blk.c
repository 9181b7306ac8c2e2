// SPDX-License-Identifier: MIT
/*
 * A hostile guest on a disk: the block engine as it is, over the local
 * hypervisor, on a storage that answers when and as the input says.
 *
 * What has to hold whatever the guest does: each response answers the request
 * at its place, once; OK only if the storage said so; the storage is asked
 * for nothing but what a request names; nothing is written to pages that the
 * guest did not name or did not grant for writing; as long as the ring is not
 * broken every request is answered; and afterwards nothing is held.
 */
#include "common/disk_guest.h"
#include "common/input.h"

#include <errno.h>

enum op {
	OP_DIRECT,
	OP_RAW,
	OP_INDIRECT,
	OP_DESCRIPTORS,
	OP_PUSH,
	OP_TURN,
	OP_ANSWER,
	OP_REQ_PROD,
	OP_HEADER,
	OP_RECONNECT,
	OP_REVOKE,
	OP_REWRITE,
	OP_RESIZE,
	OP_DATA,
	OPS,
};

static void answer_one(struct input *in)
{
	static const int errors[] = {0, 0, 0, 0, 0, -EIO, -ENOSPC, -EOPNOTSUPP};
	uint8_t which = input_u8(in);

	slowdisk_answer(which & 15, errors[which >> 5]);
}

/* ---- the guest ---- */

static struct ring *choose(struct input *in)
{
	return &guest.ring[input_u8(in) % guest.rings.nr_queues];
}

/* The next slot as an honest guest would have it. */
static void *next_slot(struct ring *r)
{
	size_t number = (size_t)(r - guest.ring);

	if (!guest.vbd->nr_queues ||
	    r->prod - guest.vbd->queue[number].back.rsp_prod >= ring_entries())
		return NULL;
	return ring_slot(r, r->prod++);
}

static struct xpv_blk_seg segment(struct input *in)
{
	uint8_t range = input_u8(in);
	struct xpv_blk_seg seg = {
		.gref = host_gref(input_u8(in), guest.gref, PAGES + 1),
		.first = range & 7,
		.last = range >> 3 & 7,
	};

	if (range & 0x40) {
		seg.first = 0;
		seg.last = 7;
	} else if (range & 0x80) {
		seg.last = range; /* 128 and more */
	}
	return seg;
}

static void put(struct ring *r, const struct xpv_blk_request *req)
{
	void *slot = next_slot(r);

	if (slot)
		xpv_blkif_encode(guest.rings.abi ? &xpv_blkif_x86_32
						 : &xpv_blkif_x86_64,
				 req, slot);
}

static void put_direct(struct input *in)
{
	struct ring *r = choose(in);
	struct xpv_blk_request req = {.op = input_u8(in)};

	req.id = input_u16(in);
	req.sector = input_u16(in) % (SLOWDISK_BYTES / 512 + 8);
	if (req.op == XPV_BLKIF_DISCARD) {
		req.nr_sectors = input_u16(in) % (SLOWDISK_BYTES / 512 + 8);
		req.secure = input_u8(in) & 1;
	} else {
		req.nr_segs = input_u8(in) % (XPV_BLKIF_DIRECT_SEGS + 1);
		for (unsigned int i = 0; i < req.nr_segs; i++)
			req.seg[i] = segment(in);
	}
	put(r, &req);
}

static void put_indirect(struct input *in)
{
	struct ring *r = choose(in);
	struct xpv_blk_request req = {.indirect = true, .op = input_u8(in)};
	uint8_t page;

	req.id = input_u16(in);
	req.sector = input_u8(in) % (SLOWDISK_BYTES / 512 + 8);
	req.nr_segs = input_u16(in) & 0x3ff;
	page = input_u8(in);
	/* Mostly where descriptors are. */
	req.indirect_gref[0] = page & 0x80
				       ? host_gref(page, guest.gref, PAGES + 1)
				       : guest.gref[WRITABLE + page % READONLY];
	put(r, &req);
}

/* A run of descriptors, over and over, or alone. */
static void write_descriptors(struct input *in)
{
	unsigned int which = WRITABLE + input_u8(in) % READONLY;
	uint8_t *page = guest.page[which];
	unsigned int at = input_u16(in) % XPV_BLKIF_SEGS_PER_PAGE;
	unsigned int n = 1 + input_u8(in) % 8;
	unsigned int times = 1 + input_u8(in) % 128;
	struct xpv_blk_seg seg[8];

	for (unsigned int i = 0; i < n; i++)
		seg[i] = segment(in);
	for (unsigned int i = 0; i < n * times; i++, at++) {
		if (at == XPV_BLKIF_SEGS_PER_PAGE)
			break;
		xpv_blkif_encode_seg(&seg[i % n], page, at);
		disk_guest_name(page + at * XPV_BLKIF_SEG_SIZE);
	}
	memcpy(guest.shadow[which], page, XPV_PAGE_SIZE);
}

static void push(struct ring *r)
{
	struct xpv_sring *s = r->mem;

	s->req_prod = r->prod;
	host.front->ops->evtchn_notify(host.front, r->port);
}

static void rewrite(struct input *in)
{
	struct ring *r = choose(in);
	uint8_t *slot = ring_slot(r, input_u8(in));

	slot += input_u8(in) % 64;
	*slot = input_u8(in);
}

static void write_header(struct input *in)
{
	struct xpv_sring *s = choose(in)->mem;
	uint8_t which = input_u8(in);
	uint32_t value = input_u32(in);

	if (which & 1)
		s->req_event = value;
	else
		s->rsp_event = value;
	if (which & 2)
		s->rsp_prod = value;
}

static void write_data(struct input *in)
{
	size_t at = input_u16(in) % (WRITABLE * XPV_PAGE_SIZE);
	uint8_t value = input_u8(in);

	if (!(guest.named[at / XPV_PAGE_SIZE] >> (at / 512 % 8) & 1)) {
		guest.page[at / XPV_PAGE_SIZE][at % XPV_PAGE_SIZE] = value;
		guest.shadow[at / XPV_PAGE_SIZE][at % XPV_PAGE_SIZE] = value;
	}
}

/* ---- a life ---- */

static void connect(void)
{
	struct reason why;
	int err = vbd_connect(guest.vbd, &guest.rings, &why);

	if (!err)
		disk_guest_connected();
}

/* All that the storage still has comes back, and so does the disk. */
static void disconnect(bool leave)
{
	if (guest.vbd->state == VBD_IDLE)
		return;
	vbd_disconnect(guest.vbd, leave);
	for (int i = 0; i < 64 && guest.vbd->state != VBD_IDLE; i++) {
		slowdisk_answer_all();
		disk_guest_turn();
	}
	FUZZ_CHECK(guest.vbd->state == VBD_IDLE);
	FUZZ_CHECK(!guest.vbd->memory && !guest.vbd->common->buffers.in_use);
	FUZZ_CHECK(!guest.vbd->common->mapped_pages);
}

static void set_rings(uint32_t start)
{
	for (unsigned int q = 0; q < QUEUES; q++) {
		struct ring *r = &guest.ring[q];
		struct xpv_sring *s = r->mem;

		memset(s, 0, RING_PAGES * XPV_PAGE_SIZE);
		s->req_prod = s->rsp_prod = start;
		s->req_event = s->rsp_event = start + 1;
		r->prod = start;
	}
}

static void reconnect(struct input *in)
{
	uint8_t how = input_u8(in);

	disconnect(how & 32);
	if (how & 1)
		set_rings(how & 2 ? 0 : 0xfffffff0u);
	guest.rings.persistent = how & 4;
	guest.rings.abi = how >> 3 & 1;
	connect();
}

static void operation(struct input *in)
{
	struct reason why;
	struct ring *r;

	switch (input_u8(in) % OPS) {
	case OP_DIRECT:
		put_direct(in);
		break;
	case OP_RAW:
		r = choose(in);
		input_bytes(in, ring_slot(r, r->prod), 64);
		next_slot(r);
		break;
	case OP_INDIRECT:
		put_indirect(in);
		break;
	case OP_DESCRIPTORS:
		write_descriptors(in);
		break;
	case OP_PUSH:
		push(choose(in));
		break;
	case OP_TURN:
		disk_guest_turn();
		break;
	case OP_ANSWER:
		answer_one(in);
		break;
	case OP_REQ_PROD:
		r = choose(in);
		((struct xpv_sring *)r->mem)->req_prod += input_u32(in);
		break;
	case OP_HEADER:
		write_header(in);
		break;
	case OP_RECONNECT:
		reconnect(in);
		break;
	case OP_REVOKE:
		disk_guest_revoke();
		break;
	case OP_REWRITE:
		rewrite(in);
		break;
	case OP_RESIZE:
		vbd_resize(guest.vbd, input_u16(in) % 300, &why);
		break;
	case OP_DATA:
		write_data(in);
		break;
	}
}

static bool busy(void)
{
	bool found = guest.vbd->unfinished || guest.vbd->in_storage;

	for (unsigned int q = 0; q < guest.vbd->nr_queues; q++)
		found |= xpv_back_pending(&guest.vbd->queue[q].back) != 0;
	return found && guest.vbd->state == VBD_CONNECTED;
}

/* With a storage that answers, nobody is left waiting. */
static void settle(void)
{
	for (int i = 0; i < 256 && busy(); i++) {
		slowdisk_answer_all();
		disk_guest_turn();
	}
	if (guest.vbd->state != VBD_CONNECTED)
		return;
	FUZZ_CHECK(!guest.vbd->unfinished && !guest.vbd->in_storage &&
		   !guest.vbd->memory);
	for (unsigned int q = 0; q < guest.vbd->nr_queues; q++) {
		const struct xpv_back *b = &guest.vbd->queue[q].back;

		FUZZ_CHECK(!xpv_back_unanswered(b) && !xpv_back_pending(b));
	}
}

/* ---- an input ---- */

static void fresh_disk(struct input *in)
{
	static const uint16_t indirect[] = {0, 11, 256, 512};
	uint8_t flags = input_u8(in);
	struct ipc_vbd_attach a = {
		.sectors = SLOWDISK_BYTES / 512,
		.sector_size = flags & 1 ? 4096 : 512,
		.read_only = (flags & 6) == 6,
		.discard = flags & 8,
		.discard_secure = flags & 16,
		.direct = flags & 32,
		.max_indirect = indirect[flags >> 6],
	};

	slowdisk_start(disk_guest_asked);
	guest.vbd = vbd_make(&host.worker,
			     (struct ipc_device){.class = IPC_VBD}, &a, -1);
	FUZZ_NEED(guest.vbd);
	guest.vbd->storage = &slowdisk.storage;
}

static void fresh_rings(struct input *in)
{
	uint8_t flags = input_u8(in);

	memset(&guest.rings, 0, sizeof(guest.rings));
	guest.rings.abi = flags & 1;
	guest.rings.persistent = flags & 2;
	guest.rings.ring_order = flags >> 2 & 1;
	guest.rings.nr_queues = 1 + (flags >> 3 & 1);
	for (unsigned int q = 0; q < QUEUES; q++) {
		memcpy(guest.rings.queue[q].gref, guest.ring[q].gref,
		       sizeof(guest.ring[q].gref));
		guest.rings.queue[q].port = guest.ring[q].port;
	}
	set_rings(flags & 16 ? 0xfffffff0u : 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};

	disk_guest_start();
	fresh_disk(&in);
	fresh_rings(&in);
	connect();
	while (in.left)
		operation(&in);
	settle();
	disconnect(false);
	disk_guest_check_pages();
	vbd_detach(guest.vbd);
	host_drain_events();
	return 0;
}
