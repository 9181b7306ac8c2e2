// SPDX-License-Identifier: GPL-2.0-only
/* The counters of all queues, shown one by one and summed up. */
#include <linux/ethtool.h>

#include "netfront.h"

struct counter {
	const char *name;
	int sum; /* in struct rtnl_link_stats64; NO_SUM: a part of nothing */
};

#define NO_SUM		      (-1)
#define STAT(id, nm, total)   {#nm, offsetof(struct rtnl_link_stats64, total)},
#define STAT_ALONE(id, nm)    {#nm, NO_SUM},

static const struct counter tx_stats[] = {XPV_NET_TX_STATS(STAT, STAT_ALONE)};
static const struct counter rx_stats[] = {XPV_NET_RX_STATS(STAT, STAT_ALONE)};

static_assert(ARRAY_SIZE(tx_stats) == XPV_NET_NR_TX_STATS);
static_assert(ARRAY_SIZE(rx_stats) == XPV_NET_NR_RX_STATS);

static void read_stats(const struct xpv_net_stats *stats, u64 *at,
		       unsigned int nr)
{
	unsigned int start, i;

	do {
		start = u64_stats_fetch_begin(&stats->sync);
		for (i = 0; i < nr; i++)
			at[i] = u64_stats_read(&stats->count[i]);
	} while (u64_stats_fetch_retry(&stats->sync, start));
}

static void add_stats(const struct xpv_net_stats *stats,
		      const struct counter *what, unsigned int nr,
		      struct rtnl_link_stats64 *sum)
{
	u64 value[XPV_NET_NR_STATS];
	unsigned int i;

	read_stats(stats, value, nr);
	for (i = 0; i < nr; i++)
		if (what[i].sum != NO_SUM)
			*(u64 *)((void *)sum + what[i].sum) += value[i];
}

/* Of every queue: one that this connection does not use has its past. */
void xpv_net_get_stats64(struct net_device *netdev,
			 struct rtnl_link_stats64 *sum)
{
	struct xpv_net_device *dev = netdev_priv(netdev);
	unsigned int i;

	for (i = 0; i < dev->max_queues; i++) {
		add_stats(&dev->queue[i].tx.stats, tx_stats,
			  ARRAY_SIZE(tx_stats), sum);
		add_stats(&dev->queue[i].rx.stats, rx_stats,
			  ARRAY_SIZE(rx_stats), sum);
	}
}

int xpv_net_stats_nr(const struct xpv_net_device *dev)
{
	return dev->max_queues *
	       (ARRAY_SIZE(tx_stats) + ARRAY_SIZE(rx_stats));
}

static void put_names(u8 **at, unsigned int queue, const struct counter *counter,
		      unsigned int nr)
{
	for (; nr; nr--, counter++)
		ethtool_sprintf(at, "q%u_%s", queue, counter->name);
}

void xpv_net_stats_names(const struct xpv_net_device *dev, u8 *at)
{
	unsigned int i;

	for (i = 0; i < dev->max_queues; i++) {
		put_names(&at, i, tx_stats, ARRAY_SIZE(tx_stats));
		put_names(&at, i, rx_stats, ARRAY_SIZE(rx_stats));
	}
}

void xpv_net_stats_values(const struct xpv_net_device *dev, u64 *at)
{
	unsigned int i;

	for (i = 0; i < dev->max_queues; i++) {
		read_stats(&dev->queue[i].tx.stats, at, ARRAY_SIZE(tx_stats));
		at += ARRAY_SIZE(tx_stats);
		read_stats(&dev->queue[i].rx.stats, at, ARRAY_SIZE(rx_stats));
		at += ARRAY_SIZE(rx_stats);
	}
}
