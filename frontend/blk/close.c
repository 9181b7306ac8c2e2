// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a disk: in order, when the toolstack or the administrator asks
 * for it, or at once, when the backend is gone or cannot be trusted.
 */
#include <linux/delay.h>

#include "blkfront.h"

/*
 * A backend that has requests and answers none for so long, while we wait for
 * them in order to close, is taken for dead. xl waits 10 s for a detach.
 */
#define STALL_MS      8000
/* How long we leave it the chance to unmap the ring before we free it. */
#define UNMAP_MS      1000
#define UNMAP_POLL_MS 20

/* Did a queue's requests make no progress since the last look? */
static bool stalled(struct xpv_blk_queue *q)
{
	bool stuck;

	spin_lock_irq(&q->lock);
	stuck = q->open && q->ring.req_pushed != q->ring.rsp_cons &&
		q->ring.rsp_cons == q->seen;
	q->seen = q->ring.rsp_cons;
	spin_unlock_irq(&q->lock);
	return stuck;
}

static bool any_stalled(struct xpv_blk *dev)
{
	bool any = false;
	unsigned int i;

	for (i = 0; i < XPV_BLK_MAX_QUEUES; i++)
		any |= stalled(&dev->queue[i]);
	return any;
}

/* A close is coming: see that nobody waits for the backend for ever. */
void xpv_blk_watch(struct xpv_blk *dev)
{
	set_bit(XPV_BLK_CLOSING, &dev->flags);
	any_stalled(dev);
	queue_delayed_work(system_unbound_wq, &dev->watchdog,
			   msecs_to_jiffies(STALL_MS));
}

void xpv_blk_watchdog(struct work_struct *work)
{
	struct xpv_blk *dev =
		container_of(work, struct xpv_blk, watchdog.work);
	bool broken = test_bit(XPV_BLK_BROKEN, &dev->flags);

	mutex_lock(&dev->mutex);
	if (broken || any_stalled(dev)) {
		if (!broken)
			dev_err(&dev->xbdev->dev,
				"%s: the backend answers no more: giving up\n",
				dev->number.name);
		xpv_blk_channels_shut(dev, XPV_BLK_FAIL);
	} else if (test_bit(XPV_BLK_CLOSING, &dev->flags)) {
		queue_delayed_work(system_unbound_wq, &dev->watchdog,
				   msecs_to_jiffies(STALL_MS));
	}
	mutex_unlock(&dev->mutex);
}

/* Under queue lock. The rest, which may sleep, is done by the watchdog. */
void xpv_blk_break(struct xpv_blk_queue *q, const char *why)
{
	struct xpv_blk *dev = q->dev;

	q->open = false;
	if (test_and_set_bit(XPV_BLK_BROKEN, &dev->flags))
		return;
	dev_alert(&dev->xbdev->dev, "%s disabled: backend broke the protocol: %s\n",
		  dev->number.name, why);
	mod_delayed_work(system_unbound_wq, &dev->watchdog, 0);
}

/* From now on nothing waits: what cannot be sent fails. */
static void prepare(struct xpv_blk *dev)
{
	mutex_lock(&dev->mutex);
	xpv_blk_unpause(dev);
	mutex_unlock(&dev->mutex);
}

/*
 * del_gendisk() writes out what is dirty and waits for it; that is what
 * distinguishes an orderly end.
 */
static void remove_disk(struct xpv_blk *dev, bool orderly)
{
	if (dev->disk && !orderly)
		blk_mark_disk_dead(dev->disk);
	flush_work(&dev->attach);
	flush_work(&dev->regroup);
	if (test_and_clear_bit(XPV_BLK_ADDED, &dev->flags))
		del_gendisk(dev->disk);
	flush_work(&dev->replay);
}

/* The backend unmaps the ring when it sees us closed. */
static void leave(struct xpv_blk *dev)
{
	unsigned int waited;

	xenbus_frontend_closed(dev->xbdev);
	for (waited = 0; waited < UNMAP_MS; waited += UNMAP_POLL_MS) {
		switch (xenbus_read_driver_state(dev->xbdev->otherend)) {
		case XenbusStateConnected:
		case XenbusStateClosing:
			msleep(UNMAP_POLL_MS);
			break;
		default:
			return;
		}
	}
}

/* By step, or by remove() when step is no more: never by two at once. */
void xpv_blk_close(struct xpv_blk *dev, bool orderly)
{
	xpv_blk_watch(dev);
	prepare(dev);
	remove_disk(dev, orderly);
	clear_bit(XPV_BLK_CLOSING, &dev->flags);
	leave(dev);

	mutex_lock(&dev->mutex);
	xpv_blk_channels_shut(dev, XPV_BLK_FAIL);
	xpv_blk_disk_drop(dev);
	mutex_unlock(&dev->mutex);
	/* last: a response may have broken a queue until it was shut */
	cancel_delayed_work_sync(&dev->watchdog);
}
