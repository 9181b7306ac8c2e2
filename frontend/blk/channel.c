// SPDX-License-Identifier: GPL-2.0-only
/*
 * The channel of a queue: ring memory, event channel, interrupt.
 *
 *	make	ring and event channel exist, nobody may use them yet
 *	open	the backend is connected: requests may go, responses come
 *	steer	its interrupts go to a CPU that uses it
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
	snprintf(q->irq_name, sizeof(q->irq_name), "%s-%u",
		 q->dev->number.name, (unsigned int)(q - q->dev->queue));
	err = bind_evtchn_to_irqhandler_lateeoi(q->port, xpv_blk_interrupt, 0,
						q->irq_name, q);
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
	err = xpv_blk_slots_make(q);
	if (err)
		return err;
	return bind(q);
}

/* After xpv_blk_reserve_make(). */
void xpv_blk_channel_open(struct xpv_blk_queue *q)
{
	struct xpv_blk *dev = q->dev;

	lockdep_assert_held(&dev->mutex);
	q->max_segs = xpv_blk_max_segs(dev);
	q->persistent = xpv_blk_persistent(dev);
	q->bounce = xpv_blk_bounces(dev);
	spin_lock_irq(&q->lock);
	q->life++;
	q->open = true;
	spin_unlock_irq(&q->lock);
}

/* Take everything out of flight, into a list. */
static struct xpv_blk_io *recall(struct xpv_blk_queue *q,
				 enum xpv_blk_fate fate)
{
	u32 i, entries = q->ring.ring.entries;
	struct xpv_blk_io *done = NULL;

	for (i = 0; i < entries && q->slot; i++) {
		struct xpv_blk_io *io = q->slot[i].io;

		if (!io)
			continue;
		xpv_blk_revoke(q, io);
		xpv_blk_slot_give(q, io);
		io->status = BLK_STS_IOERR;
		io->again = fate == XPV_BLK_REQUEUE;
		io->next = done;
		done = io;
	}
	return done;
}

static void unbind(struct xpv_blk_queue *q)
{
	if (!q->irq)
		return;
	irq_update_affinity_hint(q->irq, NULL);
	unbind_from_irqhandler(q->irq, q); /* closes the port */
	q->irq = 0;
	q->port = 0;
}

static void shut(struct xpv_blk_queue *q, enum xpv_blk_fate fate)
{
	struct xpv_blk_io *done;
	LIST_HEAD(pages);

	lockdep_assert_held(&q->dev->mutex);
	if (!q->memory)
		return;
	/* what was answered before the end is answered */
	if (fate == XPV_BLK_FAIL)
		xpv_blk_reap(q);
	spin_lock_irq(&q->lock);
	q->open = false;
	done = recall(q, fate);
	xpv_blk_pool_drop(q->dev, &q->pool, &pages);
	spin_unlock_irq(&q->lock);
	unbind(q);
	xpv_blk_pages_free(q->dev, &pages);
	kfree(q->slot);
	q->slot = NULL;
	xenbus_teardown_ring(&q->memory, xpv_blk_ring_pages(q->dev),
			     q->ring_ref);
	q->memory = NULL;
	xpv_blk_finish(done);
}

void xpv_blk_channels_shut(struct xpv_blk *dev, enum xpv_blk_fate fate)
{
	unsigned int i;

	for (i = 0; i < XPV_BLK_MAX_QUEUES; i++)
		shut(&dev->queue[i], fate);
	xpv_blk_reserve_drop(dev);
}

/* The first CPU whose requests go through the ring; nr_cpu_ids if none. */
static unsigned int cpu_of(const struct xpv_blk *dev, unsigned int ring)
{
	const struct blk_mq_queue_map *map = &dev->tags.map[HCTX_TYPE_DEFAULT];
	unsigned int cpu;

	for_each_online_cpu(cpu)
		if (map->mq_map[cpu] == ring)
			return cpu;
	return nr_cpu_ids;
}

/* Responses arrive where they are awaited. */
void xpv_blk_channels_steer(struct xpv_blk *dev)
{
	unsigned int i, cpu;

	lockdep_assert_held(&dev->mutex);
	for (i = 0; i < dev->rings.irq && dev->rings.irq > 1; i++) {
		cpu = cpu_of(dev, i);
		if (cpu < nr_cpu_ids && dev->queue[i].irq)
			irq_set_affinity_and_hint(dev->queue[i].irq,
						  cpumask_of(cpu));
	}
}
