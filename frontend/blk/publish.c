// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the backend reads of us: how many rings, their grants and event
 * channels, and what we can. One ring has its keys in the device's folder,
 * several have a folder each.
 */
#include <linux/slab.h>

#include "blkfront.h"

/* A transaction that others keep disturbing is given up after so many. */
#define TRIES 100

static int write_number(struct xenbus_transaction xbt, const char *dir,
			const char *name, unsigned int value)
{
	return xenbus_printf(xbt, dir, name, "%u", value);
}

/* A key of an earlier life would be believed. */
static int remove_key(struct xenbus_transaction xbt, const char *dir,
		      enum xpv_key key)
{
	if (!xenbus_exists(xbt, dir, xpv_key(key)))
		return 0;
	return xenbus_rm(xbt, dir, xpv_key(key));
}

static int write_queue(struct xpv_blk_queue *q, struct xenbus_transaction xbt,
		       const char *dir)
{
	unsigned int i, pages = xpv_blk_ring_pages(q->dev);
	char name[32];
	int err;

	err = write_number(xbt, dir, xpv_key(XPV_KEY_EVENT_CHANNEL), q->port);
	if (err)
		return err;
	if (pages == 1)
		return write_number(xbt, dir, xpv_key(XPV_KEY_RING_REF),
				    q->ring_ref[0]);
	for (i = 0; i < pages && !err; i++) {
		snprintf(name, sizeof(name), xpv_key(XPV_KEY_RING_REF_N), i);
		err = write_number(xbt, dir, name, q->ring_ref[i]);
	}
	return err;
}

static int write_queues(struct xpv_blk *dev, struct xenbus_transaction xbt)
{
	unsigned int i, nr = xpv_blk_total(dev->rings);
	const char *dir = dev->xbdev->nodename;
	char name[32];
	int err = 0;

	if (nr == 1) {
		err = remove_key(xbt, dir, XPV_KEY_MQ_NUM_QUEUES);
		return err ?: write_queue(&dev->queue[0], xbt, dir);
	}
	for (i = 0; i < nr && !err; i++) {
		char *sub;

		snprintf(name, sizeof(name), xpv_key(XPV_KEY_QUEUE), i);
		sub = kasprintf(GFP_NOIO, "%s/%s", dir, name);
		if (!sub)
			return -ENOMEM;
		err = write_queue(&dev->queue[i], xbt, sub);
		kfree(sub);
	}
	return err ?: write_number(xbt, dir, xpv_key(XPV_KEY_MQ_NUM_QUEUES), nr);
}

static int write_keys(struct xpv_blk *dev, struct xenbus_transaction xbt)
{
	const char *dir = dev->xbdev->nodename;
	int err;

	err = write_queues(dev, xbt);
	if (!err && dev->ring_order)
		err = write_number(xbt, dir, xpv_key(XPV_KEY_RING_ORDER),
				   dev->ring_order);
	else if (!err)
		err = remove_key(xbt, dir, XPV_KEY_RING_ORDER);
	if (!err)
		err = write_number(xbt, dir, xpv_key(XPV_KEY_FEATURE_PERSISTENT),
				   dev->persistent);
	if (!err)
		err = xenbus_printf(xbt, dir, xpv_key(XPV_KEY_PROTOCOL), "%s",
				    xpv_blkif_native.protocol);
	return err;
}

static int write_all(struct xpv_blk *dev)
{
	struct xenbus_transaction xbt;
	int err, tries = 0;

	do {
		err = xenbus_transaction_start(&xbt);
		if (err)
			break;
		err = write_keys(dev, xbt);
		if (err) {
			xenbus_transaction_end(xbt, 1);
			break;
		}
		err = xenbus_transaction_end(xbt, 0);
	} while (err == -EAGAIN && ++tries < TRIES);
	return err;
}

/* Rings that are polled were asked for by name: they go before the others. */
static struct xpv_blk_shape share_out(const struct xpv_blk_wish *wish,
				      u32 offered)
{
	struct xpv_blk_shape rings;

	rings.poll = (u8)min(wish->poll_queues, offered - 1);
	rings.irq = (u8)min(wish->irq_queues, offered - rings.poll);
	return rings;
}

static void agree(struct xpv_blk *dev, u32 most)
{
	struct xpv_blk_wish wish = xpv_blk_wish();
	u32 order = xpv_blk_read_feature(dev, XPV_KEY_MAX_RING_ORDER);
	u32 queues = min(xpv_blk_read_feature(dev, XPV_KEY_MQ_MAX_QUEUES), most);
	unsigned int i;

	dev->ring_order = min(wish.ring_order, order);
	dev->trusted = wish.trusted && xpv_blk_read_trusted(dev);
	dev->persistent = wish.persistent;
	WRITE_ONCE(dev->rings, share_out(&wish, queues));
	for (i = 0; i < XPV_BLK_MAX_QUEUES; i++)
		dev->queue[i].polled = i >= dev->rings.irq;
}

static int make_channels(struct xpv_blk *dev)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < xpv_blk_total(dev->rings) && !err; i++)
		err = xpv_blk_channel_make(&dev->queue[i]);
	return err;
}

/*
 * Three nodes a ring, and the store lets a domain have so many (1000, if
 * nobody has changed that), for all its devices. Some stores say that with an
 * error of their own, which xenbus takes for EINVAL: whatever it is, a disk
 * with fewer rings is better than none.
 */
int xpv_blk_publish(struct xpv_blk *dev)
{
	u32 most = XPV_BLK_MAX_QUEUES;
	int err;

	lockdep_assert_held(&dev->mutex);
	clear_bit(XPV_BLK_BROKEN, &dev->flags);
	for (;;) {
		agree(dev, most);
		err = make_channels(dev);
		if (err)
			return err; /* said so itself */
		err = write_all(dev);
		most = xpv_blk_total(dev->rings) / 2;
		if (!err || !most)
			break;
		dev_warn(&dev->xbdev->dev,
			 "keys of %u rings do not go into the store (%d), trying %u\n",
			 xpv_blk_total(dev->rings), err, most);
		xpv_blk_channels_shut(dev, XPV_BLK_REQUEUE);
	}
	if (err) {
		xenbus_dev_fatal(dev->xbdev, err, "writing the rings' keys");
		return err;
	}
	return xenbus_switch_state(dev->xbdev, XenbusStateInitialised);
}
