// SPDX-License-Identifier: GPL-2.0-only
/*
 * What blk-mq asks of us. Its hardware queues are as many as the rings, until
 * a migration changes that: then some share a ring.
 */
#include "blkfront.h"

static struct xpv_blk_queue *queue_of(const struct blk_mq_hw_ctx *hctx)
{
	struct xpv_blk *dev = hctx->driver_data;
	/* at once: a poller may look while a migration changes it */
	struct xpv_blk_shape rings = READ_ONCE(dev->rings);
	unsigned int nr = hctx->queue_num;

	if (hctx->type == HCTX_TYPE_POLL) {
		unsigned int poll = nr - dev->hw.irq;

		if (poll < rings.poll)
			return &dev->queue[rings.irq + poll];
	}
	return &dev->queue[nr % rings.irq];
}

/* What ends in an interrupt after all says so to whoever frees the bios. */
static void stop_polling(struct request *rq)
{
	struct bio *bio;

	__rq_for_each_bio(bio, rq)
		bio->bi_opf &= ~REQ_POLLED;
}

static blk_status_t queue_rq(struct blk_mq_hw_ctx *hctx,
			     const struct blk_mq_queue_data *bd)
{
	struct xpv_blk_queue *q = queue_of(hctx);

	if (hctx->type == HCTX_TYPE_POLL && !q->polled)
		stop_polling(bd->rq);
	blk_mq_start_request(bd->rq);
	switch (xpv_blk_submit(q, bd->rq, bd->last)) {
	case XPV_BLK_SEND:
		return BLK_STS_OK;
	case XPV_BLK_LATER:
		return BLK_STS_RESOURCE;
	case XPV_BLK_SKIP:
		blk_mq_end_request(bd->rq, BLK_STS_OK);
		return BLK_STS_OK;
	case XPV_BLK_SPLIT:
		xpv_blk_replay_request(q->dev, bd->rq);
		return BLK_STS_OK;
	case XPV_BLK_REFUSE:
		return BLK_STS_NOTSUPP;
	default:
		return BLK_STS_IOERR;
	}
}

static void commit_rqs(struct blk_mq_hw_ctx *hctx)
{
	struct xpv_blk_queue *q = queue_of(hctx);
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	xpv_blk_push(q);
	spin_unlock_irqrestore(&q->lock, flags);
}

static int poll(struct blk_mq_hw_ctx *hctx, struct io_comp_batch *batch)
{
	return xpv_blk_reap(queue_of(hctx));
}

/*
 * A request is never given up: its pages are the backend's until it says
 * otherwise, and a backend that comes back answers. But an event may be
 * lost, and whoever polled may have gone.
 */
static enum blk_eh_timer_return timeout(struct request *rq)
{
	xpv_blk_reap(queue_of(rq->mq_hctx));
	return blk_mq_rq_state(rq) == MQ_RQ_IN_FLIGHT ? BLK_EH_RESET_TIMER :
							BLK_EH_DONE;
}

static int init_hctx(struct blk_mq_hw_ctx *hctx, void *data, unsigned int index)
{
	hctx->driver_data = data;
	return 0;
}

/*
 * CPUs to hardware queues. Of maps there is one, or one a type (disk_make()).
 * No request is under way here, nor does anyone poll: until now, queue_of()
 * went by the shape before. If memory lacks for more queues, blk-mq goes back
 * to as many as there were, and comes once more.
 */
static void map_queues(struct blk_mq_tag_set *set)
{
	struct blk_mq_queue_map *map = set->map;
	struct xpv_blk *dev = set->driver_data;

	dev->hw = set->nr_hw_queues == xpv_blk_total(dev->hw_new) ? dev->hw_new :
								    dev->hw_old;
	map[HCTX_TYPE_DEFAULT].nr_queues = dev->hw.irq;
	blk_mq_map_queues(&map[HCTX_TYPE_DEFAULT]);
	if (set->nr_maps <= HCTX_TYPE_POLL)
		return;
	map[HCTX_TYPE_READ].nr_queues = 0; /* as DEFAULT */
	map[HCTX_TYPE_POLL].nr_queues = dev->hw.poll;
	map[HCTX_TYPE_POLL].queue_offset = dev->hw.irq;
	blk_mq_map_queues(&map[HCTX_TYPE_POLL]);
}

const struct blk_mq_ops xpv_blk_mq_ops = {
	.queue_rq = queue_rq,
	.commit_rqs = commit_rqs,
	.complete = xpv_blk_complete,
	.poll = poll,
	.timeout = timeout,
	.init_hctx = init_hctx,
	.map_queues = map_queues,
};
