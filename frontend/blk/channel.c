// SPDX-License-Identifier: GPL-2.0-only
/*
 * The channel of a queue: ring memory, event channel, interrupt.
 *
 *	make	ring and event channel exist, nobody may use them yet
 *	open	the backend is connected: requests may go, responses come
 *	shut	neither; what was in flight fails or waits, all is given back
 */
#include <linux/slab.h>

#include "blkfront.h"

static int bind(struct xpv_blk_queue *q)
{
	struct xenbus_device *xbdev = q->dev->xbdev;
	int err;

	err = xenbus_alloc_evtchn(xbdev, &q->port);
	if (err)
		return err; /* said so itself */
	err = bind_evtchn_to_irqhandler_lateeoi(q->port, xpv_blk_interrupt, 0,
						"xpv-blkfront", q);
	if (err <= 0) {
		xenbus_free_evtchn(xbdev, q->port);
		q->port = 0;
		xenbus_dev_fatal(xbdev, err, "binding the event channel");
		return err ?: -ENODEV;
	}
	q->irq = (unsigned int)err;
	return 0;
}

int xpv_blk_channel_make(struct xpv_blk_queue *q)
{
	unsigned int pages = xpv_blk_ring_pages(q->dev);
	int err;

	lockdep_assert_held(&q->dev->mutex);
	err = xenbus_setup_ring(q->dev->xbdev, GFP_NOIO, &q->memory, pages,
				q->ring_ref);
	if (err)
		return err; /* said so itself */
	xpv_front_init(&q->ring, q->memory, (size_t)pages * XPV_PAGE_SIZE,
		       xpv_blkif_native.slot_size);
	return bind(q);
}

int xpv_blk_channel_open(struct xpv_blk_queue *q)
{
	u32 indirect = q->dev->offer.max_indirect;
	int err;

	lockdep_assert_held(&q->dev->mutex);
	if (indirect) {
		err = xpv_blk_indirect_make(q);
		if (err)
			return err;
	}
	q->max_segs = indirect ?: XPV_BLKIF_DIRECT_SEGS;
	spin_lock_irq(&q->lock);
	q->open = true;
	spin_unlock_irq(&q->lock);
	return 0;
}

/* Take everything out of flight, into a list. */
static struct xpv_blk_io *recall(struct xpv_blk_queue *q,
				 enum xpv_blk_fate fate)
{
	u32 i, entries = xpv_blk_ring_entries(q->dev);
	struct xpv_blk_io *done = NULL;

	for (i = 0; i < entries; i++) {
		struct xpv_blk_io *io = q->slot[i];

		if (!io)
			continue;
		q->slot[i] = NULL;
		xpv_blk_revoke(q, io);
		io->status = BLK_STS_IOERR;
		io->again = fate == XPV_BLK_REQUEUE;
		io->next = done;
		done = io;
	}
	return done;
}

void xpv_blk_channel_shut(struct xpv_blk_queue *q, enum xpv_blk_fate fate)
{
	struct xpv_blk_io *done;

	lockdep_assert_held(&q->dev->mutex);
	spin_lock_irq(&q->lock);
	q->open = false;
	done = recall(q, fate);
	xpv_blk_pool_drain(&q->pool);
	spin_unlock_irq(&q->lock);
	if (q->irq)
		unbind_from_irqhandler(q->irq, q); /* closes the port */
	q->irq = 0;
	q->port = 0;
	xpv_blk_indirect_drop(q);
	xenbus_teardown_ring(&q->memory, xpv_blk_ring_pages(q->dev),
			     q->ring_ref);
	xpv_blk_finish(done);
}

void xpv_blk_channels_shut(struct xpv_blk *dev, enum xpv_blk_fate fate)
{
	unsigned int i;

	for (i = 0; i < dev->nr_queues; i++)
		xpv_blk_channel_shut(&dev->queue[i], fate);
}
