// SPDX-License-Identifier: MIT
/*
 * Copies between a guest's pages and our memory. Copying up to 44 KiB costs
 * less than mapping and unmapping the pages, and a copy that a guest spoils
 * (a bad reference, a grant that is revoked meanwhile) fails alone.
 */
#include "vbd.h"

static struct hyper_copy *add(struct vbd_request *rq)
{
	struct vbd *vbd = rq->queue->vbd;
	struct grant_batch *b = &vbd->common->batch;

	if (b->n == VBD_BATCH)
		grant_run(vbd);
	b->owner[b->n] = rq;
	return &b->op[b->n++];
}

static void add_copy(struct vbd_request *rq, uint32_t gref, uint16_t offset,
		     void *mem, uint16_t len, enum copy_direction direction)
{
	struct hyper_copy_end guest = {
		.is_grant = true,
		.domid = rq->queue->vbd->worker->domid,
		.offset = offset,
		.gref = gref,
	};
	struct hyper_copy_end own = {.virt = mem};
	struct hyper_copy *op = add(rq);

	op->src = direction == FROM_GUEST ? guest : own;
	op->dst = direction == FROM_GUEST ? own : guest;
	op->len = len;
	op->status = HYPER_COPY_ERROR;
}

void grant_copy_descriptors(struct vbd_request *rq)
{
	_Static_assert(XPV_BLKIF_MAX_SEGS <= XPV_BLKIF_SEGS_PER_PAGE,
		       "descriptors fill one indirect page at most");

	add_copy(rq, rq->req.indirect_gref[0], 0, rq->mem,
		 (uint16_t)(rq->req.nr_segs * XPV_BLKIF_SEG_SIZE), FROM_GUEST);
}

void grant_copy_data(struct vbd_request *rq, enum copy_direction direction)
{
	const struct xpv_blk_seg *seg = request_segs(rq);
	uint8_t *data = request_data(rq);
	unsigned int i;
	uint16_t len;

	for (i = 0; i < rq->req.nr_segs; i++, seg++) {
		len = (uint16_t)(xpv_blk_seg_sectors(seg) << XPV_SECTOR_SHIFT);
		add_copy(rq, seg->gref,
			 (uint16_t)(seg->first << XPV_SECTOR_SHIFT), data, len,
			 direction);
		data += len;
	}
}

void grant_run(struct vbd *vbd)
{
	struct grant_batch *b = &vbd->common->batch;
	struct hyper *h = vbd->worker->hyper;
	unsigned int i;
	int err;

	if (!b->n)
		return;
	err = h->ops->copy(h, b->op, b->n);
	for (i = 0; i < b->n; i++)
		if (err || b->op[i].status != HYPER_COPY_OKAY)
			b->owner[i]->status = XPV_BLKIF_ERROR;
	b->n = 0;
}
