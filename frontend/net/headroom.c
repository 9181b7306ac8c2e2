// SPDX-License-Identifier: GPL-2.0-only
/*
 * Room before each packet, for XDP: a key that is read when a backend connects
 * and, while connected, when we pass through Reconfiguring:
 *
 *	we: xdp-headroom, Reconfiguring	-> backend: reads it, Reconfigured
 *	we: Connected			-> xen-netback stays in Reconfigured
 *
 * A backend that is in Reconfigured already cannot say that it has read the
 * key once more, so it is given time. Nothing waits for the room: packets
 * without it are copied.
 */
#include <linux/rtnetlink.h>

#include "netfront.h"

/* What a backend may take to read a key. */
#define SETTLE (HZ / 5)

unsigned int xpv_net_headroom(struct xpv_net_device *dev)
{
	return rcu_access_pointer(dev->xdp_prog) ? XDP_PACKET_HEADROOM : 0;
}

void xpv_net_ask_headroom(struct xpv_net_device *dev)
{
	struct xenbus_device *xbdev = dev->xbdev;

	ASSERT_RTNL();
	/* Not connected yet: the key is published with the others. */
	if (!dev->offer.xdp_headroom || !dev->made)
		return;
	xpv_net_write_key(dev, XPV_KEY_XDP_HEADROOM, xpv_net_headroom(dev));
	if (xbdev->state != XenbusStateConnected)
		return;
	xenbus_switch_state(xbdev, XenbusStateReconfiguring);
	if (xenbus_read_driver_state(xbdev->otherend) ==
	    XenbusStateReconfigured)
		schedule_delayed_work(&dev->headroom_work, SETTLE);
}

/* The backend has read the key, or has had its time. */
void xpv_net_headroom_work(struct work_struct *work)
{
	struct xpv_net_device *dev = container_of(to_delayed_work(work),
						  struct xpv_net_device,
						  headroom_work);

	rtnl_lock();
	if (dev->xbdev->state == XenbusStateReconfiguring)
		xenbus_switch_state(dev->xbdev, XenbusStateConnected);
	rtnl_unlock();
}
