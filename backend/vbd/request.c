// SPDX-License-Identifier: MIT
/*
 * The way of one request: copied in, through its steps in the storage,
 * copied out, answered.
 *
 *	read	 data
 *	write	 data
 *	discard	 data, unless it is of nothing
 *	flush	 flush; if it carries data, the data and another flush
 *	barrier	 alone on its device: the same
 *
 * A flush makes durable what was answered before it was sent. It waits for
 * nothing, and holds nothing up. Linux' blkback takes data with a flush as a
 * write after the flush (REQ_PREFLUSH) that itself may still be in a cache; we
 * answer when the data is durable as well, so that a frontend may use either
 * operation for a forced unit access.
 *
 * A barrier (WRITE_BARRIER) is a flush in order: what was taken before it is
 * done before it starts, and what comes later is not taken until it is done,
 * on all rings of the device. blkback drains the one ring only.
 */
#include "vbd.h"

#include <errno.h>

static bool has_data(const struct xpv_blk_request *req)
{
	return req->nr_segs > 0;
}

static bool is_read(const struct vbd_request *rq)
{
	return rq->req.op == XPV_BLKIF_READ;
}

static unsigned int bounce_pages(const struct vbd_request *rq)
{
	return (rq->bounce + XPV_PAGE_SIZE - 1) >> XPV_PAGE_SHIFT;
}

void request_prepare(struct vbd_request *rq)
{
	rq->found = false;
	rq->bounce = 0;
	if (!rq->req.indirect)
		data_find(rq);
	else
		/* How full the segments are is not known yet. */
		rq->bounce = rq->req.nr_segs * XPV_PAGE_SIZE;
}

unsigned int request_pages(const struct vbd_request *rq)
{
	return request_table_pages(rq) + bounce_pages(rq);
}

static uint8_t plan_steps(const struct xpv_blk_request *req)
{
	switch (req->op) {
	case XPV_BLKIF_FLUSH:
	case XPV_BLKIF_WRITE_BARRIER:
		return STEP_FLUSH_BEFORE |
		       (has_data(req) ? STEP_DATA | STEP_FLUSH_AFTER : 0);
	case XPV_BLKIF_DISCARD:
		return req->nr_sectors ? STEP_DATA : 0;
	default:
		return STEP_DATA;
	}
}

static void done(struct storage_io *io, int error)
{
	struct vbd_request *rq =
		(struct vbd_request *)((char *)io -
				       offsetof(struct vbd_request, io));
	struct vbd *vbd = rq->queue->vbd;

	vbd->in_storage--;
	if (error == -ECANCELED && vbd->state == VBD_LEAVING) {
		queue_leave(rq);
		return;
	}
	if (error) {
		/*
		 * Only a discard may be "not supported": told so of a flush,
		 * a guest goes on without flushing.
		 */
		rq->status =
			error == -EOPNOTSUPP && rq->req.op == XPV_BLKIF_DISCARD
				? XPV_BLKIF_EOPNOTSUPP
				: XPV_BLKIF_ERROR;
		rq->steps = 0;
	}
	request_step(rq);
}

static void submit(struct vbd_request *rq, enum storage_op op)
{
	struct vbd *vbd = rq->queue->vbd;
	bool flush = op == STORAGE_FLUSH;

	rq->io.op = op;
	rq->io.secure = rq->req.secure;
	rq->io.offset = flush ? 0 : rq->req.sector << XPV_SECTOR_SHIFT;
	rq->io.length = flush ? 0 : rq->req.nr_sectors << XPV_SECTOR_SHIFT;
	rq->io.done = done;
	rq->io.iov = NULL;
	rq->io.nr_iov = 0;
	if (op == STORAGE_READ || op == STORAGE_WRITE) {
		rq->io.iov = request_iov(rq);
		rq->io.nr_iov = data_iov(rq);
	}
	vbd->in_storage++;
	storage_submit(vbd->storage, &rq->io);
}

static enum storage_op data_op(const struct vbd_request *rq)
{
	if (rq->req.op == XPV_BLKIF_DISCARD)
		return STORAGE_DISCARD;
	return is_read(rq) ? STORAGE_READ : STORAGE_WRITE;
}

/* Through the storage; what may be left is to copy the data of a read. */
static void finish(struct vbd_request *rq)
{
	if (is_read(rq) && rq->status == XPV_BLKIF_OKAY && data_scatter(rq))
		STAILQ_INSERT_TAIL(&rq->queue->vbd->copied_out, rq, next);
	else
		queue_respond(rq);
}

void request_step(struct vbd_request *rq)
{
	uint8_t step = rq->steps & -rq->steps; /* the lowest bit */

	rq->steps &= (uint8_t)~step;
	if (!step)
		finish(rq);
	else if (step == STEP_DATA)
		submit(rq, data_op(rq));
	else
		submit(rq, STORAGE_FLUSH);
}

static void copy_in_or_step(struct vbd_request *rq)
{
	struct vbd *vbd = rq->queue->vbd;

	rq->steps = plan_steps(&rq->req);
	if (!is_read(rq) && has_data(&rq->req) && data_gather(rq))
		STAILQ_INSERT_TAIL(&vbd->copied_in, rq, next);
	else
		request_copied_in(rq);
}

/* Descriptors are copied, once, even where their page is mapped. */
static void fetch_descriptors(struct vbd_request *rq)
{
	struct vbd *vbd = rq->queue->vbd;
	uint32_t gref = rq->req.indirect_gref[0];
	unsigned int bytes = rq->req.nr_segs * XPV_BLKIF_SEG_SIZE;
	void *page = kept_get(&vbd->kept, gref);

	if (page) {
		xpv_copy_once(rq->mem, page, bytes);
		kept_put(&vbd->kept, gref);
		request_fetched(rq);
	} else {
		grant_copy(rq, gref, 0, rq->mem, bytes, FROM_GUEST);
		STAILQ_INSERT_TAIL(&vbd->fetched, rq, next);
	}
}

void request_start(struct vbd_request *rq)
{
	if (rq->req.indirect)
		fetch_descriptors(rq);
	else
		copy_in_or_step(rq);
}

/* The memory that turned out not to be needed. */
static void give_back(struct vbd_request *rq)
{
	unsigned int keep = request_pages(rq);

	if (keep == rq->pages)
		return;
	buffers_put(&rq->queue->vbd->common->buffers,
		    rq->mem + (size_t)keep * XPV_PAGE_SIZE, rq->pages - keep);
	rq->queue->vbd->memory -= rq->pages - keep;
	rq->pages = keep;
}

void request_fetched(struct vbd_request *rq)
{
	struct vbd *vbd = rq->queue->vbd;
	enum xpv_blk_verdict verdict;

	if (rq->status == XPV_BLKIF_OKAY) {
		verdict = xpv_blkif_decode_indirect(&vbd->limits, rq->mem,
						    &rq->req, request_segs(rq));
		rq->status = (int16_t)xpv_blk_verdict_status(verdict);
	}
	if (rq->status != XPV_BLKIF_OKAY) {
		queue_respond(rq);
		return;
	}
	data_find(rq);
	give_back(rq);
	copy_in_or_step(rq);
}

void request_copied_in(struct vbd_request *rq)
{
	if (rq->status != XPV_BLKIF_OKAY)
		queue_respond(rq);
	else if (rq != rq->queue->vbd->barrier)
		request_step(rq);
	/* else the device starts it when it is alone */
}

void request_copied_out(struct vbd_request *rq)
{
	queue_respond(rq);
}
