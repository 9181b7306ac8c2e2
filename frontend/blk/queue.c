// SPDX-License-Identifier: GPL-2.0-only
/*
 * From struct request to a slot of the ring.
 *
 * A request's id is its tag. There are as many tags as slots, so whoever has
 * a tag has room in the ring too.
 */
#include "blkfront.h"

/* What becomes of a request that blk-mq hands us. */
enum course {
	SEND,
	LATER,	/* no grant references now; blk-mq comes back */
	SKIP,	/* nothing to do: it is done */
	SPLIT,	/* made for a backend that could more: submit it anew */
	REFUSE, /* no such operation */
	FAIL,	/* no backend */
};

static enum course plan_write(struct request *rq, u8 flush_op,
			      struct xpv_blk_request *req)
{
	req->op = XPV_BLKIF_WRITE;
	if (!(rq->cmd_flags & REQ_FUA) || flush_op == XPV_BLK_NO_FLUSH)
		return SEND;
	/* A barrier is on the medium when it is answered, as FUA asks. */
	if (flush_op != XPV_BLKIF_WRITE_BARRIER)
		return SPLIT;
	req->op = XPV_BLKIF_WRITE_BARRIER;
	return SEND;
}

static enum course plan_discard(struct xpv_blk *dev, struct request *rq,
				struct xpv_blk_request *req)
{
	if (!READ_ONCE(dev->discard))
		return REFUSE;
	req->op = XPV_BLKIF_DISCARD;
	req->nr_sectors = blk_rq_sectors(rq);
	req->secure = req_op(rq) == REQ_OP_SECURE_ERASE;
	return SEND;
}

static enum course plan(struct xpv_blk *dev, struct request *rq,
			struct xpv_blk_request *req)
{
	u8 flush_op = READ_ONCE(dev->flush_op);

	req->id = (u64)rq->tag;
	req->handle = dev->handle;
	req->sector = blk_rq_pos(rq);
	switch (req_op(rq)) {
	case REQ_OP_READ:
		req->op = XPV_BLKIF_READ;
		return SEND;
	case REQ_OP_WRITE:
		return plan_write(rq, flush_op, req);
	case REQ_OP_FLUSH:
		req->op = flush_op;
		req->sector = 0;
		return flush_op == XPV_BLK_NO_FLUSH ? SKIP : SEND;
	case REQ_OP_DISCARD:
	case REQ_OP_SECURE_ERASE:
		return plan_discard(dev, rq, req);
	default:
		return REFUSE;
	}
}

/* The data's scatter list, if there is data. */
static enum course plan_segments(struct xpv_blk_queue *q, struct request *rq,
				 struct xpv_blk_request *req)
{
	struct xpv_blk_io *io = blk_mq_rq_to_pdu(rq);
	unsigned int limit = q->max_segs;

	if (req->op == XPV_BLKIF_DISCARD || !blk_rq_nr_phys_segments(rq))
		return SEND;
	if (req->op == XPV_BLKIF_WRITE_BARRIER)
		limit = XPV_BLKIF_DIRECT_SEGS; /* never indirect */
	if (blk_rq_nr_phys_segments(rq) > limit)
		return SPLIT;
	req->nr_segs = (u16)blk_rq_map_sg(rq->q, rq, io->sg);
	return SEND;
}

/* Segment descriptors go into the request, or into its indirect page. */
static void describe(struct xpv_blk_queue *q, struct xpv_blk_io *io,
		     struct xpv_blk_request *req)
{
	struct xpv_blk_indirect *indirect = NULL;
	struct scatterlist *sg;
	unsigned int i;

	if (req->nr_segs > XPV_BLKIF_DIRECT_SEGS) {
		indirect = &q->indirect[req->id];
		req->indirect = true;
		req->indirect_gref[0] = indirect->ref;
	}
	for_each_sg(io->sg, sg, req->nr_segs, i) {
		u32 first = sg->offset >> XPV_SECTOR_SHIFT;
		u32 count = sg->length >> XPV_SECTOR_SHIFT;
		struct xpv_blk_seg seg = {
			.gref = io->ref[i],
			.first = (u8)first,
			.last = (u8)(first + count - 1),
		};

		if (indirect)
			xpv_blkif_encode_seg(&seg, page_address(indirect->page),
					     i);
		else
			req->seg[i] = seg;
	}
}

/* Under q->lock. False: no grant references, try later. */
static bool send(struct xpv_blk_queue *q, struct request *rq,
		 struct xpv_blk_request *req)
{
	struct xpv_blk_io *io = blk_mq_rq_to_pdu(rq);

	io->op = req->op;
	io->again = false;
	io->nr_refs = 0;
	if (req->nr_segs &&
	    !xpv_blk_grant(q, io, req->nr_segs, req->op != XPV_BLKIF_READ))
		return false;
	describe(q, io, req);
	io->index = q->ring.req_prod;
	q->slot[req->id] = io;
	xpv_blkif_encode(&xpv_blkif_native, req, xpv_front_request(&q->ring));
	return true;
}

static void push(struct xpv_blk_queue *q)
{
	if (q->open && xpv_front_push(&q->ring))
		notify_remote_via_irq(q->irq);
}

/* Under q->lock. */
static enum course submit(struct xpv_blk_queue *q, struct request *rq,
			  bool last)
{
	struct xpv_blk_request req = {};
	enum course course;

	if (!q->open)
		return FAIL;
	course = plan(q->dev, rq, &req);
	if (course == SEND)
		course = plan_segments(q, rq, &req);
	if (course == SEND && !send(q, rq, &req))
		return LATER;
	if (last)
		push(q);
	return course;
}

static blk_status_t queue_rq(struct blk_mq_hw_ctx *hctx,
			     const struct blk_mq_queue_data *bd)
{
	struct xpv_blk_queue *q = hctx->driver_data;
	enum course course;
	unsigned long flags;

	blk_mq_start_request(bd->rq);
	spin_lock_irqsave(&q->lock, flags);
	course = submit(q, bd->rq, bd->last);
	spin_unlock_irqrestore(&q->lock, flags);

	switch (course) {
	case SEND:
		return BLK_STS_OK;
	case LATER:
		return BLK_STS_RESOURCE;
	case SKIP:
		blk_mq_end_request(bd->rq, BLK_STS_OK);
		return BLK_STS_OK;
	case SPLIT:
		xpv_blk_replay_request(q->dev, bd->rq);
		return BLK_STS_OK;
	case REFUSE:
		return BLK_STS_NOTSUPP;
	default:
		return BLK_STS_IOERR;
	}
}

static void commit_rqs(struct blk_mq_hw_ctx *hctx)
{
	struct xpv_blk_queue *q = hctx->driver_data;
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	push(q);
	spin_unlock_irqrestore(&q->lock, flags);
}

/* After the response, outside the interrupt. */
static void complete_rq(struct request *rq)
{
	struct xpv_blk_io *io = blk_mq_rq_to_pdu(rq);

	if (io->again)
		blk_mq_requeue_request(rq, true);
	else
		blk_mq_end_request(rq, io->status);
}

static int init_hctx(struct blk_mq_hw_ctx *hctx, void *data, unsigned int index)
{
	struct xpv_blk *dev = data;

	hctx->driver_data = &dev->queue[index];
	return 0;
}

static int init_request(struct blk_mq_tag_set *set, struct request *rq,
			unsigned int hctx, unsigned int node)
{
	struct xpv_blk_io *io = blk_mq_rq_to_pdu(rq);

	sg_init_table(io->sg, XPV_BLK_MAX_SEGS);
	return 0;
}

const struct blk_mq_ops xpv_blk_mq_ops = {
	.queue_rq = queue_rq,
	.commit_rqs = commit_rqs,
	.complete = complete_rq,
	.init_hctx = init_hctx,
	.init_request = init_request,
};
