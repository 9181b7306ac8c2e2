// SPDX-License-Identifier: GPL-2.0-only
/* What ethtool shows: drvinfo, and counters queue by queue. */
#include <linux/ethtool.h>

#include "netfront.h"

struct counter {
	char name[20];
	size_t offset; /* in the struct of counters */
};

static const struct counter tx_counters[] = {
	{"tx_packets", offsetof(struct xpv_net_tx_stats, packets)},
	{"tx_bytes", offsetof(struct xpv_net_tx_stats, bytes)},
	{"tx_dropped", offsetof(struct xpv_net_tx_stats, dropped)},
	{"tx_errors", offsetof(struct xpv_net_tx_stats, errors)},
	{"tx_bounced", offsetof(struct xpv_net_tx_stats, bounced)},
	{"tx_stopped", offsetof(struct xpv_net_tx_stats, stopped)},
};

static const struct counter rx_counters[] = {
	{"rx_packets", offsetof(struct xpv_net_rx_stats, packets)},
	{"rx_bytes", offsetof(struct xpv_net_rx_stats, bytes)},
	{"rx_errors", offsetof(struct xpv_net_rx_stats, errors)},
	{"rx_dropped", offsetof(struct xpv_net_rx_stats, dropped)},
	{"rx_gso_fixups", offsetof(struct xpv_net_rx_stats, gso_fixups)},
	{"rx_refill_retries",
	 offsetof(struct xpv_net_rx_stats, refill_retries)},
};

static void net_get_drvinfo(struct net_device *netdev,
			    struct ethtool_drvinfo *info)
{
	struct xpv_net_device *dev = netdev_priv(netdev);

	strscpy(info->driver, XPV_NET_DRIVER, sizeof(info->driver));
	strscpy(info->bus_info, dev_name(&dev->xbdev->dev),
		sizeof(info->bus_info));
}

static int net_get_sset_count(struct net_device *netdev, int set)
{
	struct xpv_net_device *dev = netdev_priv(netdev);

	if (set != ETH_SS_STATS)
		return -EOPNOTSUPP;
	return dev->nr_queues *
	       (ARRAY_SIZE(tx_counters) + ARRAY_SIZE(rx_counters));
}

static void put_names(u8 **at, unsigned int queue,
		      const struct counter *counter, size_t nr)
{
	for (; nr; nr--, counter++)
		ethtool_sprintf(at, "q%u_%s", queue, counter->name);
}

static void net_get_strings(struct net_device *netdev, u32 set, u8 *data)
{
	struct xpv_net_device *dev = netdev_priv(netdev);
	unsigned int i;

	if (set != ETH_SS_STATS)
		return;
	for (i = 0; i < dev->nr_queues; i++) {
		put_names(&data, i, tx_counters, ARRAY_SIZE(tx_counters));
		put_names(&data, i, rx_counters, ARRAY_SIZE(rx_counters));
	}
}

static u64 *put_values(u64 *at, const void *stats,
		       const struct u64_stats_sync *sync,
		       const struct counter *counter, size_t nr)
{
	unsigned int start;
	size_t i;

	do {
		start = u64_stats_fetch_begin(sync);
		for (i = 0; i < nr; i++)
			at[i] = u64_stats_read(stats + counter[i].offset);
	} while (u64_stats_fetch_retry(sync, start));
	return at + nr;
}

static void net_get_ethtool_stats(struct net_device *netdev,
				  struct ethtool_stats *stats, u64 *data)
{
	struct xpv_net_device *dev = netdev_priv(netdev);
	unsigned int i;

	for (i = 0; i < dev->nr_queues; i++) {
		const struct xpv_net_queue *q = &dev->queue[i];

		data = put_values(data, &q->tx.stats, &q->tx.stats.sync,
				  tx_counters, ARRAY_SIZE(tx_counters));
		data = put_values(data, &q->rx.stats, &q->rx.stats.sync,
				  rx_counters, ARRAY_SIZE(rx_counters));
	}
}

const struct ethtool_ops xpv_net_ethtool_ops = {
	.get_drvinfo = net_get_drvinfo,
	.get_link = ethtool_op_get_link,
	.get_ts_info = ethtool_op_get_ts_info,
	.get_sset_count = net_get_sset_count,
	.get_strings = net_get_strings,
	.get_ethtool_stats = net_get_ethtool_stats,
};
