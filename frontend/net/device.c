// SPDX-License-Identifier: GPL-2.0-only
/* The net_device: its operations, and its memory. */
#include <linux/moduleparam.h>

#include "netfront.h"

static unsigned int max_queues;
module_param(max_queues, uint, 0644);
MODULE_PARM_DESC(max_queues, "Queues of an interface at most; 0: one for each CPU");

static int net_open(struct net_device *netdev)
{
	struct xpv_net_device *dev = netdev_priv(netdev);

	xpv_net_queues_start(dev);
	xpv_net_mcast_sync(dev);
	return 0;
}

static int net_stop(struct net_device *netdev)
{
	xpv_net_queues_stop(netdev_priv(netdev));
	return 0;
}

static const struct net_device_ops net_ops = {
	.ndo_open = net_open,
	.ndo_stop = net_stop,
	.ndo_start_xmit = xpv_net_xmit,
	.ndo_change_mtu = xpv_net_change_mtu,
	.ndo_fix_features = xpv_net_fix_features,
	.ndo_set_features = xpv_net_set_features,
	.ndo_features_check = xpv_net_features_check,
	.ndo_get_stats64 = xpv_net_get_stats64,
	.ndo_set_rx_mode = xpv_net_set_rx_mode,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
	.ndo_bpf = xpv_net_bpf,
	.ndo_xdp_xmit = xpv_net_xdp_xmit,
};

static void init_netdev(struct net_device *netdev, struct xenbus_device *xbdev)
{
	netdev->netdev_ops = &net_ops;
	netdev->ethtool_ops = &xpv_net_ethtool_ops;
	netdev->sysfs_groups[0] = &xpv_net_sysfs;
	SET_NETDEV_DEV(netdev, &xbdev->dev);
	netdev->min_mtu = ETH_MIN_MTU;
	netdev->max_mtu = XPV_NET_MAX_MTU;
	xpv_net_init_features(netdev);
	/* Our notes in skb->cb need the skb to ourselves. */
	netdev->priv_flags &= ~IFF_TX_SKB_SHARING;
	netif_carrier_off(netdev);
}

static void init_queue(struct xpv_net_device *dev, unsigned int index)
{
	struct xpv_net_queue *q = &dev->queue[index];

	q->dev = dev;
	q->index = index;
	u64_stats_init(&q->tx.stats.sync);
	u64_stats_init(&q->rx.stats.sync);
	timer_setup(&q->rx.refill, xpv_net_rx_refill_timeout, 0);
	netif_napi_add(dev->netdev, &q->napi, xpv_net_poll);
}

static void init_device(struct xpv_net_device *dev)
{
	INIT_WORK(&dev->broken_work, xpv_net_broken_work);
	INIT_DELAYED_WORK(&dev->announce_work, xpv_net_announce_work);
	INIT_DELAYED_WORK(&dev->headroom_work, xpv_net_headroom_work);
	xpv_net_mcast_init(dev);
	xpv_net_rss_init(dev);
}

/* CPUs may come later, up to as many as are possible. */
static unsigned int clamp_queues(unsigned int cpus)
{
	return min3(cpus, max_queues ?: XPV_NET_MAX_QUEUES, XPV_NET_MAX_QUEUES);
}

/* NULL: no memory. */
struct xpv_net_device *xpv_net_device_alloc(struct xenbus_device *xbdev)
{
	unsigned int i, nr = clamp_queues(num_possible_cpus());
	struct net_device *netdev;
	struct xpv_net_device *dev;

	netdev = alloc_etherdev_mq(sizeof(*dev), nr);
	if (!netdev)
		return NULL;
	dev = netdev_priv(netdev);
	dev->netdev = netdev;
	dev->xbdev = xbdev;
	dev->max_queues = nr;
	dev->wanted_queues = clamp_queues(num_online_cpus());
	dev->queue = kvcalloc(nr, sizeof(*dev->queue), GFP_KERNEL);
	if (!dev->queue) {
		free_netdev(netdev);
		return NULL;
	}
	init_device(dev);
	init_netdev(netdev, xbdev);
	for (i = 0; i < nr; i++)
		init_queue(dev, i);
	return dev;
}

void xpv_net_device_free(struct xpv_net_device *dev)
{
	unsigned int i;

	for (i = 0; i < dev->max_queues; i++)
		netif_napi_del(&dev->queue[i].napi);
	kvfree(dev->queue);
	free_netdev(dev->netdev);
}
