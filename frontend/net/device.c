// SPDX-License-Identifier: GPL-2.0-only
/* The net_device: its operations, its features, its counters. */
#include "netfront.h"

/*
 * Offloads that may be had; fix_features() takes away what the backend of the
 * moment does not offer. RXCSUM has no switch: backends are told once, by a
 * key, that blank checksums are welcome.
 */
#define OFFLOADS                                                               \
	(NETIF_F_SG | NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM | NETIF_F_TSO |      \
	 NETIF_F_TSO6)

static int net_open(struct net_device *netdev)
{
	xpv_net_queues_start(netdev_priv(netdev));
	return 0;
}

static int net_stop(struct net_device *netdev)
{
	xpv_net_queues_stop(netdev_priv(netdev));
	return 0;
}

static int net_change_mtu(struct net_device *netdev, int mtu)
{
	int max = netdev->features & NETIF_F_SG ? XPV_NET_MAX_MTU :
						  ETH_DATA_LEN;

	if (mtu > max)
		return -EINVAL;
	WRITE_ONCE(netdev->mtu, mtu);
	return 0;
}

static netdev_features_t net_fix_features(struct net_device *netdev,
					  netdev_features_t features)
{
	struct xpv_net_device *dev = netdev_priv(netdev);
	const struct xpv_net_offer *offer = &dev->offer;

	if (!offer->sg)
		features &= ~NETIF_F_SG;
	if (!offer->csum_ipv4)
		features &= ~NETIF_F_IP_CSUM;
	if (!offer->csum_ipv6)
		features &= ~NETIF_F_IPV6_CSUM;
	if (!offer->gso_tcpv4)
		features &= ~NETIF_F_TSO;
	if (!offer->gso_tcpv6)
		features &= ~NETIF_F_TSO6;
	return features;
}

static int net_set_features(struct net_device *netdev,
			    netdev_features_t features)
{
	if (!(features & NETIF_F_SG) && netdev->mtu > ETH_DATA_LEN) {
		netdev_info(netdev, "no scatter-gather: MTU lowered to %u\n",
			    ETH_DATA_LEN);
		dev_set_mtu(netdev, ETH_DATA_LEN);
	}
	return 0;
}

static void add_tx_stats(const struct xpv_net_tx_stats *from,
			 struct rtnl_link_stats64 *sum)
{
	u64 packets, bytes, dropped, errors;
	unsigned int start;

	do {
		start = u64_stats_fetch_begin(&from->sync);
		packets = u64_stats_read(&from->packets);
		bytes = u64_stats_read(&from->bytes);
		dropped = u64_stats_read(&from->dropped);
		errors = u64_stats_read(&from->errors);
	} while (u64_stats_fetch_retry(&from->sync, start));
	sum->tx_packets += packets;
	sum->tx_bytes += bytes;
	sum->tx_dropped += dropped;
	sum->tx_errors += errors;
}

static void add_rx_stats(const struct xpv_net_rx_stats *from,
			 struct rtnl_link_stats64 *sum)
{
	u64 packets, bytes, dropped, errors;
	unsigned int start;

	do {
		start = u64_stats_fetch_begin(&from->sync);
		packets = u64_stats_read(&from->packets);
		bytes = u64_stats_read(&from->bytes);
		dropped = u64_stats_read(&from->dropped);
		errors = u64_stats_read(&from->errors);
	} while (u64_stats_fetch_retry(&from->sync, start));
	sum->rx_packets += packets;
	sum->rx_bytes += bytes;
	sum->rx_dropped += dropped;
	sum->rx_errors += errors;
}

static void net_get_stats64(struct net_device *netdev,
			    struct rtnl_link_stats64 *sum)
{
	struct xpv_net_device *dev = netdev_priv(netdev);
	unsigned int i;

	for (i = 0; i < dev->nr_queues; i++) {
		add_tx_stats(&dev->queue[i].tx.stats, sum);
		add_rx_stats(&dev->queue[i].rx.stats, sum);
	}
}

static const struct net_device_ops net_ops = {
	.ndo_open = net_open,
	.ndo_stop = net_stop,
	.ndo_start_xmit = xpv_net_xmit,
	.ndo_change_mtu = net_change_mtu,
	.ndo_fix_features = net_fix_features,
	.ndo_set_features = net_set_features,
	.ndo_get_stats64 = net_get_stats64,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
};

static void init_netdev(struct net_device *netdev, struct xenbus_device *xbdev)
{
	netdev->netdev_ops = &net_ops;
	netdev->ethtool_ops = &xpv_net_ethtool_ops;
	SET_NETDEV_DEV(netdev, &xbdev->dev);
	netdev->min_mtu = ETH_MIN_MTU;
	netdev->max_mtu = XPV_NET_MAX_MTU;
	netif_set_tso_max_size(netdev, XPV_NETIF_MAX_PACKET);
	netdev->hw_features = OFFLOADS;
	/*
	 * All of them wanted, few of them had before a backend offers them.
	 * ROBUST: backends check GSO packets that came from elsewhere.
	 */
	netdev->features = OFFLOADS | NETIF_F_RXCSUM | NETIF_F_GSO_ROBUST;
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

/* NULL: no memory. */
struct xpv_net_device *xpv_net_device_alloc(struct xenbus_device *xbdev)
{
	struct net_device *netdev;
	struct xpv_net_device *dev;
	unsigned int i;

	netdev = alloc_etherdev_mq(sizeof(*dev), XPV_NET_MAX_QUEUES);
	if (!netdev)
		return NULL;
	dev = netdev_priv(netdev);
	dev->netdev = netdev;
	dev->xbdev = xbdev;
	dev->nr_queues = XPV_NET_MAX_QUEUES;
	dev->queue = kvcalloc(dev->nr_queues, sizeof(*dev->queue), GFP_KERNEL);
	if (!dev->queue) {
		free_netdev(netdev);
		return NULL;
	}
	init_netdev(netdev, xbdev);
	for (i = 0; i < dev->nr_queues; i++)
		init_queue(dev, i);
	return dev;
}

void xpv_net_device_free(struct xpv_net_device *dev)
{
	unsigned int i;

	for (i = 0; i < dev->nr_queues; i++)
		netif_napi_del(&dev->queue[i].napi);
	kvfree(dev->queue);
	free_netdev(dev->netdev);
}
