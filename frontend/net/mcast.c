// SPDX-License-Identifier: GPL-2.0-only
/*
 * Multicast control: the backend passes on only what goes to addresses that
 * we have named, so that a guest does not wake up for its neighbours' groups.
 *
 * Used with backends that let us turn the filter on and off while connected:
 * it is turned on when they have every address, and off when there are more
 * than they keep, one was refused, or everything is to be seen. Addresses go
 * as requests on the first queue's transmit ring.
 */
#include "netfront.h"

/* When the ring is full. */
#define RETRY (HZ / 10)
/* Ring slots of a request: itself and its extra. */
#define SLOTS 2u

struct wanted {
	bool all;
	unsigned int nr;
	u8 addr[XPV_NET_MCAST_MAX][ETH_ALEN];
};

static void collect(struct net_device *netdev, struct wanted *want)
{
	const struct netdev_hw_addr *ha;

	want->nr = 0;
	netif_addr_lock_bh(netdev);
	want->all = netdev->flags & (IFF_PROMISC | IFF_ALLMULTI) ||
		    netdev_mc_count(netdev) > XPV_NET_MCAST_MAX;
	if (!want->all)
		netdev_for_each_mc_addr(ha, netdev)
			ether_addr_copy(want->addr[want->nr++], ha->addr);
	netif_addr_unlock_bh(netdev);
}

static bool contains(const u8 (*list)[ETH_ALEN], unsigned int nr, const u8 *addr)
{
	while (nr--)
		if (!memcmp(list[nr], addr, ETH_ALEN))
			return true;
	return false;
}

/* False: the ring is full, or the interface down. */
static bool request(struct xpv_net_device *dev, enum xpv_netif_extra_type type,
		    const u8 *addr)
{
	static const struct xpv_net_tx_slot what = {.owner = XPV_NET_MCAST};
	struct xpv_netif_tx_request req = {.flags = XPV_TX_EXTRA};
	struct xpv_netif_extra extra = {.type = type};
	struct xpv_net_queue *q = &dev->queue[0];
	bool room;

	memcpy(extra.mcast.addr, addr, ETH_ALEN);
	__netif_tx_lock_bh(xpv_net_txq(q));
	room = q->tx.live && xpv_front_room(&q->tx.front) >= SLOTS;
	if (room) {
		atomic_inc(&dev->mcast.unanswered);
		xpv_net_tx_put(q, &what, &req);
		xpv_net_tx_put_extra(q, &extra);
		xpv_net_tx_stop_if_full(q);
		xpv_net_tx_push(q);
	}
	__netif_tx_unlock_bh(xpv_net_txq(q));
	return room;
}

static bool remove_others(struct xpv_net_device *dev, const struct wanted *want)
{
	struct xpv_net_mcast *mcast = &dev->mcast;
	unsigned int i = 0;

	while (i < mcast->nr) {
		if (contains(want->addr, want->nr, mcast->addr[i])) {
			i++;
			continue;
		}
		if (!request(dev, XPV_EXTRA_MCAST_DEL, mcast->addr[i]))
			return false;
		ether_addr_copy(mcast->addr[i], mcast->addr[--mcast->nr]);
	}
	return true;
}

static bool add_missing(struct xpv_net_device *dev, const struct wanted *want)
{
	struct xpv_net_mcast *mcast = &dev->mcast;
	unsigned int i;

	for (i = 0; i < want->nr; i++) {
		if (contains(mcast->addr, mcast->nr, want->addr[i]))
			continue;
		if (!request(dev, XPV_EXTRA_MCAST_ADD, want->addr[i]))
			return false;
		ether_addr_copy(mcast->addr[mcast->nr++], want->addr[i]);
	}
	return true;
}

static void set_filtering(struct xpv_net_device *dev, bool on)
{
	if (dev->mcast.filtering == on)
		return;
	if (!xpv_net_write_key(dev, XPV_KEY_REQUEST_MCAST, on))
		dev->mcast.filtering = on;
}

/* Bring the backend's list to ours; answers make it run once more. */
static void mcast_work(struct work_struct *work)
{
	struct xpv_net_device *dev = container_of(to_delayed_work(work),
						  struct xpv_net_device,
						  mcast.work);
	struct xpv_net_mcast *mcast = &dev->mcast;
	struct wanted *want;

	if (!netif_carrier_ok(dev->netdev) || !netif_running(dev->netdev))
		return;
	want = kmalloc(sizeof(*want), GFP_KERNEL);
	if (!want) {
		set_filtering(dev, false);
		return;
	}
	collect(dev->netdev, want);
	if (want->all || atomic_read(&mcast->refused))
		set_filtering(dev, false);
	else if (!remove_others(dev, want) || !add_missing(dev, want))
		schedule_delayed_work(&mcast->work, RETRY);
	else if (!atomic_read(&mcast->unanswered))
		set_filtering(dev, true);
	kfree(want);
}

/* From the transmit ring. */
void xpv_net_mcast_answered(struct xpv_net_device *dev, bool ok)
{
	struct xpv_net_mcast *mcast = &dev->mcast;

	if (!ok)
		atomic_set(&mcast->refused, 1);
	if (atomic_dec_and_test(&mcast->unanswered))
		schedule_delayed_work(&mcast->work, 0);
}

void xpv_net_mcast_init(struct xpv_net_device *dev)
{
	INIT_DELAYED_WORK(&dev->mcast.work, mcast_work);
}

/* A new backend knows no address. No request is on a ring. */
void xpv_net_mcast_reset(struct xpv_net_device *dev)
{
	struct xpv_net_mcast *mcast = &dev->mcast;

	cancel_delayed_work_sync(&mcast->work);
	mcast->filtering = false;
	mcast->nr = 0;
	atomic_set(&mcast->unanswered, 0);
	atomic_set(&mcast->refused, 0);
}

void xpv_net_mcast_sync(struct xpv_net_device *dev)
{
	if (dev->offer.multicast)
		schedule_delayed_work(&dev->mcast.work, 0);
}

void xpv_net_set_rx_mode(struct net_device *netdev)
{
	xpv_net_mcast_sync(netdev_priv(netdev));
}
