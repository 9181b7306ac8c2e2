// SPDX-License-Identifier: GPL-2.0-only
/* The counters of all queues, shown one by one and summed up. */
#include <linux/ethtool.h>

#include "netfront.h"

struct counter {
	const char *name;
	int sum; /* in struct rtnl_link_stats64; NO_SUM: a part of nothing */
};

#define SUM(field) offsetof(struct rtnl_link_stats64, field)
#define NO_SUM	   (-1)

static const struct counter tx_stats[] = {
	[XPV_NET_TX_PACKETS] = {"tx_packets", SUM(tx_packets)},
	[XPV_NET_TX_BYTES] = {"tx_bytes", SUM(tx_bytes)},
	[XPV_NET_TX_ERRORS] = {"tx_errors", SUM(tx_errors)},
	[XPV_NET_TX_DROP_OFFLINE] = {"tx_drop_offline", SUM(tx_dropped)},
	[XPV_NET_TX_DROP_SIZE] = {"tx_drop_size", SUM(tx_dropped)},
	[XPV_NET_TX_DROP_MEMORY] = {"tx_drop_memory", SUM(tx_dropped)},
	[XPV_NET_TX_DROP_UNANSWERED] = {"tx_drop_unanswered", SUM(tx_dropped)},
	[XPV_NET_TX_BOUNCED] = {"tx_bounced", NO_SUM},
	[XPV_NET_TX_STOPPED] = {"tx_stopped", NO_SUM},
	[XPV_NET_TX_XDP] = {"tx_xdp", NO_SUM},
	[XPV_NET_TX_XDP_FULL] = {"tx_xdp_full", NO_SUM},
};

static const struct counter rx_stats[] = {
	[XPV_NET_RX_PACKETS] = {"rx_packets", SUM(rx_packets)},
	[XPV_NET_RX_BYTES] = {"rx_bytes", SUM(rx_bytes)},
	[XPV_NET_RX_ERR_STATUS] = {"rx_err_status", SUM(rx_errors)},
	[XPV_NET_RX_ERR_SIZE] = {"rx_err_size", SUM(rx_errors)},
	[XPV_NET_RX_ERR_FRAGS] = {"rx_err_frags", SUM(rx_errors)},
	[XPV_NET_RX_ERR_EXTRA] = {"rx_err_extra", SUM(rx_errors)},
	[XPV_NET_RX_ERR_HEADER] = {"rx_err_header", SUM(rx_errors)},
	[XPV_NET_RX_DROP_MEMORY] = {"rx_drop_memory", SUM(rx_dropped)},
	[XPV_NET_RX_GSO_FIXUPS] = {"rx_gso_fixups", NO_SUM},
	[XPV_NET_RX_REFILL_RETRIES] = {"rx_refill_retries", NO_SUM},
	[XPV_NET_RX_XDP_PASS] = {"rx_xdp_pass", NO_SUM},
	[XPV_NET_RX_XDP_DROP] = {"rx_xdp_drop", NO_SUM},
	[XPV_NET_RX_XDP_TX] = {"rx_xdp_tx", NO_SUM},
	[XPV_NET_RX_XDP_REDIRECT] = {"rx_xdp_redirect", NO_SUM},
	[XPV_NET_RX_XDP_ERRORS] = {"rx_xdp_errors", NO_SUM},
	[XPV_NET_RX_XDP_COPIED] = {"rx_xdp_copied", NO_SUM},
	[XPV_NET_RX_XDP_GENERIC] = {"rx_xdp_generic", NO_SUM},
};

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
