// SPDX-License-Identifier: GPL-2.0-only
/*
 * Responses. The backend is not trusted: each response is copied once and
 * must answer a request that it has seen and not answered yet. One that does
 * not means that the ring cannot be believed any more (XSA-376).
 */
#include "blkfront.h"

/* Grant references that a queue keeps, with requests in flight and without. */
#define KEEP_BUSY 256u
#define KEEP_IDLE 32u

/*
 * A refusal is not an error: the backend, or what is behind it, has lost the
 * feature or never had it. For a flush it says that there is no cache to
 * flush, and a write that came with it is still to be done.
 */
static blk_status_t refused(struct xpv_blk *dev, struct xpv_blk_io *io)
{
	switch (io->op) {
	case XPV_BLKIF_FLUSH:
	case XPV_BLKIF_WRITE_BARRIER:
		if (READ_ONCE(dev->flush_op) != XPV_BLK_NO_FLUSH)
			dev_warn(&dev->xbdev->dev,
				 "the backend refuses to flush: its cache is left alone from now on\n");
		WRITE_ONCE(dev->flush_op, XPV_BLK_NO_FLUSH);
		io->again = blk_rq_bytes(xpv_blk_rq(io)) != 0;
		return BLK_STS_OK;
	case XPV_BLKIF_DISCARD:
		WRITE_ONCE(dev->discard, false);
		return BLK_STS_NOTSUPP;
	default:
		return BLK_STS_IOERR;
	}
}

static blk_status_t verdict_of(struct xpv_blk *dev, struct xpv_blk_io *io,
			       int status)
{
	switch (status) {
	case XPV_BLKIF_OKAY:
		return BLK_STS_OK;
	case XPV_BLKIF_EOPNOTSUPP:
		return refused(dev, io);
	default:
		return BLK_STS_IOERR;
	}
}

static bool release_data(struct xpv_blk_queue *q, struct xpv_blk_io *io)
{
	if (!io->bounced)
		return xpv_blk_revoke(q, io);
	return q->persistent || xpv_blk_bounce_revoke(io);
}

/* NULL, or what is wrong with the response. */
static const char *take_response(struct xpv_blk_queue *q,
				 struct xpv_blk_io **done)
{
	struct xpv_blk_response rsp;
	u8 wire[XPV_BLKIF_MAX_SLOT];
	struct xpv_blk_io *io;
	bool released;

	xpv_front_take(&q->ring, wire, xpv_blkif_native.rsp_size);
	xpv_blkif_decode_response(&xpv_blkif_native, wire, &rsp);
	if (rsp.id >= q->ring.ring.entries)
		return "response with an impossible id";
	io = q->slot[rsp.id].io;
	/* In flight: filled, and pushed (index arithmetic is modulo 2^32). */
	if (!io || (s32)(q->ring.req_pushed - io->index) <= 0)
		return "response to a request that is not in flight";
	if (rsp.op != io->op)
		return "response of another operation than its request";

	io->status = verdict_of(q->dev, io, rsp.status);
	io->next = *done;
	*done = io;
	released = release_data(q, io);
	xpv_blk_slot_give(q, io);
	if (!released) {
		io->status = BLK_STS_IOERR;
		io->again = false;
		return "page still mapped after its response";
	}
	return NULL;
}

static bool idle(const struct xpv_blk_queue *q)
{
	return q->ring.rsp_cons == q->ring.req_prod;
}

/* Of a ring that is polled nothing asks for the next event. */
static int look(struct xpv_blk_queue *q)
{
	return q->polled ? xpv_front_pending(&q->ring) :
			   xpv_front_final_check(&q->ring);
}

/*
 * All responses that are there. It ends: each one frees a slot, and none is
 * filled meanwhile. False: there were none.
 */
static bool take_responses(struct xpv_blk_queue *q, struct xpv_blk_io **done)
{
	const char *why = NULL;
	bool any = false;
	int n;

	while (!why && (n = look(q)) != 0) {
		if (n == XPV_RING_BROKEN)
			why = "response index beyond the requests";
		for (; n > 0 && !why; n--)
			why = take_response(q, done);
		any = true;
	}
	if (why)
		xpv_blk_break(q, why);
	/* Another queue may be the one that lacks them. */
	if (any)
		xpv_blk_refs_trim(q->dev, &q->pool.refs,
				  idle(q) || READ_ONCE(q->dev->starving) ?
					  KEEP_IDLE : KEEP_BUSY);
	return any;
}

bool xpv_blk_reap(struct xpv_blk_queue *q)
{
	struct xpv_blk_io *done = NULL;
	unsigned long flags;
	bool any;

	spin_lock_irqsave(&q->lock, flags);
	any = q->open && take_responses(q, &done);
	spin_unlock_irqrestore(&q->lock, flags);
	xpv_blk_finish(done);
	return any;
}

/*
 * A ring that is polled may signal its first response. That one waits too:
 * what is polled for must not be completed in an interrupt.
 */
irqreturn_t xpv_blk_interrupt(int irq, void *queue)
{
	struct xpv_blk_queue *q = queue;
	bool any = !q->polled && xpv_blk_reap(q);

	/* An event without a response is held back the longer the more come. */
	xen_irq_lateeoi((unsigned int)irq, any ? 0 : XEN_EOI_FLAG_SPURIOUS);
	return IRQ_HANDLED;
}

/* Without queue lock: what waits for a request may send the next at once. */
void xpv_blk_finish(struct xpv_blk_io *done)
{
	while (done) {
		struct xpv_blk_io *next = done->next;

		blk_mq_complete_request(xpv_blk_rq(done));
		done = next;
	}
}

/* The rest, without the lock, on the CPU that asked for it if that matters. */
void xpv_blk_complete(struct request *rq)
{
	struct xpv_blk_io *io = blk_mq_rq_to_pdu(rq);
	struct xpv_blk *dev = io->q->dev;

	xpv_blk_give_back(rq, req_op(rq) == REQ_OP_READ &&
				      io->status == BLK_STS_OK && !io->again);
	if (READ_ONCE(dev->starving) && xchg(&dev->starving, false))
		blk_mq_run_hw_queues(rq->q, true);
	if (io->again)
		blk_mq_requeue_request(rq, true);
	else
		blk_mq_end_request(rq, io->status);
}
