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

/* Name, and the sum that it is a part of: a field of rtnl_link_stats64. */
#define XPV_NET_TX_STATS(X, ALONE)                                            \
	X(TX_PACKETS, tx_packets, tx_packets)                                  \
	X(TX_BYTES, tx_bytes, tx_bytes)                                        \
	/* the backend's answer */                                             \
	X(TX_ERRORS, tx_errors, tx_errors)                                     \
	X(TX_DROP_OFFLINE, tx_drop_offline, tx_dropped)                        \
	X(TX_DROP_SIZE, tx_drop_size, tx_dropped)                              \
	X(TX_DROP_MEMORY, tx_drop_memory, tx_dropped)                          \
	/* not answered when the connection ended */                           \
	X(TX_DROP_UNANSWERED, tx_drop_unanswered, tx_dropped)                  \
	/* copied to pages of their own */                                     \
	ALONE(TX_BOUNCED, tx_bounced)                                          \
	/* the ring was full */                                                \
	ALONE(TX_STOPPED, tx_stopped)                                          \
	/* of all packets, those from XDP; and those it could not place */     \
	ALONE(TX_XDP, tx_xdp)                                                  \
	ALONE(TX_XDP_FULL, tx_xdp_full)

#define XPV_NET_RX_STATS(X, ALONE)                                            \
	X(RX_PACKETS, rx_packets, rx_packets)                                  \
	X(RX_BYTES, rx_bytes, rx_bytes)                                        \
	/* the backend's packet makes no sense */                              \
	X(RX_ERR_STATUS, rx_err_status, rx_errors)                             \
	X(RX_ERR_SIZE, rx_err_size, rx_errors)                                 \
	X(RX_ERR_FRAGS, rx_err_frags, rx_errors)                               \
	X(RX_ERR_EXTRA, rx_err_extra, rx_errors)                               \
	X(RX_ERR_HEADER, rx_err_header, rx_errors)                             \
	X(RX_DROP_MEMORY, rx_drop_memory, rx_dropped)                          \
	/* GSO without csum_blank */                                           \
	ALONE(RX_GSO_FIXUPS, rx_gso_fixups)                                    \
	ALONE(RX_REFILL_RETRIES, rx_refill_retries)                            \
	ALONE(RX_XDP_PASS, rx_xdp_pass)                                        \
	ALONE(RX_XDP_DROP, rx_xdp_drop)                                        \
	ALONE(RX_XDP_TX, rx_xdp_tx)                                            \
	ALONE(RX_XDP_REDIRECT, rx_xdp_redirect)                                \
	/* aborted, unknown, or an action that failed */                       \
	ALONE(RX_XDP_ERRORS, rx_xdp_errors)                                    \
	/* moved for headroom, tailroom or to be in one piece */               \
	ALONE(RX_XDP_COPIED, rx_xdp_copied)                                    \
	/* too long for one page: run on the skb */                            \
	ALONE(RX_XDP_GENERIC, rx_xdp_generic)

#define XPV_NET_STAT_ENUM(id, name, sum) XPV_NET_##id,
#define XPV_NET_STAT_ENUM_ALONE(id, name) XPV_NET_##id,
enum {
	XPV_NET_TX_STATS(XPV_NET_STAT_ENUM, XPV_NET_STAT_ENUM_ALONE)
	XPV_NET_NR_TX_STATS,
};

enum {
	XPV_NET_RX_STATS(XPV_NET_STAT_ENUM, XPV_NET_STAT_ENUM_ALONE)
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
