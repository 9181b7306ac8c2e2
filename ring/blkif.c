// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include "blkif.h"

/* Fields that lie at the same place in both layouts. */
#define REQ_OP		 0
#define REQ_NR_SEGS	 1
#define REQ_HANDLE	 2
#define DISCARD_FLAG	 1
#define INDIRECT_OP	 1
#define INDIRECT_NR_SEGS 2
#define SEG_GREF	 0
#define SEG_FIRST	 4
#define SEG_LAST	 5
#define RSP_ID		 0
#define RSP_OP		 8
#define RSP_STATUS	 10

const struct xpv_blkif_abi xpv_blkif_x86_64 = {
	.protocol = "x86_64-abi",
	.slot_size = 112,
	.id = 8,
	.sector = 16,
	.segments = 24,
	.discard_sectors = 24,
	.indirect_handle = 24,
	.indirect_grefs = 28,
	.rsp_size = 16,
};

const struct xpv_blkif_abi xpv_blkif_x86_32 = {
	.protocol = "x86_32-abi",
	.slot_size = 108,
	.id = 4,
	.sector = 12,
	.segments = 20,
	.discard_sectors = 20,
	.indirect_handle = 20,
	.indirect_grefs = 24,
	.rsp_size = 12,
};

const struct xpv_blkif_abi *xpv_blkif_abi_by_name(const char *protocol)
{
	if (!strcmp(protocol, xpv_blkif_x86_64.protocol))
		return &xpv_blkif_x86_64;
	if (!strcmp(protocol, xpv_blkif_x86_32.protocol))
		return &xpv_blkif_x86_32;
	return NULL;
}

const char *xpv_blk_verdict_str(enum xpv_blk_verdict verdict)
{
	static const char *const text[XPV_BLK_VERDICTS] = {
		[XPV_BLK_OK] = "ok",
		[XPV_BLK_BAD_OP] = "unknown operation",
		[XPV_BLK_BAD_INNER_OP] =
			"indirect operation is neither read nor write",
		[XPV_BLK_NO_SEGMENTS] = "no segments",
		[XPV_BLK_MANY_SEGMENTS] = "too many segments",
		[XPV_BLK_BAD_SEGMENT] = "segment's sectors are not in 0-7",
		[XPV_BLK_MISALIGNED] = "not aligned to the logical sector size",
		[XPV_BLK_OUT_OF_RANGE] = "beyond the end of the device",
		[XPV_BLK_READ_ONLY] = "write to a read-only device",
		[XPV_BLK_NO_DISCARD] = "discard is not offered",
	};

	return (unsigned int)verdict < XPV_BLK_VERDICTS ? text[verdict]
							: "unknown verdict";
}

enum xpv_blkif_status xpv_blk_verdict_status(enum xpv_blk_verdict verdict)
{
	switch (verdict) {
	case XPV_BLK_OK:
		return XPV_BLKIF_OKAY;
	case XPV_BLK_BAD_OP:
	case XPV_BLK_NO_DISCARD:
		return XPV_BLKIF_EOPNOTSUPP;
	default:
		return XPV_BLKIF_ERROR;
	}
}

/* Slots are packed: fields are read and written byte-wise. */
static void get(void *field, const void *slot, unsigned int offset, size_t len)
{
	memcpy(field, (const uint8_t *)slot + offset, len);
}

static void put(void *slot, unsigned int offset, const void *field, size_t len)
{
	memcpy((uint8_t *)slot + offset, field, len);
}

/* align is a power of two; a 32-bit kernel has no 64-bit division. */
static bool aligned(const struct xpv_blk_limits *limits, uint64_t sectors)
{
	return !(sectors & (limits->align - 1));
}

static enum xpv_blk_verdict check_range(const struct xpv_blk_limits *limits,
					const struct xpv_blk_request *req)
{
	if (!aligned(limits, req->sector | req->nr_sectors))
		return XPV_BLK_MISALIGNED;
	/* Written so that no sum can overflow. */
	if (req->nr_sectors > limits->sectors ||
	    req->sector > limits->sectors - req->nr_sectors)
		return XPV_BLK_OUT_OF_RANGE;
	return XPV_BLK_OK;
}

static enum xpv_blk_verdict decode_seg(const struct xpv_blk_limits *limits,
				       const uint8_t *wire,
				       struct xpv_blk_seg *seg)
{
	get(&seg->gref, wire, SEG_GREF, sizeof(seg->gref));
	seg->first = wire[SEG_FIRST];
	seg->last = wire[SEG_LAST];
	if (seg->last >= XPV_SECTORS_PER_PAGE || seg->last < seg->first)
		return XPV_BLK_BAD_SEGMENT;
	if (!aligned(limits, seg->first | xpv_blk_seg_sectors(seg)))
		return XPV_BLK_MISALIGNED;
	return XPV_BLK_OK;
}

static enum xpv_blk_verdict decode_segs(const struct xpv_blk_limits *limits,
					const uint8_t *wire,
					struct xpv_blk_request *req,
					struct xpv_blk_seg *segs)
{
	enum xpv_blk_verdict verdict;
	unsigned int i;

	req->nr_sectors = 0;
	for (i = 0; i < req->nr_segs; i++) {
		verdict = decode_seg(limits, wire + i * XPV_BLKIF_SEG_SIZE,
				     &segs[i]);
		if (verdict)
			return verdict;
		req->nr_sectors += xpv_blk_seg_sectors(&segs[i]);
	}
	return check_range(limits, req);
}

static enum xpv_blk_verdict decode_direct(const struct xpv_blkif_abi *abi,
					  const struct xpv_blk_limits *limits,
					  const uint8_t *slot,
					  struct xpv_blk_request *req)
{
	bool may_be_empty = req->op == XPV_BLKIF_FLUSH ||
			    req->op == XPV_BLKIF_WRITE_BARRIER;

	req->nr_segs = slot[REQ_NR_SEGS];
	get(&req->handle, slot, REQ_HANDLE, sizeof(req->handle));
	if (req->nr_segs > XPV_BLKIF_DIRECT_SEGS)
		return XPV_BLK_MANY_SEGMENTS;
	if (!req->nr_segs) {
		/* The sector number of an empty flush means nothing. */
		req->sector = 0;
		return may_be_empty ? XPV_BLK_OK : XPV_BLK_NO_SEGMENTS;
	}
	/* A flush may carry data, and then it is a write (protocol trap 5). */
	if (limits->read_only && req->op != XPV_BLKIF_READ)
		return XPV_BLK_READ_ONLY;
	return decode_segs(limits, slot + abi->segments, req, req->seg);
}

static enum xpv_blk_verdict decode_discard(const struct xpv_blkif_abi *abi,
					   const struct xpv_blk_limits *limits,
					   const uint8_t *slot,
					   struct xpv_blk_request *req)
{
	req->secure = slot[DISCARD_FLAG] & XPV_BLKIF_DISCARD_SECURE;
	get(&req->handle, slot, REQ_HANDLE, sizeof(req->handle));
	get(&req->nr_sectors, slot, abi->discard_sectors,
	    sizeof(req->nr_sectors));
	if (!limits->discard || (req->secure && !limits->discard_secure))
		return XPV_BLK_NO_DISCARD;
	if (limits->read_only)
		return XPV_BLK_READ_ONLY;
	return check_range(limits, req);
}

static enum xpv_blk_verdict decode_indirect_head(
	const struct xpv_blkif_abi *abi, const struct xpv_blk_limits *limits,
	const uint8_t *slot, struct xpv_blk_request *req)
{
	req->indirect = true;
	req->op = slot[INDIRECT_OP];
	get(&req->nr_segs, slot, INDIRECT_NR_SEGS, sizeof(req->nr_segs));
	get(&req->handle, slot, abi->indirect_handle, sizeof(req->handle));
	get(req->indirect_gref, slot, abi->indirect_grefs,
	    sizeof(req->indirect_gref));
	if (req->op != XPV_BLKIF_READ && req->op != XPV_BLKIF_WRITE)
		return XPV_BLK_BAD_INNER_OP;
	if (!req->nr_segs)
		return XPV_BLK_NO_SEGMENTS;
	if (req->nr_segs > limits->max_indirect)
		return XPV_BLK_MANY_SEGMENTS;
	if (limits->read_only && req->op == XPV_BLKIF_WRITE)
		return XPV_BLK_READ_ONLY;
	return XPV_BLK_OK;
}

enum xpv_blk_verdict xpv_blkif_decode(const struct xpv_blkif_abi *abi,
				      const struct xpv_blk_limits *limits,
				      const void *slot,
				      struct xpv_blk_request *req)
{
	const uint8_t *bytes = slot;

	req->op = bytes[REQ_OP];
	req->indirect = false;
	req->secure = false;
	req->handle = 0;
	req->nr_segs = 0;
	req->nr_sectors = 0;
	get(&req->id, slot, abi->id, sizeof(req->id));
	get(&req->sector, slot, abi->sector, sizeof(req->sector));

	switch (req->op) {
	case XPV_BLKIF_READ:
	case XPV_BLKIF_WRITE:
	case XPV_BLKIF_WRITE_BARRIER:
	case XPV_BLKIF_FLUSH:
		return decode_direct(abi, limits, bytes, req);
	case XPV_BLKIF_DISCARD:
		return decode_discard(abi, limits, bytes, req);
	case XPV_BLKIF_INDIRECT:
		return decode_indirect_head(abi, limits, bytes, req);
	default:
		return XPV_BLK_BAD_OP;
	}
}

enum xpv_blk_verdict xpv_blkif_decode_indirect(
	const struct xpv_blk_limits *limits, const void *wire,
	struct xpv_blk_request *req, struct xpv_blk_seg *segs)
{
	return decode_segs(limits, wire, req, segs);
}

void xpv_blkif_encode_seg(const struct xpv_blk_seg *seg, void *page,
			  unsigned int index)
{
	uint8_t wire[XPV_BLKIF_SEG_SIZE] = {0};

	put(wire, SEG_GREF, &seg->gref, sizeof(seg->gref));
	wire[SEG_FIRST] = seg->first;
	wire[SEG_LAST] = seg->last;
	put(page, index * XPV_BLKIF_SEG_SIZE, wire, sizeof(wire));
}

uint32_t xpv_blkif_seg_gref(const void *page, unsigned int index)
{
	uint32_t gref;

	get(&gref, page, index * XPV_BLKIF_SEG_SIZE + SEG_GREF, sizeof(gref));
	return gref;
}

static void encode_direct(const struct xpv_blkif_abi *abi,
			  const struct xpv_blk_request *req, uint8_t *slot)
{
	unsigned int i;

	slot[REQ_OP] = req->op;
	slot[REQ_NR_SEGS] = (uint8_t)req->nr_segs;
	put(slot, REQ_HANDLE, &req->handle, sizeof(req->handle));
	for (i = 0; i < req->nr_segs; i++)
		xpv_blkif_encode_seg(&req->seg[i], slot + abi->segments, i);
}

static void encode_discard(const struct xpv_blkif_abi *abi,
			   const struct xpv_blk_request *req, uint8_t *slot)
{
	slot[REQ_OP] = req->op;
	slot[DISCARD_FLAG] = req->secure ? XPV_BLKIF_DISCARD_SECURE : 0;
	put(slot, REQ_HANDLE, &req->handle, sizeof(req->handle));
	put(slot, abi->discard_sectors, &req->nr_sectors,
	    sizeof(req->nr_sectors));
}

static void encode_indirect(const struct xpv_blkif_abi *abi,
			    const struct xpv_blk_request *req, uint8_t *slot)
{
	slot[REQ_OP] = XPV_BLKIF_INDIRECT;
	slot[INDIRECT_OP] = req->op;
	put(slot, INDIRECT_NR_SEGS, &req->nr_segs, sizeof(req->nr_segs));
	put(slot, abi->indirect_handle, &req->handle, sizeof(req->handle));
	put(slot, abi->indirect_grefs, req->indirect_gref,
	    sizeof(req->indirect_gref));
}

void xpv_blkif_encode(const struct xpv_blkif_abi *abi,
		      const struct xpv_blk_request *req, void *slot)
{
	memset(slot, 0, abi->slot_size);
	put(slot, abi->id, &req->id, sizeof(req->id));
	put(slot, abi->sector, &req->sector, sizeof(req->sector));
	if (req->indirect)
		encode_indirect(abi, req, slot);
	else if (req->op == XPV_BLKIF_DISCARD)
		encode_discard(abi, req, slot);
	else
		encode_direct(abi, req, slot);
}

void xpv_blkif_encode_response(const struct xpv_blkif_abi *abi,
			       const struct xpv_blk_response *rsp, void *slot)
{
	memset(slot, 0, abi->rsp_size);
	put(slot, RSP_ID, &rsp->id, sizeof(rsp->id));
	put(slot, RSP_OP, &rsp->op, sizeof(rsp->op));
	put(slot, RSP_STATUS, &rsp->status, sizeof(rsp->status));
}

void xpv_blkif_decode_response(const struct xpv_blkif_abi *abi,
			       const void *slot, struct xpv_blk_response *rsp)
{
	(void)abi; /* both layouts agree on every field of a response */
	get(&rsp->id, slot, RSP_ID, sizeof(rsp->id));
	get(&rsp->op, slot, RSP_OP, sizeof(rsp->op));
	get(&rsp->status, slot, RSP_STATUS, sizeof(rsp->status));
}
