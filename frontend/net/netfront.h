/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xpv-netfront: what its files share.
 *
 * A device (one vif, one net_device) lives from probe to remove. Its queues
 * live as long; their rings, grants and event channels are made anew for each
 * connection to a backend.
 *
 *	made	   rings exist: from publishing them until the backend is done
 *		   with them (xpv_net_queues_make, _unmake)
 *	started	   made, and the interface is up: packets move
 *		   (xpv_net_queues_start, _stop)
 *
 * Both are changed under RTNL only. Lock order: RTNL, then a queue's xmit
 * lock.
 */
#ifndef XPV_NETFRONT_H
#define XPV_NETFRONT_H

#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/timer.h>
#include <linux/u64_stats_sync.h>
#include <linux/workqueue.h>
#include <xen/grant_table.h>
#include <xen/xenbus.h>

#include "compat.h"
#include "netif.h"
#include "ring.h"
#include "xenbus.h"

#define XPV_NET_DRIVER "xpv-netfront"

/* Slots of a one-page ring; tx and rx happen to have the same number. */
#define XPV_NET_RING_SLOTS 256u
/* Queues that we ask for. */
#define XPV_NET_MAX_QUEUES 1u
/* No frame that fits the 16-bit size of a tx request is too long. */
#define XPV_NET_MAX_MTU (XPV_NETIF_MAX_PACKET - ETH_HLEN)

static_assert(PAGE_SIZE == XPV_PAGE_SIZE, "a page is one grant");

struct xpv_net_device;

/*
 * Counters. Each struct has one writer at a time, so a queue needs no per-CPU
 * copies: tx under the xmit lock, rx in NAPI.
 */
struct xpv_net_tx_stats {
	struct u64_stats_sync sync;
	u64_stats_t packets;
	u64_stats_t bytes;
	u64_stats_t dropped; /* by us */
	u64_stats_t errors;  /* by the backend's answer */
	u64_stats_t bounced; /* copied to pages of their own */
	u64_stats_t stopped; /* the ring was full */
};

struct xpv_net_rx_stats {
	struct u64_stats_sync sync;
	u64_stats_t packets;
	u64_stats_t bytes;
	u64_stats_t errors;	/* the backend's packet makes no sense */
	u64_stats_t dropped;	/* no memory for it */
	u64_stats_t gso_fixups; /* GSO without csum_blank */
	u64_stats_t refill_retries;
};

/* A request of ours on the tx ring; its index is the request's id. */
struct xpv_net_tx_slot {
	struct sk_buff *skb; /* NULL: idle */
	struct page *page;   /* granted */
	u16 next;	     /* idle: the next idle slot */
};

struct xpv_net_tx {
	/* All under the netdev queue's xmit lock while started. */
	struct xpv_front front;
	void *shared;
	grant_ref_t ring_gref;
	evtchn_port_t port;
	unsigned int irq; /* 0: none; the rx irq when channels are not split */
	bool live;	  /* xmit may use the ring */
	u16 idle;	  /* first idle slot */
	u16 extras_owed;  /* extra slots not yet answered */
	struct xpv_net_tx_slot slot[XPV_NET_RING_SLOTS];
	grant_ref_t gref[XPV_NET_RING_SLOTS]; /* of the slots, while made */
	struct xpv_net_tx_stats stats;
};

struct xpv_net_rx_frag {
	struct page *page;
	u16 offset;
	u16 len;
};

/* A received packet, slot by slot. */
struct xpv_net_rx_packet {
	bool open;	 /* slots of it are still to come */
	bool want_extra; /* the next slot holds an extra info */
	bool more;	 /* and another fragment after the extras */
	bool bad;	 /* drop it when complete */
	u16 flags;	 /* of its first slot */
	u8 gso_type;	 /* enum xpv_netif_gso_type */
	u16 gso_size;
	u32 len;
	unsigned int nr_frags;
	struct xpv_net_rx_frag frag[MAX_SKB_FRAGS + 1];
};

struct xpv_net_rx {
	/* All in NAPI while started. */
	struct xpv_front front;
	void *shared;
	grant_ref_t ring_gref;
	evtchn_port_t port;
	unsigned int irq;
	struct page_pool *pool;
	struct timer_list refill; /* when pages could not be had */
	struct xpv_net_rx_packet packet;
	/* Posted pages, or NULL; the index is the request's id and place. */
	struct page *page[XPV_NET_RING_SLOTS];
	grant_ref_t gref[XPV_NET_RING_SLOTS]; /* of the slots, while made */
	struct xpv_net_rx_stats stats;
};

struct xpv_net_queue {
	struct xpv_net_device *dev;
	unsigned int index;
	struct napi_struct napi;
	/* Interrupts that were taken and not yet ended; bits below. */
	unsigned long irqs_due;
#define XPV_NET_IRQ_TX 0
#define XPV_NET_IRQ_RX 1
	/* NAPI: responses were taken since the interrupt was last ended. */
	bool tx_worked;
	bool rx_worked;
	char tx_irq_name[IFNAMSIZ + 16];
	char rx_irq_name[IFNAMSIZ + 16];
	struct xpv_net_tx tx ____cacheline_aligned_in_smp;
	struct xpv_net_rx rx ____cacheline_aligned_in_smp;
};

/* What the backend of this connection can do. */
struct xpv_net_offer {
	bool rx_copy;
	bool sg;
	bool gso_tcpv4;
	bool gso_tcpv6;
	bool csum_ipv4;
	bool csum_ipv6;
	bool split_channels;
};

struct xpv_net_device {
	struct net_device *netdev;
	struct xenbus_device *xbdev;
	/* Changed under RTNL and while no queue is started. */
	struct xpv_net_offer offer;
	bool trusted; /* the backend may see whole pages */

	bool made;    /* RTNL */
	bool started; /* RTNL */
	unsigned long flags;
#define XPV_NET_BROKEN 0 /* the backend broke the protocol */
	const char *broken_why; /* set once before broken_work runs */
	struct work_struct broken_work;
	struct delayed_work announce_work;
	unsigned int nr_queues;
	struct xpv_net_queue *queue;
};

static inline bool xpv_net_is_broken(const struct xpv_net_device *dev)
{
	return test_bit(XPV_NET_BROKEN, &dev->flags);
}

/* device.c */
struct xpv_net_device *xpv_net_device_alloc(struct xenbus_device *xbdev);
void xpv_net_device_free(struct xpv_net_device *dev);

/* connect.c */
void xpv_net_backend_changed(struct xenbus_device *xbdev,
			     enum xenbus_state state);

/* store.c */
int xpv_net_read_mac(struct xpv_net_device *dev);
bool xpv_net_read_trusted(struct xpv_net_device *dev);
void xpv_net_read_offer(struct xpv_net_device *dev,
			struct xpv_net_offer *offer);
int xpv_net_publish_keys(struct xpv_net_device *dev);

/* queue.c */
int xpv_net_queues_make(struct xpv_net_device *dev);
void xpv_net_queues_unmake(struct xpv_net_device *dev);
void xpv_net_queues_start(struct xpv_net_device *dev);
void xpv_net_queues_stop(struct xpv_net_device *dev);
int xpv_net_poll(struct napi_struct *napi, int budget);

/* grant.c */
int xpv_net_grants_claim(grant_ref_t *gref, unsigned int nr);
void xpv_net_grants_free(grant_ref_t *gref, unsigned int nr);
void xpv_net_grant_abandon(grant_ref_t *gref, struct page *page);

/* tx.c */
int xpv_net_tx_make(struct xpv_net_queue *q);
void xpv_net_tx_set_live(struct xpv_net_queue *q, bool live);
void xpv_net_tx_unmake(struct xpv_net_queue *q);
netdev_tx_t xpv_net_xmit(struct sk_buff *skb, struct net_device *netdev);
bool xpv_net_tx_poll(struct xpv_net_queue *q, int budget);

/* rx.c */
int xpv_net_rx_make(struct xpv_net_queue *q);
void xpv_net_rx_unmake(struct xpv_net_queue *q);
void xpv_net_rx_refill_timeout(struct timer_list *timer);
int xpv_net_rx_poll(struct xpv_net_queue *q, int budget);
bool xpv_net_rx_more(struct xpv_net_queue *q);

/* recover.c */
void xpv_net_break(struct xpv_net_device *dev, const char *why);
void xpv_net_broken_work(struct work_struct *work);
void xpv_net_announce_work(struct work_struct *work);
int xpv_net_resume(struct xenbus_device *xbdev);
void xpv_net_leave(struct xpv_net_device *dev);

/* ethtool.c */
extern const struct ethtool_ops xpv_net_ethtool_ops;

#endif
