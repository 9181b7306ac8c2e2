// SPDX-License-Identifier: GPL-2.0-only
/* The disk as the rest of the system sees it. */
#include <linux/cdrom.h>
#include <linux/hdreg.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "../compat.h"
#include "blkfront.h"

/* There is no geometry; old tools want one that fits the size. */
static int getgeo(struct block_device *bdev, struct hd_geometry *geo)
{
	sector_t cylinders = get_capacity(bdev->bd_disk);

	geo->heads = 255;
	geo->sectors = 63;
	sector_div(cylinders, geo->heads * geo->sectors);
	geo->cylinders = (unsigned short)min_t(sector_t, cylinders, 0xffff);
	return 0;
}

/* What udev and mount ask a drive to tell that it is one. */
static int cd_ioctl(struct block_device *bdev, xpv_blk_mode_t mode,
		    unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case CDROM_GET_CAPABILITY:
		return 0;
	case CDROMMULTISESSION: /* a single session, from sector 0 */
		return clear_user((void __user *)arg,
				  sizeof(struct cdrom_multisession)) ?
			       -EFAULT :
			       0;
	default:
		return -ENOTTY;
	}
}

/* Neither needs struct xpv_blk, which an open disk may outlive. */
static const struct block_device_operations disk_fops = {
	.owner = THIS_MODULE,
	.getgeo = getgeo,
};

static const struct block_device_operations cdrom_fops = {
	.owner = THIS_MODULE,
	.getgeo = getgeo,
	.ioctl = cd_ioctl,
	.compat_ioctl = blkdev_compat_ptr_ioctl,
};

static struct xpv_disk_limits limits_of(const struct xpv_blk_offer *offer)
{
	/* A bio's length is in bytes, in 32 bits. */
	unsigned int whole = (unsigned int)min_t(u64, offer->sectors,
						 UINT_MAX >> SECTOR_SHIFT);
	bool barrier = offer->flush_op == XPV_BLKIF_WRITE_BARRIER;

	return (struct xpv_disk_limits){
		.logical_size = offer->logical_size,
		.physical_size = offer->physical_size,
		.segments = (unsigned short)(offer->max_indirect ?:
					     XPV_BLKIF_DIRECT_SEGS),
		.write_cache = offer->flush_op != XPV_BLK_NO_FLUSH,
		/* A barrier does as FUA, but cannot be indirect. */
		.fua = barrier && !offer->max_indirect,
		.discard_sectors = offer->discard ? whole : 0,
		.secure_erase_sectors = offer->discard_secure ? whole : 0,
		.discard_granularity = offer->discard ?
					       offer->discard_granularity :
					       0,
		.discard_alignment = offer->discard ? offer->discard_alignment :
						      0,
	};
}

static int alloc_tags(struct xpv_blk *dev)
{
	struct blk_mq_tag_set *tags = &dev->tags;

	dev->hw_old = dev->rings;
	dev->hw_new = dev->rings;
	memset(tags, 0, sizeof(*tags));
	tags->ops = &xpv_blk_mq_ops;
	tags->nr_hw_queues = xpv_blk_total(dev->rings);
	tags->nr_maps = dev->rings.poll ? HCTX_TYPE_POLL + 1 : 1;
	tags->queue_depth = xpv_blk_ring_entries(dev);
	tags->numa_node = NUMA_NO_NODE;
	tags->flags = BLK_MQ_F_SHOULD_MERGE;
	tags->cmd_size = sizeof(struct xpv_blk_io);
	tags->driver_data = dev;
	return blk_mq_alloc_tag_set(tags);
}

static void dress(struct gendisk *disk, const struct xpv_blk_number *number,
		  const struct xpv_blk_offer *offer)
{
	disk->major = XPV_BLK_MAJOR;
	disk->first_minor = (int)number->first_minor;
	disk->minors = (int)number->minors;
	strscpy(disk->disk_name, number->name, sizeof(disk->disk_name));
	disk->fops = offer->info & XPV_VDISK_CDROM ? &cdrom_fops : &disk_fops;
	if (offer->info & XPV_VDISK_REMOVABLE)
		disk->flags |= GENHD_FL_REMOVABLE;
	set_disk_ro(disk, offer->info & XPV_VDISK_READONLY);
	set_capacity(disk, offer->sectors);
}

int xpv_blk_disk_make(struct xpv_blk *dev)
{
	struct xpv_disk_limits limits = limits_of(&dev->offer);
	struct gendisk *disk;
	int err;

	lockdep_assert_held(&dev->mutex);
	err = alloc_tags(dev);
	if (err)
		return err;
	disk = xpv_disk_alloc(&dev->tags, &limits);
	if (IS_ERR(disk)) {
		blk_mq_free_tag_set(&dev->tags);
		return PTR_ERR(disk);
	}
	dress(disk, &dev->number, &dev->offer);
	dev->disk = disk;
	return 0;
}

/* The same disk behind another backend, or behind the same one anew. */
int xpv_blk_disk_renew(struct xpv_blk *dev)
{
	struct xpv_disk_limits limits = limits_of(&dev->offer);
	int err;

	lockdep_assert_held(&dev->mutex);
	set_disk_ro(dev->disk, dev->offer.info & XPV_VDISK_READONLY);
	set_capacity_and_notify(dev->disk, dev->offer.sectors);
	err = xpv_disk_try_limits(dev->disk, &limits);
	dev->limits_due = err == -EBUSY;
	return dev->limits_due ? 0 : err;
}

/*
 * The limits that renew could not set, now that requests flow again. One that
 * was cut to the old limits meanwhile is cut anew if need be (recover.c).
 */
void xpv_blk_disk_settle(struct xpv_blk *dev)
{
	struct xpv_disk_limits limits;
	bool due;

	mutex_lock(&dev->mutex);
	limits = limits_of(&dev->offer);
	due = dev->disk && dev->limits_due;
	dev->limits_due = false;
	mutex_unlock(&dev->mutex);
	if (due && xpv_disk_set_limits(dev->disk, &limits))
		dev_warn(&dev->xbdev->dev, "%s keeps its limits\n",
			 dev->number.name);
}

/* After del_gendisk(), or in its place if the disk never came to that. */
void xpv_blk_disk_drop(struct xpv_blk *dev)
{
	struct gendisk *disk = dev->disk;

	lockdep_assert_held(&dev->mutex);
	if (!disk)
		return;
	dev->disk = NULL;
	put_disk(disk);
	blk_mq_free_tag_set(&dev->tags);
}

/* The backend has said once more that it is connected: the size changed. */
void xpv_blk_disk_resize(struct xpv_blk *dev)
{
	u64 sectors;

	lockdep_assert_held(&dev->mutex);
	if (!dev->disk || xpv_blk_read_sectors(dev, &sectors) ||
	    sectors == get_capacity(dev->disk))
		return;
	dev->offer.sectors = sectors;
	set_capacity_and_notify(dev->disk, sectors);
}

static void announce(struct xpv_blk *dev)
{
	static const char *const flush[] = {
		[XPV_BLK_NO_FLUSH] = "none",
		[XPV_BLKIF_FLUSH] = "cache",
		[XPV_BLKIF_WRITE_BARRIER] = "barrier",
	};
	const struct xpv_blk_queue *q = &dev->queue[0];

	dev_info(&dev->xbdev->dev,
		 "%s: %llu sectors; flush: %s; segments: %u; rings: %u of %u, %u polled; grants: %s%s\n",
		 dev->number.name, dev->offer.sectors,
		 flush[dev->offer.flush_op], q->max_segs,
		 xpv_blk_total(dev->rings), xpv_blk_ring_entries(dev),
		 dev->rings.poll, q->persistent ? "persistent" : "per request",
		 q->bounce && !q->persistent ? ", through zeroed pages" : "");
}

/* Reads the partition table, hence not under the mutex. */
void xpv_blk_attach(struct work_struct *work)
{
	struct xpv_blk *dev = container_of(work, struct xpv_blk, attach);
	struct device *parent = &dev->xbdev->dev;
	int err;

	err = device_add_disk(parent, dev->disk, NULL);
	if (err) {
		xenbus_dev_fatal(dev->xbdev, err, "adding disk %s",
				 dev->number.name);
		return;
	}
	set_bit(XPV_BLK_ADDED, &dev->flags);
	announce(dev);
}
