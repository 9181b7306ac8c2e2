// SPDX-License-Identifier: GPL-2.0-only
/*
 * The handshake. Which step follows in which pair of states is written in
 * xpv_front_action() (ring/xenbus.c); here is what the steps do.
 */
#include "blkfront.h"

static int open_channels(struct xpv_blk *dev)
{
	unsigned int i;
	int err;

	err = xpv_blk_reserve_make(dev);
	if (err) {
		xenbus_dev_fatal(dev->xbdev, err,
				 "setting pages and grants for a request aside");
		return err;
	}
	for (i = 0; i < xpv_blk_total(dev->rings); i++)
		xpv_blk_channel_open(&dev->queue[i]);
	return 0;
}

/* The disk is there when we say that we are connected, and filled in after. */
static int connect(struct xpv_blk *dev)
{
	bool fresh = !dev->disk;
	int err;

	err = xpv_blk_read_offer(dev);
	if (err) {
		xenbus_dev_fatal(dev->xbdev, err, "reading size of %s",
				 dev->xbdev->otherend);
		return err;
	}
	err = open_channels(dev);
	if (err)
		return err;
	err = fresh ? xpv_blk_disk_make(dev) : xpv_blk_disk_renew(dev);
	if (err) {
		xenbus_dev_fatal(dev->xbdev, err, "making disk %s",
				 dev->number.name);
		return err;
	}
	err = xenbus_switch_state(dev->xbdev, XenbusStateConnected);
	if (err)
		return err;
	xpv_blk_channels_steer(dev);
	xpv_blk_unpause(dev);
	queue_work(system_unbound_wq, fresh ? &dev->attach : &dev->regroup);
	return 0;
}

/* What a failed step leaves behind is of no use to anyone. */
static void take_step(struct xpv_blk *dev, int (*step)(struct xpv_blk *dev))
{
	if (step(dev))
		xpv_blk_channels_shut(dev, XPV_BLK_FAIL);
}

/*
 * The states are read, and what they ask for is done, under the mutex: a
 * resume in between takes away what the step would work on. To close, for
 * which it waits, is left to the caller.
 */
static enum xpv_action advance(struct xpv_blk *dev, enum xenbus_state *back)
{
	enum xpv_action action;

	mutex_lock(&dev->mutex);
	*back = xenbus_read_driver_state(dev->xbdev->otherend);
	action = xpv_front_action((enum xpv_state)dev->xbdev->state,
				  (enum xpv_state)*back);
	switch (action) {
	case XPV_DO_PUBLISH:
		take_step(dev, xpv_blk_publish);
		break;
	case XPV_DO_CONNECT:
		take_step(dev, connect);
		break;
	case XPV_DO_REFRESH:
		xpv_blk_disk_resize(dev);
		break;
	default:
		break;
	}
	mutex_unlock(&dev->mutex);
	return action;
}

/* The backend's state is read anew: events may come late and for several. */
void xpv_blk_step(struct work_struct *work)
{
	struct xpv_blk *dev = container_of(work, struct xpv_blk, step);
	enum xenbus_state back;

	switch (advance(dev, &back)) {
	case XPV_DO_REFUSE:
		xenbus_dev_fatal(dev->xbdev, -EINVAL, "backend in state %d",
				 back);
		fallthrough;
	case XPV_DO_CLOSE:
	case XPV_DO_CLOSED:
		xpv_blk_close(dev, back == XenbusStateClosing);
		break;
	default:
		break;
	}
}

/* @back may be out of date already; step reads it anew. */
void xpv_blk_otherend_changed(struct xenbus_device *xbdev,
			      enum xenbus_state back)
{
	struct xpv_blk *dev = dev_get_drvdata(&xbdev->dev);

	queue_work(system_freezable_wq, &dev->step);
}
