// SPDX-License-Identifier: GPL-2.0-only
/* Module, driver registration, and the life of struct xpv_blk. */
#include <linux/module.h>
#include <linux/slab.h>

#include <xen/platform_pci.h>
#include <xen/xen.h>

#include "blkfront.h"

#define VDEV_EXT	 (1u << 28)

static void init_queue(struct xpv_blk *dev, struct xpv_blk_queue *q)
{
	unsigned int i;

	q->dev = dev;
	spin_lock_init(&q->lock);
	xpv_blk_pool_init(&q->pool);
	for (i = 0; i < XPV_BLK_MAX_PAGES; i++)
		q->ring_ref[i] = INVALID_GRANT_REF;
}

static struct xpv_blk *alloc_device(struct xenbus_device *xbdev)
{
	struct xpv_blk *dev;
	unsigned int i;

	dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	if (!dev)
		return NULL;
	dev->xbdev = xbdev;
	mutex_init(&dev->mutex);
	spin_lock_init(&dev->bios_lock);
	bio_list_init(&dev->bios);
	INIT_LIST_HEAD(&dev->number.list);
	INIT_WORK(&dev->step, xpv_blk_step);
	INIT_WORK(&dev->attach, xpv_blk_attach);
	INIT_DELAYED_WORK(&dev->watchdog, xpv_blk_watchdog);
	INIT_WORK(&dev->replay, xpv_blk_replay);
	INIT_WORK(&dev->regroup, xpv_blk_regroup);
	xpv_blk_pool_init(&dev->reserve);
	for (i = 0; i < XPV_BLK_MAX_QUEUES; i++)
		init_queue(dev, &dev->queue[i]);
	return dev;
}

/* The requests' handle: the last part of device/vbd/NUMBER. */
static u16 read_handle(const char *nodename)
{
	const char *last = strrchr(nodename, '/');
	unsigned long number = 0;

	if (last && kstrtoul(last + 1, 0, &number))
		return 0;
	return (u16)number;
}

static int read_vdevice(struct xpv_blk *dev)
{
	const char *dir = dev->xbdev->nodename;
	u64 number;
	int err;

	err = xpv_blk_read_key(dev, dir, XPV_KEY_VIRTUAL_DEVICE, &number);
	if (err == -ENOENT)
		err = xpv_blk_read_key(dev, dir, XPV_KEY_VIRTUAL_DEVICE_EXT,
				       &number);
	if (err)
		return err;
	dev->vdevice = (u32)number;
	dev->handle = read_handle(dir);
	return 0;
}

/*
 * A fully virtualised guest may see some devices twice. Leave to the
 * emulation what was not unplugged from it, and CD-ROM drives always. (PVH
 * guests have no emulation.)
 */
static bool emulated(struct xpv_blk *dev)
{
	bool cdrom, legacy;
	char *type;

	if (!xen_hvm_domain() || xen_pvh_domain())
		return false;
	legacy = !(dev->vdevice & VDEV_EXT) && dev->vdevice >> 8 != XPV_BLK_MAJOR;
	if (legacy && xen_has_pv_and_legacy_disk_devices())
		return true;
	type = xenbus_read(XBT_NIL, dev->xbdev->nodename,
			   xpv_key(XPV_KEY_DEVICE_TYPE), NULL);
	if (IS_ERR(type))
		return false;
	cdrom = !strcmp(type, "cdrom");
	kfree(type);
	return cdrom;
}

static int probe(struct xenbus_device *xbdev, const struct xenbus_device_id *id)
{
	struct xpv_blk *dev = alloc_device(xbdev);
	int err;

	if (!dev)
		return -ENOMEM;
	err = read_vdevice(dev);
	if (!err && emulated(dev))
		err = -ENODEV;
	if (!err)
		err = xpv_blk_number_take(dev);
	if (err) {
		if (err != -ENODEV)
			xenbus_dev_fatal(xbdev, err, "no device number");
		kfree(dev);
		return err;
	}
	dev_set_drvdata(&xbdev->dev, dev);
	/* Bound once more to a device that was closed: a backend waits for 1. */
	xenbus_switch_state(xbdev, XenbusStateInitialising);
	return 0;
}

static void remove(struct xenbus_device *xbdev)
{
	struct xpv_blk *dev = dev_get_drvdata(&xbdev->dev);

	cancel_work_sync(&dev->step);
	xpv_blk_close(dev, true);
	xpv_blk_number_release(dev);
	dev_set_drvdata(&xbdev->dev, NULL);
	kfree(dev);
}

static int is_ready(struct xenbus_device *xbdev)
{
	struct xpv_blk *dev = dev_get_drvdata(&xbdev->dev);

	return dev && test_bit(XPV_BLK_ADDED, &dev->flags);
}

static const struct xenbus_device_id ids[] = {
	{ "vbd" },
	{ "" }
};

static struct xenbus_driver driver = {
	.name = "xpv-blkfront", /* the default, "vbd", is the stock driver's */
	.ids = ids,
	.probe = probe,
	.remove = remove,
	.resume = xpv_blk_resume,
	.otherend_changed = xpv_blk_otherend_changed,
	.is_ready = is_ready,
};

static int __init xpv_blk_init(void)
{
	int err;

	if (!xen_domain() || !xen_has_pv_disk_devices())
		return -ENODEV;
	err = register_blkdev(XPV_BLK_MAJOR, "xvd");
	if (err) {
		pr_err("xpv-blkfront: major %d is taken: is xen-blkfront loaded?\n",
		       XPV_BLK_MAJOR);
		return err;
	}
	err = xenbus_register_frontend(&driver);
	if (err)
		unregister_blkdev(XPV_BLK_MAJOR, "xvd");
	return err;
}
module_init(xpv_blk_init);

static void __exit xpv_blk_exit(void)
{
	xenbus_unregister_driver(&driver);
	unregister_blkdev(XPV_BLK_MAJOR, "xvd");
}
module_exit(xpv_blk_exit);

MODULE_DESCRIPTION("xpv block frontend for Xen guests");
MODULE_AUTHOR("xpv");
MODULE_LICENSE("GPL");
MODULE_ALIAS_BLOCKDEV_MAJOR(XPV_BLK_MAJOR);
MODULE_ALIAS("xen:vbd");
MODULE_ALIAS("xenblk");
