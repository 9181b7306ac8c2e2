// SPDX-License-Identifier: GPL-2.0-only
/*
 * The disk's reserve: pages and grants for one request, the longest that there
 * can be. It is there from the start and never used for anything else, so I/O
 * gets on when there is no memory left and the disk is where memory goes, or
 * when other devices have the grant table's last reference.
 *
 * A request that its queue's pool cannot serve takes the reserve as a whole,
 * if no other one has it, and holds it until it is done or could not be sent.
 * So one of a disk's requests is always under way; the others come back
 * (blk-mq does so by itself).
 *
 * What is in the reserve is touched under the lock of the queue whose request
 * has it; of a queue that is shut there is no such request.
 */
#include "blkfront.h"

static int fill(struct xpv_blk *dev, struct xpv_blk_pool *pool)
{
	unsigned int nr = xpv_blk_max_segs(dev);

	if (nr > XPV_BLKIF_DIRECT_SEGS) {
		struct page *table = xpv_blk_table_make(dev, pool);

		if (!table)
			return -ENOMEM;
		list_add(&table->lru, &pool->tables);
	}
	while (xpv_blk_bounces(dev) && pool->pages.total < nr) {
		if (!xpv_blk_pages_add(dev, pool))
			return -ENOMEM;
	}
	return xpv_blk_refs_reserve(dev, &pool->refs, nr) ? 0 : -ENOSPC;
}

/*
 * If a request of a life before still has what was then the reserve, that is
 * not what it gives back here (q->life).
 */
int xpv_blk_reserve_make(struct xpv_blk *dev)
{
	lockdep_assert_held(&dev->mutex);
	clear_bit(XPV_BLK_LENT, &dev->flags);
	return fill(dev, &dev->reserve);
}

void xpv_blk_reserve_drop(struct xpv_blk *dev)
{
	LIST_HEAD(pages);

	lockdep_assert_held(&dev->mutex);
	xpv_blk_pool_drop(dev, &dev->reserve, &pages);
	atomic_set(&dev->nr_refs, 0); /* those left go with their pages */
	xpv_blk_pages_free(dev, &pages);
}

bool xpv_blk_reserve_lent(const struct xpv_blk_io *io)
{
	return io->pool == &io->q->dev->reserve;
}

/* False: another request has it, or it is not what lacks. */
bool xpv_blk_reserve_take(struct xpv_blk_queue *q, struct xpv_blk_io *io)
{
	struct xpv_blk *dev = q->dev;
	unsigned long flags;
	bool taken;

	spin_lock_irqsave(&q->lock, flags);
	taken = q->open && xpv_blk_slot_free(q) &&
		!test_and_set_bit_lock(XPV_BLK_LENT, &dev->flags);
	if (taken) {
		io->pool = &dev->reserve;
		io->life = q->life;
	}
	spin_unlock_irqrestore(&q->lock, flags);
	return taken;
}

/* Under the lock of its queue, which is open, and in the life it was taken. */
void xpv_blk_reserve_give(struct xpv_blk_io *io)
{
	clear_bit_unlock(XPV_BLK_LENT, &io->q->dev->flags);
}
