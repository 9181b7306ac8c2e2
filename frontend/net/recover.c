// SPDX-License-Identifier: GPL-2.0-only
/* When things end or begin anew: a broken backend, resume, leaving. */
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/rtnetlink.h>

#include "netfront.h"

/* What a backend may take to follow us to Closing and to Closed. */
#define LEAVE_TIMEOUT (5 * HZ)
#define LEAVE_POLL_MS 10

/*
 * The backend broke the protocol; nothing it says can be believed any more.
 * Called from any context, once per connection that counts. @why is static.
 */
void xpv_net_break(struct xpv_net_device *dev, const char *why)
{
	if (test_and_set_bit(XPV_NET_BROKEN, &dev->flags))
		return;
	dev->broken_why = why;
	netif_carrier_off(dev->netdev);
	schedule_work(&dev->broken_work);
}

/* Stop, say why, and close: a new backend may start anew from there. */
void xpv_net_broken_work(struct work_struct *work)
{
	struct xpv_net_device *dev = container_of(work, struct xpv_net_device,
						  broken_work);

	dev_alert(&dev->xbdev->dev, "%s: device disabled\n", dev->broken_why);
	rtnl_lock();
	xpv_net_queues_stop(dev);
	xenbus_dev_fatal(dev->xbdev, -EPROTO, "%s", dev->broken_why);
	rtnl_unlock();
}

/*
 * Give up this connection for another with the same backend: it follows us to
 * Closed, and then both begin anew. The interface has no carrier meanwhile.
 */
int xpv_net_reconnect(struct xpv_net_device *dev)
{
	struct xenbus_device *xbdev = dev->xbdev;

	ASSERT_RTNL();
	if (xbdev->state != XenbusStateConnected &&
	    xbdev->state != XenbusStateReconfiguring)
		return 0; /* the connection that comes will do */
	netif_carrier_off(dev->netdev);
	xpv_net_queues_stop(dev);
	set_bit(XPV_NET_RECONNECT, &dev->flags);
	return xenbus_switch_state(xbdev, XenbusStateClosing);
}

/*
 * We run on another host, or a copy of this one: rings, grants and channels
 * mean nothing here, and xenbus has set our state back to Initialising. The
 * new backend's InitWait makes us connect. Packets in flight are lost, which
 * networks do.
 *
 * There is no suspend to match: a suspend that is cancelled must find
 * everything as it was.
 */
int xpv_net_resume(struct xenbus_device *xbdev)
{
	struct xpv_net_device *dev = dev_get_drvdata(&xbdev->dev);

	netif_carrier_off(dev->netdev);
	clear_bit(XPV_NET_RECONNECT, &dev->flags);
	cancel_work_sync(&dev->broken_work);
	xpv_net_disconnect(dev);
	return 0;
}

/*
 * Wait for one of @states. Polled, since the removal that we are called for
 * may run in the very thread that watches are handled in.
 */
static bool wait_for_backend(struct xpv_net_device *dev, unsigned long states)
{
	unsigned long deadline = jiffies + LEAVE_TIMEOUT;

	for (;;) {
		int state = xenbus_read_driver_state(dev->xbdev->otherend);

		if (state < XPV_STATES && states & BIT(state))
			return true;
		if (time_after(jiffies, deadline))
			return false;
		msleep(LEAVE_POLL_MS);
	}
}

/*
 * Close from our side, so that the backend lets go of the rings and is ready
 * for the next driver. The interface is gone already. A backend that does not
 * follow is left behind: the grant table keeps what it holds.
 */
void xpv_net_leave(struct xpv_net_device *dev)
{
	const unsigned long gone = BIT(XPV_STATE_UNKNOWN) |
				   BIT(XPV_STATE_CLOSED);
	const unsigned long closing = gone | BIT(XPV_STATE_CLOSING);
	const unsigned long ready = gone | BIT(XPV_STATE_INIT_WAIT);
	struct xenbus_device *xbdev = dev->xbdev;

	if (xbdev->state != XenbusStateClosed) {
		xenbus_switch_state(xbdev, XenbusStateClosing);
		if (!wait_for_backend(dev, closing))
			dev_warn(&xbdev->dev, "backend does not close\n");
	}
	xpv_net_disconnect(dev);
	if (xbdev->state != XenbusStateClosed) {
		xenbus_switch_state(xbdev, XenbusStateClosed);
		wait_for_backend(dev, ready);
	}
}
