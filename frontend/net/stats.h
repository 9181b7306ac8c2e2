/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The counters of a queue: what `ethtool -S` shows of each queue, and what
 * `ip -s link` shows of all of them together. A packet that is lost is counted
 * by the reason.
 *
 * A struct has one writer at a time, so a queue needs no per-CPU copies: tx is
 * counted under the xmit lock, rx in NAPI.
 */
#ifndef XPV_NET_STATS_H
#define XPV_NET_STATS_H

#include <linux/u64_stats_sync.h>

enum xpv_net_tx_stat {
	XPV_NET_TX_PACKETS,
	XPV_NET_TX_BYTES,
	XPV_NET_TX_ERRORS, /* by the backend's answer */
	XPV_NET_TX_DROP_OFFLINE,
	XPV_NET_TX_DROP_SIZE,
	XPV_NET_TX_DROP_MEMORY,
	XPV_NET_TX_DROP_UNANSWERED, /* when the connection ended */
	XPV_NET_TX_BOUNCED,	    /* copied to pages of their own */
	XPV_NET_TX_STOPPED,	    /* the ring was full */
	XPV_NET_TX_XDP,		    /* of all packets, those from XDP */
	XPV_NET_TX_XDP_FULL,	    /* and those that found no room */
	XPV_NET_NR_TX_STATS,
};

enum xpv_net_rx_stat {
	XPV_NET_RX_PACKETS,
	XPV_NET_RX_BYTES,
	/* The backend's packet makes no sense. */
	XPV_NET_RX_ERR_STATUS,
	XPV_NET_RX_ERR_SIZE,
	XPV_NET_RX_ERR_FRAGS,
	XPV_NET_RX_ERR_EXTRA,
	XPV_NET_RX_ERR_HEADER,
	XPV_NET_RX_DROP_MEMORY,
	XPV_NET_RX_GSO_FIXUPS, /* GSO without csum_blank */
	XPV_NET_RX_REFILL_RETRIES,
	XPV_NET_RX_XDP_PASS,
	XPV_NET_RX_XDP_DROP,
	XPV_NET_RX_XDP_TX,
	XPV_NET_RX_XDP_REDIRECT,
	XPV_NET_RX_XDP_ERRORS,	/* aborted, unknown, or it failed */
	XPV_NET_RX_XDP_COPIED,	/* for room, or to be in one piece */
	XPV_NET_RX_XDP_GENERIC, /* too long for a page: run on the skb */
	XPV_NET_NR_RX_STATS,
};

/* Whichever are more. */
#define XPV_NET_NR_STATS XPV_NET_NR_RX_STATS
static_assert((int)XPV_NET_NR_STATS >= (int)XPV_NET_NR_TX_STATS);

struct xpv_net_stats {
	struct u64_stats_sync sync;
	u64_stats_t count[XPV_NET_NR_STATS];
};

static inline void xpv_net_count(struct xpv_net_stats *stats, unsigned int id,
				 u64 n)
{
	u64_stats_update_begin(&stats->sync);
	u64_stats_add(&stats->count[id], n);
	u64_stats_update_end(&stats->sync);
}

#endif
