// SPDX-License-Identifier: GPL-2.0-only
/* From struct request to a slot of the ring. */
#include "blkfront.h"

static enum xpv_blk_course plan_write(struct request *rq, u8 flush_op,
				      struct xpv_blk_request *req)
{
	req->op = XPV_BLKIF_WRITE;
	if (!(rq->cmd_flags & REQ_FUA) || flush_op == XPV_BLK_NO_FLUSH)
		return XPV_BLK_SEND;
	/* A barrier is on the medium when it is answered, as FUA asks. */
	if (flush_op != XPV_BLKIF_WRITE_BARRIER)
		return XPV_BLK_SPLIT;
	req->op = XPV_BLKIF_WRITE_BARRIER;
	return XPV_BLK_SEND;
}

static enum xpv_blk_course plan_discard(struct xpv_blk *dev, struct request *rq,
					struct xpv_blk_request *req)
{
	if (!READ_ONCE(dev->discard))
		return XPV_BLK_REFUSE;
	req->op = XPV_BLKIF_DISCARD;
	req->nr_sectors = blk_rq_sectors(rq);
	req->secure = req_op(rq) == REQ_OP_SECURE_ERASE;
	return XPV_BLK_SEND;
}

static enum xpv_blk_course plan(struct xpv_blk *dev, struct request *rq,
				struct xpv_blk_request *req)
{
	u8 flush_op = READ_ONCE(dev->flush_op);

	req->handle = dev->handle;
	req->sector = blk_rq_pos(rq);
	switch (req_op(rq)) {
	case REQ_OP_READ:
		req->op = XPV_BLKIF_READ;
		return XPV_BLK_SEND;
	case REQ_OP_WRITE:
		return plan_write(rq, flush_op, req);
	case REQ_OP_FLUSH:
		req->op = flush_op;
		req->sector = 0;
		return flush_op == XPV_BLK_NO_FLUSH ? XPV_BLK_SKIP : XPV_BLK_SEND;
	case REQ_OP_DISCARD:
	case REQ_OP_SECURE_ERASE:
		return plan_discard(dev, rq, req);
	default:
		return XPV_BLK_REFUSE;
	}
}

/*
 * Callers' pages as they come, or ours without gaps. A segment is of whole
 * sectors on the wire; queue limits say so, and not everyone in the kernel
 * has always kept to them.
 */
static enum xpv_blk_course count_segs(struct xpv_blk_queue *q,
				      struct request *rq, unsigned int *nr)
{
	struct req_iterator iter;
	struct bio_vec bv;

	if (q->bounce) {
		*nr = DIV_ROUND_UP(blk_rq_bytes(rq), XPV_PAGE_SIZE);
		return XPV_BLK_SEND;
	}
	*nr = 0;
	rq_for_each_segment(bv, rq, iter) {
		if ((bv.bv_offset | bv.bv_len) & (XPV_SECTOR_SIZE - 1))
			return XPV_BLK_ABORT;
		++*nr;
	}
	return XPV_BLK_SEND;
}

static enum xpv_blk_course plan_data(struct xpv_blk_queue *q,
				     struct request *rq,
				     struct xpv_blk_request *req)
{
	unsigned int nr, limit = q->max_segs;
	enum xpv_blk_course course;

	if (req->op == XPV_BLKIF_DISCARD || !blk_rq_bytes(rq))
		return XPV_BLK_SEND;
	course = count_segs(q, rq, &nr);
	if (course != XPV_BLK_SEND)
		return course;
	if (req->op == XPV_BLKIF_WRITE_BARRIER)
		limit = XPV_BLKIF_DIRECT_SEGS; /* never indirect */
	if (nr > limit)
		return XPV_BLK_SPLIT;
	req->nr_segs = (u16)nr;
	return XPV_BLK_SEND;
}

/* What is to be written goes into our pages before the ring is locked. */
static bool stage(struct xpv_blk_queue *q, struct request *rq)
{
	unsigned long flags;
	bool taken;

	spin_lock_irqsave(&q->lock, flags);
	taken = q->open && xpv_blk_bounce_take(q, rq);
	if (!taken)
		WRITE_ONCE(q->dev->starving, true);
	spin_unlock_irqrestore(&q->lock, flags);
	if (taken)
		xpv_blk_bounce(rq);
	return taken;
}

/* A segment's descriptor goes into the request, or into its slot's page. */
static void put_seg(struct xpv_blk_queue *q, struct xpv_blk_io *io,
		    struct xpv_blk_request *req, unsigned int i,
		    const struct xpv_blk_seg *seg)
{
	if (io->indirect) {
		xpv_blkif_encode_seg(seg, page_address(q->slot[io->id].table), i);
	} else {
		req->seg[i] = *seg;
		io->ref[i] = seg->gref;
	}
}

static bool put_own_pages(struct xpv_blk_queue *q, struct request *rq,
			  struct xpv_blk_request *req)
{
	struct xpv_blk_io *io = blk_mq_rq_to_pdu(rq);
	bool readonly = req->op != XPV_BLKIF_READ;
	struct req_iterator iter;
	unsigned int i = 0;
	struct bio_vec bv;

	if (!xpv_blk_refs_reserve(q->dev, &io->pool->refs, req->nr_segs))
		return false;
	rq_for_each_segment(bv, rq, iter) {
		u32 first = bv.bv_offset >> XPV_SECTOR_SHIFT;
		u32 count = bv.bv_len >> XPV_SECTOR_SHIFT;
		struct xpv_blk_seg seg = {
			.gref = xpv_blk_grant(q->dev, &io->pool->refs,
					      bv.bv_page, readonly),
			.first = (u8)first,
			.last = (u8)(first + count - 1),
		};

		put_seg(q, io, req, i++, &seg);
	}
	io->nr_refs = (u16)i;
	return true;
}

static bool put_bounced(struct xpv_blk_queue *q, struct request *rq,
			struct xpv_blk_request *req)
{
	struct xpv_blk_io *io = blk_mq_rq_to_pdu(rq);
	/* What stays granted serves both directions. */
	bool readonly = req->op != XPV_BLKIF_READ && !q->persistent;
	u32 left = blk_rq_sectors(rq);
	unsigned int i = 0;
	struct page *page;

	if (!xpv_blk_bounce_grant(q, io, readonly))
		return false;
	list_for_each_entry(page, &io->pages, lru) {
		u32 count = min(left, XPV_SECTORS_PER_PAGE);
		struct xpv_blk_seg seg = {
			.gref = (grant_ref_t)page_private(page),
			.last = (u8)(count - 1),
		};

		put_seg(q, io, req, i++, &seg);
		left -= count;
	}
	return true;
}

static bool put_data(struct xpv_blk_queue *q, struct request *rq,
		     struct xpv_blk_request *req)
{
	struct xpv_blk_io *io = blk_mq_rq_to_pdu(rq);

	io->indirect = req->nr_segs > XPV_BLKIF_DIRECT_SEGS;
	if (io->indirect) {
		if (!xpv_blk_slot_table(q, io))
			return false;
		req->indirect = true;
		req->indirect_gref[0] = (grant_ref_t)page_private(
			q->slot[io->id].table);
	}
	if (!req->nr_segs)
		return true;
	if (!q->bounce)
		return put_own_pages(q, rq, req);
	if (!io->bounced && !xpv_blk_bounce_take(q, rq))
		return false;
	return put_bounced(q, rq, req);
}

/* Under q->lock. False: try later. */
static bool send(struct xpv_blk_queue *q, struct request *rq,
		 struct xpv_blk_request *req)
{
	struct xpv_blk_io *io = blk_mq_rq_to_pdu(rq);

	if (!xpv_blk_slot_take(q, io))
		return false;
	if (!put_data(q, rq, req)) {
		xpv_blk_slot_give(q, io);
		return false;
	}
	req->id = io->id;
	io->op = req->op;
	io->index = q->ring.req_prod;
	xpv_blkif_encode(&xpv_blkif_native, req, xpv_front_request(&q->ring));
	return true;
}

/* Under q->lock. */
void xpv_blk_push(struct xpv_blk_queue *q)
{
	if (q->open && xpv_front_push(&q->ring))
		notify_remote_via_irq(q->irq);
}

/*
 * From SEND on the request may be completed at any time, by another CPU; with
 * any other course it is the caller's, and has nothing of ours.
 */
static enum xpv_blk_course transmit(struct xpv_blk_queue *q, struct request *rq,
				    struct xpv_blk_request *req,
				    enum xpv_blk_course course, bool last)
{
	unsigned long flags;

	if (course == XPV_BLK_SEND && q->bounce && req->nr_segs &&
	    req->op != XPV_BLKIF_READ && !stage(q, rq))
		course = XPV_BLK_LATER;

	spin_lock_irqsave(&q->lock, flags);
	if (!q->open) {
		course = XPV_BLK_ABORT;
	} else if (course == XPV_BLK_SEND && !send(q, rq, req)) {
		WRITE_ONCE(q->dev->starving, true);
		course = XPV_BLK_LATER;
	}
	if (last)
		xpv_blk_push(q);
	spin_unlock_irqrestore(&q->lock, flags);

	if (course != XPV_BLK_SEND)
		xpv_blk_give_back(rq, false);
	return course;
}

enum xpv_blk_course xpv_blk_submit(struct xpv_blk_queue *q, struct request *rq,
				   bool last)
{
	struct xpv_blk_io *io = blk_mq_rq_to_pdu(rq);
	struct xpv_blk_request req = {};
	enum xpv_blk_course course;

	io->q = q;
	io->pool = &q->pool;
	io->again = false;
	io->bounced = false;
	io->nr_refs = 0;
	course = plan(q->dev, rq, &req);
	if (course == XPV_BLK_SEND)
		course = plan_data(q, rq, &req);
	course = transmit(q, rq, &req, course, last);
	if (course == XPV_BLK_LATER && xpv_blk_reserve_take(q, io))
		course = transmit(q, rq, &req, XPV_BLK_SEND, last);
	return course;
}
