// SPDX-License-Identifier: GPL-2.0-only
/* Reading xenstore: every key through the shared table, nothing by hand. */
#include <linux/log2.h>
#include <linux/slab.h>

#include "blkfront.h"

/* A disk of more bytes than a file offset can name does not exist. */
#define MAX_SECTORS ((u64)LLONG_MAX >> SECTOR_SHIFT)

/* 0, -ENOENT: absent and without a default, or -EINVAL: the log says why. */
int xpv_blk_read_key(struct xpv_blk *dev, const char *dir, enum xpv_key key,
		     u64 *value)
{
	enum xpv_key_verdict verdict;
	char *text;

	text = xenbus_read(XBT_NIL, dir, xpv_key(key), NULL);
	if (IS_ERR(text)) {
		if (PTR_ERR(text) != -ENOENT)
			return PTR_ERR(text);
		if (xpv_keys[key].def < 0)
			return -ENOENT;
		xpv_key_parse(key, NULL, value);
		return 0;
	}
	verdict = xpv_key_parse(key, text, value);
	if (verdict != XPV_KEY_OK)
		dev_warn(&dev->xbdev->dev, "%s/%s: '%.32s' is %s\n", dir,
			 xpv_key(key), text,
			 verdict == XPV_KEY_OUT_OF_RANGE ? "out of range" :
							   "not a number");
	kfree(text);
	return verdict == XPV_KEY_OK ? 0 : -EINVAL;
}

/* An offer that is absent or senseless is one that was not made. */
u32 xpv_blk_read_feature(struct xpv_blk *dev, enum xpv_key key)
{
	u64 value;

	if (xpv_blk_read_key(dev, dev->xbdev->otherend, key, &value))
		xpv_key_parse(key, NULL, &value);
	return (u32)value;
}

/* The toolstack's word, in our own folder. One we cannot read is a no. */
bool xpv_blk_read_trusted(struct xpv_blk *dev)
{
	u64 trusted;

	return !xpv_blk_read_key(dev, dev->xbdev->nodename, XPV_KEY_TRUSTED,
				 &trusted) && trusted;
}

int xpv_blk_read_sectors(struct xpv_blk *dev, u64 *sectors)
{
	int err;

	err = xpv_blk_read_key(dev, dev->xbdev->otherend, XPV_KEY_SECTORS,
			       sectors);
	if (!err && *sectors > MAX_SECTORS)
		err = -EINVAL;
	return err;
}

static int read_sizes(struct xpv_blk *dev, struct xpv_blk_offer *offer)
{
	const char *dir = dev->xbdev->otherend;
	u64 logical, physical;
	int err;

	err = xpv_blk_read_sectors(dev, &offer->sectors);
	/* of a size that we cannot have, 512 is no substitute */
	err = err ?: xpv_blk_read_key(dev, dir, XPV_KEY_SECTOR_SIZE, &logical);
	if (err)
		return err;
	if (!is_power_of_2(logical))
		return -EINVAL;
	offer->logical_size = (u32)logical;

	offer->physical_size = offer->logical_size;
	if (xenbus_exists(XBT_NIL, dir, xpv_key(XPV_KEY_PHYSICAL_SECTOR_SIZE)) &&
	    !xpv_blk_read_key(dev, dir, XPV_KEY_PHYSICAL_SECTOR_SIZE,
			      &physical) &&
	    is_power_of_2(physical) && physical > offer->logical_size)
		offer->physical_size = (u32)physical;
	return 0;
}

static void read_discard(struct xpv_blk *dev, struct xpv_blk_offer *offer)
{
	u32 granularity = xpv_blk_read_feature(dev, XPV_KEY_DISCARD_GRANULARITY);

	offer->discard = xpv_blk_read_feature(dev, XPV_KEY_FEATURE_DISCARD);
	offer->discard_secure = offer->discard &&
				xpv_blk_read_feature(dev, XPV_KEY_DISCARD_SECURE);
	if (!is_power_of_2(granularity) || granularity < offer->logical_size)
		granularity = offer->physical_size;
	offer->discard_granularity = granularity;
	offer->discard_alignment = xpv_blk_read_feature(dev, XPV_KEY_DISCARD_ALIGNMENT);
}

/* A flush that need not drain the queue is the better of the two. */
static u8 read_flush_op(struct xpv_blk *dev)
{
	if (xpv_blk_read_feature(dev, XPV_KEY_FEATURE_FLUSH))
		return XPV_BLKIF_FLUSH;
	if (xpv_blk_read_feature(dev, XPV_KEY_FEATURE_BARRIER))
		return XPV_BLKIF_WRITE_BARRIER;
	return XPV_BLK_NO_FLUSH;
}

int xpv_blk_read_offer(struct xpv_blk *dev)
{
	struct xpv_blk_offer offer = {};
	int err;

	err = read_sizes(dev, &offer);
	if (err)
		return err;
	read_discard(dev, &offer);
	offer.flush_op = read_flush_op(dev);
	offer.info = xpv_blk_read_feature(dev, XPV_KEY_INFO);
	offer.persistent = xpv_blk_read_feature(dev, XPV_KEY_FEATURE_PERSISTENT);
	offer.max_indirect = min(xpv_blk_read_feature(dev, XPV_KEY_MAX_INDIRECT),
				 xpv_blk_wish().max_indirect);
	/* What a direct request can carry needs no second page. */
	if (offer.max_indirect <= XPV_BLKIF_DIRECT_SEGS)
		offer.max_indirect = 0;
	dev->offer = offer;
	WRITE_ONCE(dev->flush_op, offer.flush_op);
	WRITE_ONCE(dev->discard, offer.discard);
	return 0;
}
