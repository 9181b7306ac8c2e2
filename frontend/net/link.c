// SPDX-License-Identifier: GPL-2.0-only
/*
 * The link: carrier and MTU as the other side has them.
 *
 * Carrier means that both ends are connected and that the backend does not say
 * the contrary (`carrier`).
 *
 * The MTU of the bridge comes as `mtu` in our directory; the stock driver does
 * not look. It is followed when we connect and whenever it changes, until a
 * user sets the MTU: from then on it is the user's. Without scatter-gather it
 * is followed no further than a page holds.
 */
#include <linux/moduleparam.h>
#include <linux/rtnetlink.h>
#include <net/sch_generic.h>

#include "netfront.h"

static bool follow_mtu = true;
module_param(follow_mtu, bool, 0644);
MODULE_PARM_DESC(follow_mtu, "Take the MTU that the host tells, until a user sets one");

/* Between looks whether the queueing layer has seen the carrier. */
#define ANNOUNCE_RETRY (HZ / 20)

/* ---- MTU ---- */

static unsigned int max_mtu(const struct net_device *netdev)
{
	return netdev->features & NETIF_F_SG ? XPV_NET_MAX_MTU : ETH_DATA_LEN;
}

int xpv_net_change_mtu(struct net_device *netdev, int mtu)
{
	struct xpv_net_device *dev = netdev_priv(netdev);

	if (mtu > max_mtu(netdev)) {
		netdev_err(netdev, "MTU %d is more than %u\n", mtu,
			   max_mtu(netdev));
		return -EINVAL;
	}
	if (!dev->mtu_by_us)
		dev->mtu_by_user = true;
	WRITE_ONCE(netdev->mtu, mtu);
	return 0;
}

static void set_mtu(struct xpv_net_device *dev, unsigned int mtu,
		    const char *why)
{
	struct net_device *netdev = dev->netdev;

	if (mtu == netdev->mtu)
		return;
	netdev_info(netdev, "%s: MTU %u becomes %u\n", why, netdev->mtu, mtu);
	dev->mtu_by_us = true;
	dev_set_mtu(netdev, mtu);
	dev->mtu_by_us = false;
}

/* Scatter-gather is gone. */
void xpv_net_lower_mtu(struct xpv_net_device *dev)
{
	if (dev->netdev->mtu > ETH_DATA_LEN)
		set_mtu(dev, ETH_DATA_LEN, "no scatter-gather");
}

void xpv_net_follow_mtu(struct xpv_net_device *dev)
{
	unsigned int mtu;

	ASSERT_RTNL();
	if (!follow_mtu || dev->mtu_by_user)
		return;
	mtu = xpv_net_read_mtu(dev);
	set_mtu(dev, min(mtu, max_mtu(dev->netdev)), "as the host has it");
}

/* ---- carrier ---- */

static bool link_is_up(struct xpv_net_device *dev, enum xpv_state back)
{
	enum xenbus_state own = dev->xbdev->state;

	if (own != XenbusStateConnected && own != XenbusStateReconfiguring)
		return false;
	if (back != XPV_STATE_CONNECTED && back != XPV_STATE_RECONFIGURED)
		return false;
	return !xpv_net_is_broken(dev) && xpv_net_read_carrier(dev);
}

static void link_goes_up(struct xpv_net_device *dev)
{
	int err;

	netif_carrier_on(dev->netdev);
	if (dev->netdev->features & NETIF_F_RXHASH) {
		err = xpv_net_rss_apply(dev);
		if (err)
			netdev_warn(dev->netdev, "hashing in the backend: %d\n",
				    err);
	}
	schedule_delayed_work(&dev->announce_work, 0);
	xpv_net_mcast_sync(dev);
}

void xpv_net_follow_carrier(struct xpv_net_device *dev, enum xpv_state back)
{
	bool up;

	/* Our own state does not change meanwhile. */
	rtnl_lock();
	up = link_is_up(dev, back);
	if (up && !netif_carrier_ok(dev->netdev))
		link_goes_up(dev);
	else if (!up)
		netif_carrier_off(dev->netdev);
	rtnl_unlock();
}

/*
 * Tell the neighbours where we are now (gratuitous ARP). The queueing layer
 * learns of the carrier a moment after us and would drop the message before.
 */
void xpv_net_announce_work(struct work_struct *work)
{
	struct xpv_net_device *dev = container_of(to_delayed_work(work),
						  struct xpv_net_device,
						  announce_work);
	struct net_device *netdev = dev->netdev;

	if (!netif_running(netdev) || !netif_carrier_ok(netdev))
		return;
	if (qdisc_tx_is_noop(netdev))
		schedule_delayed_work(&dev->announce_work, ANNOUNCE_RETRY);
	else
		netdev_notify_peers(netdev);
}

/* ---- watches; their callbacks run one at a time, as the states' do ---- */

static void mtu_changed(struct xenbus_watch *watch, const char *path,
			const char *token)
{
	struct xpv_net_device *dev = container_of(watch, struct xpv_net_device,
						  mtu_watch);

	rtnl_lock();
	if (dev->made)
		xpv_net_follow_mtu(dev);
	rtnl_unlock();
}

static void carrier_changed(struct xenbus_watch *watch, const char *path,
			    const char *token)
{
	struct xpv_net_device *dev = container_of(watch, struct xpv_net_device,
						  carrier_watch);

	enum xenbus_state back = xenbus_read_driver_state(dev->xbdev->otherend);

	xpv_net_follow_carrier(dev, (enum xpv_state)back);
}

static void unwatch(struct xenbus_watch *watch)
{
	if (!watch->node)
		return;
	unregister_xenbus_watch(watch);
	kfree(watch->node);
	watch->node = NULL;
}

void xpv_net_unwatch_link(struct xpv_net_device *dev)
{
	unwatch(&dev->carrier_watch);
	unwatch(&dev->mtu_watch);
}

/* Anew for each connection: the backend's directory may be another. */
int xpv_net_watch_link(struct xpv_net_device *dev)
{
	struct xenbus_device *xbdev = dev->xbdev;
	int err;

	xpv_net_unwatch_link(dev);
	err = xenbus_watch_pathfmt(xbdev, &dev->mtu_watch, NULL, mtu_changed,
				   "%s/%s", xbdev->nodename,
				   xpv_key(XPV_KEY_MTU));
	return err ?: xenbus_watch_pathfmt(xbdev, &dev->carrier_watch, NULL,
					   carrier_changed, "%s/%s",
					   xbdev->otherend,
					   xpv_key(XPV_KEY_CARRIER));
}
