// SPDX-License-Identifier: GPL-2.0-only
/*
 * Responses. The backend is not trusted: each response is copied once and
 * must answer a request that it has seen and not answered yet. One that does
 * not means that the ring cannot be believed any more (XSA-376).
 */
#include "blkfront.h"

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

/* NULL, or what is wrong with the response. */
static const char *take_response(struct xpv_blk_queue *q,
				 struct xpv_blk_io **done)
{
	struct xpv_blk_response rsp;
	u8 wire[XPV_BLKIF_MAX_SLOT];
	struct xpv_blk_io *io;

	xpv_front_take(&q->ring, wire, xpv_blkif_native.rsp_size);
	xpv_blkif_decode_response(&xpv_blkif_native, wire, &rsp);
	if (rsp.id >= q->ring.ring.entries)
		return "response with an impossible id";
	io = q->slot[rsp.id];
	/* In flight: filled, and pushed (index arithmetic is modulo 2^32). */
	if (!io || (s32)(q->ring.req_pushed - io->index) <= 0)
		return "response to a request that is not in flight";
	if (rsp.op != io->op)
		return "response of another operation than its request";

	q->slot[rsp.id] = NULL;
	io->status = verdict_of(q->dev, io, rsp.status);
	io->next = *done;
	*done = io;
	if (!xpv_blk_revoke(q, io)) {
		io->status = BLK_STS_IOERR;
		io->again = false;
		return "page still mapped after its response";
	}
	return NULL;
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

	while (!why && (n = xpv_front_final_check(&q->ring)) != 0) {
		if (n == XPV_RING_BROKEN)
			why = "response index beyond the requests";
		for (; n > 0 && !why; n--)
			why = take_response(q, done);
		any = true;
	}
	if (why)
		xpv_blk_break(q, why);
	return any;
}

irqreturn_t xpv_blk_interrupt(int irq, void *queue)
{
	unsigned int eoi = XEN_EOI_FLAG_SPURIOUS;
	struct xpv_blk_queue *q = queue;
	struct xpv_blk_io *done = NULL;
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	if (q->open && take_responses(q, &done))
		eoi = 0;
	spin_unlock_irqrestore(&q->lock, flags);
	xpv_blk_finish(done);
	/* An event without a response is held back the longer the more come. */
	xen_irq_lateeoi((unsigned int)irq, eoi);
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
