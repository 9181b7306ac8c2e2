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
#include "backend/vbd/vbd.h"
#include "common/host.h"
#include "common/input.h"

#include <errno.h>
#include <stdlib.h>

#define QUEUES	   2
#define RING_PAGES 2
#define DISK	   (256u * 512)

/* The guest's pages: writable, read-only, then one that comes and goes. */
#define WRITABLE 12u
#define READONLY 4u /* also used for descriptors of indirect requests */
#define PAGES	 (WRITABLE + READONLY)
#define GONE	 PAGES

#define NOTHING	 0xff /* an operation that the storage is never asked for */

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

/* What was asked for at a place of the ring. */
struct asked {
	uint64_t id, sector, sectors; /* sectors: at most */
	uint8_t op; /* as it is to be answered */
	bool indirect, data;
};

struct ring {
	void *mem;
	uint32_t gref[RING_PAGES], port, prod;
	struct asked asked[64];
	uint32_t answered; /* as of the last turn */
};

static struct guest {
	uint8_t *page[PAGES + 1];
	uint32_t gref[PAGES + 1];
	struct ring ring[QUEUES];
	/* Sectors of a page that a read has named; what the others hold. */
	uint8_t named[PAGES + 1];
	uint8_t shadow[PAGES][XPV_PAGE_SIZE];
	bool any_named; /* descriptors lie where reads go: all bets are off */
} guest;

static struct {
	struct storage storage;
	uint8_t bytes[DISK];
	struct storage_queue pending, ready;
	/* Said OK, and passed on. */
	uint64_t done[STORAGE_OPS], told[STORAGE_OPS];
} disk;

static struct vbd *vbd;
static struct ipc_vbd_connect rings;

/* ---- the storage ---- */

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

static void check_asked(const struct storage_io *io)
{
	for (unsigned int q = 0; q < rings.nr_queues; q++)
		for (unsigned int i = 0; i < 64; i++)
			if (names(&guest.ring[q].asked[i], io))
				return;
	FUZZ_CHECK(!"the storage was asked for what no request names");
}

static void disk_submit(struct storage *s, struct storage_io *io)
{
	uint64_t sum = 0;

	(void)s;
	FUZZ_CHECK(io->op != STORAGE_WRITE_ZEROES);
	if (io->op != STORAGE_FLUSH) {
		FUZZ_CHECK(io->length && io->length <= DISK &&
			   io->offset <= DISK - io->length);
		FUZZ_CHECK(!(io->offset % 512) && !(io->length % 512));
		check_asked(io);
	}
	FUZZ_CHECK(!vbd->limits.read_only || io->op == STORAGE_READ ||
		   io->op == STORAGE_FLUSH);
	for (unsigned int i = 0; i < io->nr_iov; i++)
		sum += io->iov[i].iov_len;
	if (io->op == STORAGE_READ || io->op == STORAGE_WRITE)
		FUZZ_CHECK(sum == io->length);
	STAILQ_INSERT_TAIL(&disk.pending, io, next);
}

static void carry_out(struct storage_io *io)
{
	uint8_t *at = disk.bytes + io->offset;

	for (unsigned int i = 0; i < io->nr_iov; i++) {
		if (io->op == STORAGE_READ)
			memcpy(io->iov[i].iov_base, at, io->iov[i].iov_len);
		else
			memcpy(at, io->iov[i].iov_base, io->iov[i].iov_len);
		at += io->iov[i].iov_len;
	}
	disk.done[io->op]++;
}

static bool disk_kick(struct storage *s)
{
	struct storage_io *io;
	bool any = false;
	int error;

	(void)s;
	while ((io = STAILQ_FIRST(&disk.ready))) {
		STAILQ_REMOVE_HEAD(&disk.ready, next);
		error = (int)io->attempt;
		if (!error)
			carry_out(io);
		io->done(io, error);
		any = true;
	}
	return any;
}

static bool disk_arm(struct storage *s)
{
	(void)s;
	return !STAILQ_EMPTY(&disk.ready);
}

static uint64_t disk_size(struct storage *s)
{
	(void)s;
	return DISK;
}

static void disk_close(struct storage *s)
{
	(void)s;
}

static const struct storage_ops disk_ops = {
	.submit = disk_submit,
	.kick = disk_kick,
	.arm = disk_arm,
	.size = disk_size,
	.close = disk_close,
};

/* The @n-th of those that wait comes back with the next turn. */
static void answer(unsigned int n, int error)
{
	struct storage_io *io = STAILQ_FIRST(&disk.pending);

	for (; io && n; n--)
		io = STAILQ_NEXT(io, next);
	if (!io)
		return;
	STAILQ_REMOVE(&disk.pending, io, storage_io, next);
	STAILQ_INSERT_TAIL(&disk.ready, io, next);
	io->attempt = error;
}

static void answer_one(struct input *in)
{
	static const int errors[] = {0, 0, 0, 0, 0, -EIO, -ENOSPC, -EOPNOTSUPP};
	uint8_t which = input_u8(in);

	answer(which & 15, errors[which >> 5]);
}

/* ---- the guest ---- */

static uint32_t entries(void)
{
	return vbd->queue[0].back.ring.entries;
}

static void *slot_at(const struct ring *r, uint32_t index)
{
	const struct xpv_blkif_abi *abi =
		rings.abi ? &xpv_blkif_x86_32 : &xpv_blkif_x86_64;
	size_t bytes = (size_t)XPV_PAGE_SIZE << rings.ring_order;
	uint32_t n = xpv_ring_entries(bytes, abi->slot_size);

	return (uint8_t *)r->mem + XPV_RING_HEADER_SIZE +
	       (size_t)(index & (n - 1)) * abi->slot_size;
}

static void name_segment(const uint8_t *wire)
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
			name_segment(wire);
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
	const struct xpv_blkif_abi *abi = vbd->abi;
	int pending = xpv_back_pending(&q->back);

	for (uint32_t i = q->back.req_cons; pending > 0; pending--, i++) {
		struct asked *a = &r->asked[i & (entries() - 1)];
		const uint8_t *slot = slot_at(r, i);

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
		disk.told[STORAGE_READ]++;
	else if (a->op == XPV_BLKIF_DISCARD)
		disk.told[STORAGE_DISCARD] += a->data;
	else if (a->data)
		disk.told[STORAGE_WRITE]++;
	if (a->op == XPV_BLKIF_FLUSH || a->op == XPV_BLKIF_WRITE_BARRIER)
		disk.told[STORAGE_FLUSH]++;
}

static void check_response(struct ring *r, uint32_t index)
{
	struct asked *a = &r->asked[index & (entries() - 1)];
	struct xpv_blk_response rsp;

	xpv_blkif_decode_response(vbd->abi, slot_at(r, index), &rsp);
	FUZZ_CHECK(rsp.id == a->id);
	FUZZ_CHECK(rsp.op == a->op);
	FUZZ_CHECK(rsp.status == XPV_BLKIF_OKAY ||
		   rsp.status == XPV_BLKIF_ERROR ||
		   rsp.status == XPV_BLKIF_EOPNOTSUPP);
	/* Told so, a guest would go on without flushing. */
	FUZZ_CHECK(rsp.status != XPV_BLKIF_EOPNOTSUPP ||
		   (a->op > XPV_BLKIF_FLUSH && !a->indirect));
	if (rsp.status == XPV_BLKIF_OKAY)
		count_okay(a);
	a->op = NOTHING;
}

static void check_ring(struct ring *r, const struct vbd_queue *q)
{
	uint32_t answered = q->back.rsp_prod - r->answered;
	uint32_t owed = q->back.req_cons - r->answered;

	FUZZ_CHECK(owed <= entries() && answered <= owed);
	for (uint32_t i = 0; i < answered; i++)
		check_response(r, r->answered + i);
	r->answered = q->back.rsp_prod;
}

static void turn(void)
{
	unsigned int nr = vbd->nr_queues;

	for (unsigned int q = 0; q < nr; q++)
		look_at(&guest.ring[q], &vbd->queue[q]);
	host_turn();
	/* Disconnected meanwhile, there is no ring to look at. */
	for (unsigned int q = 0; q < nr && q < vbd->nr_queues; q++)
		check_ring(&guest.ring[q], &vbd->queue[q]);
	for (unsigned int op = 0; op < STORAGE_OPS; op++)
		FUZZ_CHECK(disk.told[op] <= disk.done[op]);
	FUZZ_CHECK(vbd->memory <= BUFFERS_PAGES);
	FUZZ_CHECK(vbd->common->mapped_pages <= KEPT_PER_GUEST);
}

static struct ring *choose(struct input *in)
{
	return &guest.ring[input_u8(in) % rings.nr_queues];
}

/* The next slot as an honest guest would have it. */
static void *next_slot(struct ring *r)
{
	size_t number = (size_t)(r - guest.ring);

	if (!vbd->nr_queues ||
	    r->prod - vbd->queue[number].back.rsp_prod >= entries())
		return NULL;
	return slot_at(r, r->prod++);
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
		xpv_blkif_encode(rings.abi ? &xpv_blkif_x86_32
					   : &xpv_blkif_x86_64,
				 req, slot);
}

static void put_direct(struct input *in)
{
	struct ring *r = choose(in);
	struct xpv_blk_request req = {.op = input_u8(in)};

	req.id = input_u16(in);
	req.sector = input_u16(in) % (DISK / 512 + 8);
	if (req.op == XPV_BLKIF_DISCARD) {
		req.nr_sectors = input_u16(in) % (DISK / 512 + 8);
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
	req.sector = input_u8(in) % (DISK / 512 + 8);
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
		name_segment(page + at * XPV_BLKIF_SEG_SIZE);
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
	uint8_t *slot = slot_at(r, input_u8(in));

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

/* It may be mapped, and then it stays. */
static void revoke(void)
{
	struct hyper *h = host.front;

	if (guest.page[GONE]) {
		if (!h->ops->unshare(h, guest.page[GONE], 1))
			guest.page[GONE] = NULL;
		return;
	}
	guest.page[GONE] = host_share(1, true, &guest.gref[GONE]);
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
	int err = vbd_connect(vbd, &rings, &why);

	if (err)
		return;
	for (unsigned int q = 0; q < rings.nr_queues; q++) {
		struct ring *r = &guest.ring[q];

		memset(r->asked, NOTHING, sizeof(r->asked));
		r->prod = vbd->queue[q].back.req_cons;
	}
}

/* All that the storage still has comes back, and so does the disk. */
static void disconnect(bool leave)
{
	if (vbd->state == VBD_IDLE)
		return;
	vbd_disconnect(vbd, leave);
	for (int i = 0; i < 64 && vbd->state != VBD_IDLE; i++) {
		while (!STAILQ_EMPTY(&disk.pending))
			answer(0, 0);
		turn();
	}
	FUZZ_CHECK(vbd->state == VBD_IDLE);
	FUZZ_CHECK(!vbd->memory && !vbd->common->buffers.in_use);
	FUZZ_CHECK(!vbd->common->mapped_pages);
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
	rings.persistent = how & 4;
	rings.abi = how >> 3 & 1;
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
		input_bytes(in, slot_at(r, r->prod), 64);
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
		turn();
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
		revoke();
		break;
	case OP_REWRITE:
		rewrite(in);
		break;
	case OP_RESIZE:
		vbd_resize(vbd, input_u16(in) % 300, &why);
		break;
	case OP_DATA:
		write_data(in);
		break;
	}
}

static bool busy(void)
{
	bool found = vbd->unfinished || vbd->in_storage;

	for (unsigned int q = 0; q < vbd->nr_queues; q++)
		found |= xpv_back_pending(&vbd->queue[q].back) != 0;
	return found && vbd->state == VBD_CONNECTED;
}

/* With a storage that answers, nobody is left waiting. */
static void settle(void)
{
	for (int i = 0; i < 256 && busy(); i++) {
		while (!STAILQ_EMPTY(&disk.pending))
			answer(0, 0);
		turn();
	}
	if (vbd->state != VBD_CONNECTED)
		return;
	FUZZ_CHECK(!vbd->unfinished && !vbd->in_storage && !vbd->memory);
	for (unsigned int q = 0; q < vbd->nr_queues; q++) {
		const struct xpv_back *b = &vbd->queue[q].back;

		FUZZ_CHECK(!xpv_back_unanswered(b) && !xpv_back_pending(b));
	}
}

static void check_pages(void)
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

/* ---- an input ---- */

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

static void fresh_pages(void)
{
	for (unsigned int i = 0; i < PAGES; i++)
		memset(guest.page[i], 0x5a, XPV_PAGE_SIZE);
	memset(guest.shadow, 0x5a, sizeof(guest.shadow));
	memset(guest.named, 0, sizeof(guest.named));
	guest.any_named = false;
	if (!guest.page[GONE])
		revoke();
}

static void fresh_disk(struct input *in)
{
	static const uint16_t indirect[] = {0, 11, 256, 512};
	uint8_t flags = input_u8(in);
	struct ipc_vbd_attach a = {
		.sectors = DISK / 512,
		.sector_size = flags & 1 ? 4096 : 512,
		.read_only = (flags & 6) == 6,
		.discard = flags & 8,
		.discard_secure = flags & 16,
		.direct = flags & 32,
		.max_indirect = indirect[flags >> 6],
	};

	memset(&disk, 0, sizeof(disk));
	memset(disk.bytes, 0xd1, sizeof(disk.bytes));
	disk.storage.ops = &disk_ops;
	STAILQ_INIT(&disk.pending);
	STAILQ_INIT(&disk.ready);
	vbd = vbd_make(&host.worker, (struct ipc_device){.class = IPC_VBD}, &a,
		       -1);
	FUZZ_NEED(vbd);
	vbd->storage = &disk.storage;
}

static void fresh_rings(struct input *in)
{
	uint8_t flags = input_u8(in);

	memset(&rings, 0, sizeof(rings));
	rings.abi = flags & 1;
	rings.persistent = flags & 2;
	rings.ring_order = flags >> 2 & 1;
	rings.nr_queues = 1 + (flags >> 3 & 1);
	for (unsigned int q = 0; q < QUEUES; q++) {
		memcpy(rings.queue[q].gref, guest.ring[q].gref,
		       sizeof(guest.ring[q].gref));
		rings.queue[q].port = guest.ring[q].port;
	}
	set_rings(flags & 16 ? 0xfffffff0u : 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};

	make_guest();
	fresh_pages();
	fresh_disk(&in);
	fresh_rings(&in);
	connect();
	while (in.left)
		operation(&in);
	settle();
	disconnect(false);
	check_pages();
	vbd_detach(vbd);
	host_drain_events();
	return 0;
}
