// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a disk: in order, when the toolstack or the administrator asks
 * for it, or at once, when the backend is gone or cannot be trusted.
 */
#include <linux/delay.h>

#include "blkfront.h"

/* While we wait for requests: how often we look who is to answer them. */
#define LOOK_MS       500
/* How long we leave it the chance to unmap the ring before we free it. */
#define UNMAP_MS      1000
#define UNMAP_POLL_MS 20

/*
 * Nobody is left to answer. A backend that is merely slow is waited for, as
 * long as it takes: it still works on the pages of its requests, and what it
 * was told to write may yet be written. Whoever cannot wait takes its nodes
 * away (xl block-detach --force).
 */
static bool gone(struct xpv_blk *dev)
{
	u64 state;
	int err;

	err = xpv_blk_read_key(dev, dev->xbdev->otherend, XPV_KEY_STATE,
			       &state);
	if (err) /* only for lack of memory is it worth another look */
		return err != -ENOMEM;
	return state != XenbusStateConnected && state != XenbusStateClosing;
}

/* Until the close is over: see that nobody waits for a backend that is none. */
static void watch(struct xpv_blk *dev)
{
	set_bit(XPV_BLK_CLOSING, &dev->flags);
	mod_delayed_work(system_freezable_wq, &dev->watchdog, 0);
}

void xpv_blk_watchdog(struct work_struct *work)
{
	struct xpv_blk *dev =
		container_of(work, struct xpv_blk, watchdog.work);
	bool closing;

	mutex_lock(&dev->mutex);
	closing = test_bit(XPV_BLK_CLOSING, &dev->flags);
	if (test_bit(XPV_BLK_BROKEN, &dev->flags) || (closing && gone(dev)))
		xpv_blk_channels_shut(dev, XPV_BLK_FAIL);
	else if (closing)
		queue_delayed_work(system_freezable_wq, &dev->watchdog,
				   msecs_to_jiffies(LOOK_MS));
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
	mod_delayed_work(system_freezable_wq, &dev->watchdog, 0);
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
	for (waited = 0; waited < UNMAP_MS && !gone(dev);
	     waited += UNMAP_POLL_MS)
		msleep(UNMAP_POLL_MS);
}

/* By step, or by remove() when step is no more: never by two at once. */
void xpv_blk_close(struct xpv_blk *dev, bool orderly)
{
	watch(dev);
	prepare(dev);
	remove_disk(dev, orderly);
	leave(dev);

	mutex_lock(&dev->mutex);
	xpv_blk_channels_shut(dev, XPV_BLK_FAIL);
	xpv_blk_disk_drop(dev);
	/* from here on a resume finds nothing that it could bring back */
	clear_bit(XPV_BLK_CLOSING, &dev->flags);
	mutex_unlock(&dev->mutex);
	/* last: a response may have broken a queue until it was shut */
	cancel_delayed_work_sync(&dev->watchdog);
}
