// SPDX-License-Identifier: GPL-2.0-only
/*
 * The handshake. Which step follows in which pair of states is written in
 * xpv_front_action() (ring/xenbus.c); here is what the steps do.
 */
#include "blkfront.h"

/* A transaction that others keep disturbing is given up after so many. */
#define TRIES 100

static int write_number(struct xenbus_transaction xbt, const char *dir,
			const char *name, unsigned int value)
{
	return xenbus_printf(xbt, dir, name, "%u", value);
}

static int write_queue(struct xpv_blk_queue *q, struct xenbus_transaction xbt)
{
	const char *dir = q->dev->xbdev->nodename;
	unsigned int i, pages = xpv_blk_ring_pages(q->dev);
	char name[32];
	int err;

	err = write_number(xbt, dir, xpv_key(XPV_KEY_EVENT_CHANNEL), q->port);
	if (err)
		return err;
	if (pages == 1)
		return write_number(xbt, dir, xpv_key(XPV_KEY_RING_REF),
				    q->ring_ref[0]);
	err = write_number(xbt, dir, xpv_key(XPV_KEY_RING_ORDER),
			   q->dev->ring_order);
	for (i = 0; i < pages && !err; i++) {
		snprintf(name, sizeof(name), xpv_key(XPV_KEY_RING_REF_N), i);
		err = write_number(xbt, dir, name, q->ring_ref[i]);
	}
	return err;
}

static int write_keys(struct xpv_blk *dev, struct xenbus_transaction xbt)
{
	int err;

	err = write_queue(&dev->queue[0], xbt);
	if (err)
		return err;
	return xenbus_printf(xbt, dev->xbdev->nodename,
			     xpv_key(XPV_KEY_PROTOCOL), "%s",
			     xpv_blkif_native.protocol);
}

static int write_rings(struct xpv_blk *dev)
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
	if (err)
		xenbus_dev_fatal(dev->xbdev, err, "writing the ring's keys");
	return err;
}

static int publish(struct xpv_blk *dev)
{
	unsigned int i;
	int err;

	clear_bit(XPV_BLK_BROKEN, &dev->flags);
	for (i = 0; i < dev->nr_queues; i++) {
		err = xpv_blk_channel_make(&dev->queue[i]);
		if (err)
			return err;
	}
	err = write_rings(dev);
	if (err)
		return err;
	return xenbus_switch_state(dev->xbdev, XenbusStateInitialised);
}

static int open_channels(struct xpv_blk *dev)
{
	unsigned int i;
	int err;

	for (i = 0; i < dev->nr_queues; i++) {
		err = xpv_blk_channel_open(&dev->queue[i]);
		if (err) {
			xenbus_dev_fatal(dev->xbdev, err, "indirect pages");
			return err;
		}
	}
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
	xpv_blk_unpause(dev);
	if (fresh)
		queue_work(system_unbound_wq, &dev->attach);
	return 0;
}

static void refresh(struct xpv_blk *dev)
{
	mutex_lock(&dev->mutex);
	xpv_blk_disk_resize(dev);
	mutex_unlock(&dev->mutex);
}

/* What a failed step leaves behind is of no use to anyone. */
static void take_step(struct xpv_blk *dev, int (*step)(struct xpv_blk *dev))
{
	mutex_lock(&dev->mutex);
	if (step(dev))
		xpv_blk_channels_shut(dev, XPV_BLK_FAIL);
	mutex_unlock(&dev->mutex);
}

/* The backend's state is read anew: events may come late and for several. */
void xpv_blk_step(struct work_struct *work)
{
	struct xpv_blk *dev = container_of(work, struct xpv_blk, step);
	struct xenbus_device *xbdev = dev->xbdev;
	enum xenbus_state back = xenbus_read_driver_state(xbdev->otherend);
	enum xpv_action action;

	action = xpv_front_action((enum xpv_state)xbdev->state,
				  (enum xpv_state)back);
	/* an event that promised a close may be out of date */
	clear_bit(XPV_BLK_CLOSING, &dev->flags);
	switch (action) {
	case XPV_DO_PUBLISH:
		take_step(dev, publish);
		break;
	case XPV_DO_CONNECT:
		take_step(dev, connect);
		break;
	case XPV_DO_REFRESH:
		refresh(dev);
		break;
	case XPV_DO_REFUSE:
		xenbus_dev_fatal(xbdev, -EINVAL, "backend in state %d", back);
		fallthrough;
	case XPV_DO_CLOSE:
	case XPV_DO_CLOSED:
		xpv_blk_close(dev, back == XenbusStateClosing);
		break;
	default:
		break;
	}
}

void xpv_blk_otherend_changed(struct xenbus_device *xbdev,
			      enum xenbus_state back)
{
	struct xpv_blk *dev = dev_get_drvdata(&xbdev->dev);
	enum xpv_action action;

	action = xpv_front_action((enum xpv_state)xbdev->state,
				  (enum xpv_state)back);
	/* step may be waiting for I/O that will never be done now */
	if (action == XPV_DO_CLOSE || action == XPV_DO_CLOSED)
		xpv_blk_watch(dev);
	queue_work(system_unbound_wq, &dev->step);
}
