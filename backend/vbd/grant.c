// SPDX-License-Identifier: MIT
/*
 * Copies between a guest's pages and our memory, by the hypervisor. Copying up
 * to 44 KiB costs less than mapping and unmapping the pages, and a copy that a
 * guest spoils (a bad reference, a grant that is revoked meanwhile) fails
 * alone.
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

void grant_copy(struct vbd_request *rq, uint32_t gref, unsigned int offset,
		void *mem, unsigned int len, enum copy_direction direction)
{
	struct hyper_copy_end guest = {
		.is_grant = true,
		.domid = rq->queue->vbd->worker->domid,
		.offset = (uint16_t)offset,
		.gref = gref,
	};
	struct hyper_copy_end own = {.virt = mem};
	struct hyper_copy *op = add(rq);

	op->src = direction == FROM_GUEST ? guest : own;
	op->dst = direction == FROM_GUEST ? own : guest;
	op->len = (uint16_t)len;
	op->status = HYPER_COPY_ERROR;
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
