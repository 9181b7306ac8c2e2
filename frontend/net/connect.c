// SPDX-License-Identifier: GPL-2.0-only
/*
 * The connection to a backend, as the table of ring/xenbus prescribes it:
 *
 *	backend InitWait    -> make rings, publish them, go to Connected
 *	backend Connected   -> carrier on, tell the neighbours
 *	backend Closing     -> stop, go to Closed
 *	backend Closed      -> it has let go of the rings: unmake them
 *
 * The backend holds back its Connected until the hotplug script is done.
 */
#include <linux/rtnetlink.h>

#include "netfront.h"

static_assert(XenbusStateInitialising == (int)XPV_STATE_INITIALISING);
static_assert(XenbusStateConnected == (int)XPV_STATE_CONNECTED);
static_assert(XenbusStateReconfigured == (int)XPV_STATE_RECONFIGURED);

/* A fresh set of rings for what this backend offers. */
static int renew_queues(struct xpv_net_device *dev,
			const struct xpv_net_offer *offer)
{
	int err;

	/* What it would close is what we replace. */
	cancel_work_sync(&dev->broken_work);
	rtnl_lock();
	xpv_net_queues_unmake(dev);
	clear_bit(XPV_NET_BROKEN, &dev->flags);
	dev->offer = *offer;
	dev->trusted = xpv_net_read_trusted(dev);
	err = xpv_net_queues_make(dev);
	if (!err) {
		netdev_update_features(dev->netdev);
		xpv_net_queues_start(dev);
	}
	rtnl_unlock();
	return err;
}

static void unmake_queues(struct xpv_net_device *dev)
{
	rtnl_lock();
	xpv_net_queues_unmake(dev);
	rtnl_unlock();
}

static void publish(struct xpv_net_device *dev)
{
	struct xenbus_device *xbdev = dev->xbdev;
	struct xpv_net_offer offer;
	int err;

	xpv_net_read_offer(dev, &offer);
	if (!offer.rx_copy) {
		xenbus_dev_fatal(xbdev, -EOPNOTSUPP, "backend lacks %s",
				 xpv_key(XPV_KEY_FEATURE_RX_COPY));
		return;
	}
	err = renew_queues(dev, &offer);
	if (err) {
		xenbus_dev_fatal(xbdev, err, "making rings");
		return;
	}
	err = xpv_net_publish_keys(dev);
	if (err) {
		unmake_queues(dev);
		xenbus_dev_fatal(xbdev, err, "publishing keys");
		return;
	}
	xenbus_switch_state(xbdev, XenbusStateConnected);
}

/*
 * The rings stay until the backend has let go of them: taking them away now
 * would only have the grant table keep them for us.
 */
static void close_device(struct xpv_net_device *dev)
{
	rtnl_lock();
	xpv_net_queues_stop(dev);
	rtnl_unlock();
	xenbus_frontend_closed(dev->xbdev);
}

/* Carrier means that both ends are connected. */
static void follow_carrier(struct xpv_net_device *dev, enum xpv_state back)
{
	bool up = dev->xbdev->state == XenbusStateConnected &&
		  back == XPV_STATE_CONNECTED && !xpv_net_is_broken(dev);

	if (up == netif_carrier_ok(dev->netdev))
		return;
	if (up) {
		netif_carrier_on(dev->netdev);
		schedule_delayed_work(&dev->announce_work, 0);
	} else {
		netif_carrier_off(dev->netdev);
	}
}

void xpv_net_backend_changed(struct xenbus_device *xbdev,
			     enum xenbus_state state)
{
	struct xpv_net_device *dev = dev_get_drvdata(&xbdev->dev);
	enum xpv_state back = (enum xpv_state)state;
	enum xpv_state own = (enum xpv_state)xbdev->state;

	dev_dbg(&xbdev->dev, "backend is %s, we are %s\n",
		xpv_state_name(back), xpv_state_name(own));
	switch (xpv_front_action(own, back)) {
	case XPV_DO_PUBLISH:
		publish(dev);
		break;
	case XPV_DO_CLOSE:
	case XPV_DO_CLOSED:
		netif_carrier_off(dev->netdev);
		close_device(dev);
		break;
	case XPV_DO_REFUSE:
		xenbus_dev_fatal(xbdev, -EPROTO, "backend went to %s from %s",
				 xpv_state_name(back), xpv_state_name(own));
		break;
	default: /* CONNECT, REFRESH: the carrier, below */
		break;
	}
	if (back == XPV_STATE_CLOSED || back == XPV_STATE_UNKNOWN)
		unmake_queues(dev);
	follow_carrier(dev, back);
}
