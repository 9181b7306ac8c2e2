// SPDX-License-Identifier: MIT
/*
 * The way of one request: copied in, through its steps in the storage,
 * copied out, answered.
 *
 *	read	 data
 *	write	 data
 *	discard	 data
 *	flush	 flush, and then the data if it carries any
 *	barrier	 alone on its ring: flush, data, flush
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

unsigned int request_pages(const struct xpv_blk_request *req)
{
	uint64_t bytes = req->nr_sectors << XPV_SECTOR_SHIFT;

	if (req->indirect)
		/* How full the segments are is not known yet. */
		return 1 + req->nr_segs;
	if (!has_data(req))
		return 0;
	return (unsigned int)((bytes + XPV_PAGE_SIZE - 1) >> XPV_PAGE_SHIFT);
}

static uint8_t plan_steps(const struct xpv_blk_request *req)
{
	switch (req->op) {
	case XPV_BLKIF_FLUSH:
		return STEP_FLUSH_BEFORE | (has_data(req) ? STEP_DATA : 0);
	case XPV_BLKIF_WRITE_BARRIER:
		return STEP_FLUSH_BEFORE |
		       (has_data(req) ? STEP_DATA | STEP_FLUSH_AFTER : 0);
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
	rq->io.iov = &rq->iov;
	rq->io.nr_iov = 1;
	rq->io.done = done;
	rq->iov.iov_base = request_data(rq);
	rq->iov.iov_len = rq->io.length;
	vbd->in_storage++;
	storage_submit(vbd->storage, &rq->io);
}

static enum storage_op data_op(const struct vbd_request *rq)
{
	if (rq->req.op == XPV_BLKIF_DISCARD)
		return STORAGE_DISCARD;
	return is_read(rq) ? STORAGE_READ : STORAGE_WRITE;
}

/* Through the storage; what is left is to copy the data of a read. */
static void finish(struct vbd_request *rq)
{
	if (is_read(rq) && rq->status == XPV_BLKIF_OKAY) {
		grant_copy_data(rq, TO_GUEST);
		STAILQ_INSERT_TAIL(&rq->queue->vbd->copied_out, rq, next);
	} else {
		queue_respond(rq);
	}
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
	if (!is_read(rq) && has_data(&rq->req)) {
		grant_copy_data(rq, FROM_GUEST);
		STAILQ_INSERT_TAIL(&vbd->copied_in, rq, next);
	} else {
		request_copied_in(rq);
	}
}

void request_start(struct vbd_request *rq)
{
	struct vbd *vbd = rq->queue->vbd;

	if (rq->req.indirect) {
		grant_copy_descriptors(rq);
		STAILQ_INSERT_TAIL(&vbd->fetched, rq, next);
	} else {
		copy_in_or_step(rq);
	}
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
	if (rq->status == XPV_BLKIF_OKAY)
		copy_in_or_step(rq);
	else
		queue_respond(rq);
}

void request_copied_in(struct vbd_request *rq)
{
	if (rq->status != XPV_BLKIF_OKAY)
		queue_respond(rq);
	else if (rq != rq->queue->barrier)
		request_step(rq);
	/* else queue_take() starts it when it is alone */
}

void request_copied_out(struct vbd_request *rq)
{
	queue_respond(rq);
}
