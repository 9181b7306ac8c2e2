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

/* As many queues as both ends can have. */
static int choose_queues(struct xpv_net_device *dev)
{
	unsigned int nr = min(dev->wanted_queues, dev->offer.max_queues);
	int err;

	WRITE_ONCE(dev->nr_queues, nr);
	err = netif_set_real_num_tx_queues(dev->netdev, nr);
	return err ?: netif_set_real_num_rx_queues(dev->netdev, nr);
}

static int make_rings(struct xpv_net_device *dev)
{
	int err = choose_queues(dev);

	err = err ?: xpv_net_queues_make(dev);
	if (err)
		return err;
	err = xpv_net_ctrl_make(dev);
	if (err)
		xpv_net_queues_unmake(dev);
	return err;
}

static void unmake_rings(struct xpv_net_device *dev)
{
	xpv_net_ctrl_unmake(dev);
	xpv_net_queues_unmake(dev);
}

/* A fresh set of rings for what this backend offers. */
static int renew_rings(struct xpv_net_device *dev,
		       const struct xpv_net_offer *offer)
{
	int err;

	/* What it would close is what we replace. */
	cancel_work_sync(&dev->broken_work);
	rtnl_lock();
	unmake_rings(dev);
	xpv_net_mcast_reset(dev);
	clear_bit(XPV_NET_BROKEN, &dev->flags);
	clear_bit(XPV_NET_RECONNECT, &dev->flags);
	dev->offer = *offer;
	dev->trusted = xpv_net_read_trusted(dev);
	err = make_rings(dev);
	if (!err) {
		netdev_update_features(dev->netdev);
		xpv_net_follow_mtu(dev);
		xpv_net_queues_start(dev);
	}
	rtnl_unlock();
	return err;
}

void xpv_net_disconnect(struct xpv_net_device *dev)
{
	rtnl_lock();
	unmake_rings(dev);
	rtnl_unlock();
}

/*
 * The store lets a domain have so many nodes for all its devices, and says so
 * with one error or another: fewer queues are better than no interface.
 */
static bool fewer_queues(const struct xpv_net_device *dev,
			 struct xpv_net_offer *offer, int err)
{
	offer->max_queues = dev->nr_queues / 2;
	if (!offer->max_queues)
		return false;
	dev_warn(&dev->xbdev->dev,
		 "keys of %u queues do not go into the store (%d), trying %u\n",
		 dev->nr_queues, err, offer->max_queues);
	return true;
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
	do {
		err = renew_rings(dev, &offer);
		if (err) {
			xenbus_dev_fatal(xbdev, err, "making rings");
			return;
		}
		err = xpv_net_publish_keys(dev);
	} while (err && fewer_queues(dev, &offer, err));
	err = err ?: xpv_net_watch_link(dev);
	if (err) {
		xpv_net_disconnect(dev);
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
	xenbus_frontend_closed(dev->xbdev);
	rtnl_unlock();
}

/*
 * We are closed and the backend has let go of the rings. If it was we who
 * closed, for another number of queues, this is where we start anew.
 */
static void both_closed(struct xpv_net_device *dev)
{
	xpv_net_disconnect(dev);
	if (test_and_clear_bit(XPV_NET_RECONNECT, &dev->flags))
		xenbus_switch_state(dev->xbdev, XenbusStateInitialising);
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
	if (back == XPV_STATE_RECONFIGURED)
		schedule_delayed_work(&dev->headroom_work, 0);
	/*
	 * A state that cannot be read closes nothing: while we are connected,
	 * the backend may be at work on the rings, and be seen again.
	 */
	if (xbdev->state == XenbusStateClosed &&
	    (back == XPV_STATE_CLOSED || back == XPV_STATE_UNKNOWN))
		both_closed(dev);
	xpv_net_follow_carrier(dev, back);
}
