// SPDX-License-Identifier: GPL-2.0-only
/* What ethtool shows and sets. */
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>

#include "netfront.h"

static void net_get_drvinfo(struct net_device *netdev,
			    struct ethtool_drvinfo *info)
{
	struct xpv_net_device *dev = netdev_priv(netdev);

	strscpy(info->driver, XPV_NET_DRIVER, sizeof(info->driver));
	strscpy(info->bus_info, dev_name(&dev->xbdev->dev),
		sizeof(info->bus_info));
}

/* ---- queues and rings ---- */

static unsigned int possible_queues(const struct xpv_net_device *dev)
{
	return min(dev->max_queues, dev->offer.max_queues ?: 1);
}

static void net_get_channels(struct net_device *netdev,
			     struct ethtool_channels *channels)
{
	struct xpv_net_device *dev = netdev_priv(netdev);

	channels->max_combined = possible_queues(dev);
	channels->combined_count = min(dev->wanted_queues,
				       possible_queues(dev));
}

/* Both ends agree on the number when they connect: so they do so anew. */
static int net_set_channels(struct net_device *netdev,
			    struct ethtool_channels *channels)
{
	struct xpv_net_device *dev = netdev_priv(netdev);

	dev->wanted_queues = channels->combined_count;
	return dev->wanted_queues == dev->nr_queues ? 0 :
						      xpv_net_reconnect(dev);
}

static void net_get_ringparam(struct net_device *netdev,
			      struct ethtool_ringparam *ring,
			      struct kernel_ethtool_ringparam *kernel,
			      struct netlink_ext_ack *extack)
{
	ring->rx_max_pending = XPV_NET_RING_SLOTS;
	ring->tx_max_pending = XPV_NET_RING_SLOTS;
	ring->rx_pending = XPV_NET_RING_SLOTS;
	ring->tx_pending = XPV_NET_RING_SLOTS;
}

/* ---- statistics ---- */

static int net_get_sset_count(struct net_device *netdev, int set)
{
	return set == ETH_SS_STATS ? xpv_net_stats_nr(netdev_priv(netdev)) :
				     -EOPNOTSUPP;
}

static void net_get_strings(struct net_device *netdev, u32 set, u8 *data)
{
	if (set == ETH_SS_STATS)
		xpv_net_stats_names(netdev_priv(netdev), data);
}

static void net_get_ethtool_stats(struct net_device *netdev,
				  struct ethtool_stats *stats, u64 *data)
{
	xpv_net_stats_values(netdev_priv(netdev), data);
}

/* ---- receive-side scaling ---- */

/* What ethtool wants to know before it shows or sets the table. */
static int net_get_rxnfc(struct net_device *netdev, struct ethtool_rxnfc *info,
			 u32 *rules)
{
	struct xpv_net_device *dev = netdev_priv(netdev);

	if (info->cmd != ETHTOOL_GRXRINGS)
		return -EOPNOTSUPP;
	info->data = dev->nr_queues;
	return 0;
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
static int net_get_rxfh(struct net_device *netdev, struct ethtool_rxfh_param *p)
{
	return xpv_net_rss_get(netdev_priv(netdev), p);
}

static int net_set_rxfh(struct net_device *netdev, struct ethtool_rxfh_param *p,
			struct netlink_ext_ack *extack)
{
	return xpv_net_rss_set(netdev_priv(netdev), p);
}
#else
static int net_get_rxfh(struct net_device *netdev, u32 *indir, u8 *key,
			u8 *hfunc)
{
	struct ethtool_rxfh_param p = {.indir = indir, .key = key};
	int err = xpv_net_rss_get(netdev_priv(netdev), &p);

	if (!err && hfunc)
		*hfunc = p.hfunc;
	return err;
}

static int net_set_rxfh(struct net_device *netdev, const u32 *indir,
			const u8 *key, const u8 hfunc)
{
	const struct ethtool_rxfh_param p = {
		.hfunc = hfunc,
		.indir = (u32 *)indir,
		.key = (u8 *)key,
	};

	return xpv_net_rss_set(netdev_priv(netdev), &p);
}
#endif

const struct ethtool_ops xpv_net_ethtool_ops = {
	.get_drvinfo = net_get_drvinfo,
	.get_link = ethtool_op_get_link,
	.get_ts_info = ethtool_op_get_ts_info,
	.get_channels = net_get_channels,
	.set_channels = net_set_channels,
	.get_ringparam = net_get_ringparam,
	.get_sset_count = net_get_sset_count,
	.get_strings = net_get_strings,
	.get_ethtool_stats = net_get_ethtool_stats,
	.get_rxnfc = net_get_rxnfc,
	.get_rxfh_key_size = xpv_net_rss_key_size,
	.get_rxfh_indir_size = xpv_net_rss_entries,
	.get_rxfh = net_get_rxfh,
	.set_rxfh = net_set_rxfh,
};
