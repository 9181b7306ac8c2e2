/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xpv-netfront: what its files share.
 *
 * A device (one vif, one net_device) lives from probe to remove. Its queues
 * live as long; their rings, grants and event channels are made anew for each
 * connection to a backend, for as many queues as both ends want.
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

#include <linux/bpf.h>
#include <linux/completion.h>
#include <linux/etherdevice.h>
#include <linux/interrupt.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/timer.h>
#include <linux/workqueue.h>
#include <xen/grant_table.h>
#include <xen/xenbus.h>

#include "compat.h"
#include "netif.h"
#include "ring.h"
#include "stats.h"
#include "xenbus.h"

#define XPV_NET_DRIVER "xpv-netfront"

/* Slots of a one-page ring; tx and rx happen to have the same number. */
#define XPV_NET_RING_SLOTS 256u
#define XPV_NET_MAX_QUEUES 16u
/* No frame that fits the 16-bit size of a tx request is too long. */
#define XPV_NET_MAX_MTU (XPV_NETIF_MAX_PACKET - ETH_HLEN)
/* Room that the largest packet takes: its pages and a GSO extra. */
#define XPV_NET_TX_ROOM (XPV_NETIF_MAX_SLOTS + 1)

static_assert(PAGE_SIZE == XPV_PAGE_SIZE, "a page is one grant");

struct xpv_net_device;

/* Whose the page is that a tx request grants, and what ends with its answer. */
enum xpv_net_owner {
	XPV_NET_IDLE = 0,
	XPV_NET_SKB,
	XPV_NET_FRAME, /* of XDP: one request each */
	XPV_NET_MCAST, /* no page: the request carries an address */
};

/* A request of ours on the tx ring; its index is the request's id. */
struct xpv_net_tx_slot {
	union {
		struct sk_buff *skb;
		struct xdp_frame *frame;
	};
	struct page *page; /* granted */
	u16 next;	   /* idle: the next idle slot */
	u8 owner;	   /* enum xpv_net_owner */
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
	struct xpv_net_stats stats;
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
	u8 bad;		 /* drop it when complete: the counter to say why */
	u16 flags;	 /* of its first slot */
	u8 gso_type;	 /* enum xpv_netif_gso_type */
	u16 gso_size;
	u16 headroom; /* counted in slots with offset 0 */
	bool has_hash;
	u8 hash_type; /* enum xpv_hash_type */
	u32 hash;
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
	struct xdp_rxq_info xdp;
	struct timer_list refill; /* when pages could not be had */
	struct xpv_net_rx_packet packet;
	/* By XDP in this poll: to be flushed. */
	bool redirected;
	bool sent_back;
	/* Posted pages, or NULL; the index is the request's id and place. */
	struct page *page[XPV_NET_RING_SLOTS];
	grant_ref_t gref[XPV_NET_RING_SLOTS]; /* of the slots, while made */
	struct xpv_net_stats stats;
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
	bool multicast; /* a filter that can be turned on and off */
	bool ctrl_ring;
	bool xdp_headroom;
	unsigned int max_queues;
};

/* The control ring: one request at a time, under RTNL. */
struct xpv_net_ctrl {
	struct xpv_front front;
	void *shared; /* NULL: not made */
	grant_ref_t ring_gref;
	evtchn_port_t port;
	unsigned int irq;
	u16 id;	     /* of the next request */
	bool silent; /* it left a request unanswered */
	/* Cleared by the interrupt. */
	unsigned long awaited;
	struct completion event;
};

/* Of the backend's, which the guest's users choose from. RTNL. */
#define XPV_NET_RSS_KEY	    40u
#define XPV_NET_RSS_ENTRIES 128u
struct xpv_net_rss {
	u8 key[XPV_NET_RSS_KEY];
	u32 queue[XPV_NET_RSS_ENTRIES];
};

/* Addresses that a backend filters by; more, and it must not filter. */
#define XPV_NET_MCAST_MAX 64u
struct xpv_net_mcast {
	struct delayed_work work;
	/* The work's alone. */
	bool filtering; /* the backend was told to */
	unsigned int nr;
	u8 addr[XPV_NET_MCAST_MAX][ETH_ALEN];
	/* Requests on the ring, and whether one failed. */
	atomic_t unanswered;
	atomic_t refused;
};

struct xpv_net_device {
	struct net_device *netdev;
	struct xenbus_device *xbdev;
	/* Changed under RTNL and while no queue is started. */
	struct xpv_net_offer offer;
	bool trusted; /* the backend may see whole pages */

	bool made;	  /* RTNL */
	bool started;	  /* RTNL */
	bool mtu_by_user; /* RTNL: then the store's is not followed */
	bool mtu_by_us;	  /* RTNL: while we set it */
	unsigned long flags;
#define XPV_NET_BROKEN	  0 /* the backend broke the protocol */
#define XPV_NET_RECONNECT 1 /* once closed, open again */
	const char *broken_why; /* set once before broken_work runs */
	struct work_struct broken_work;
	struct delayed_work announce_work;
	struct delayed_work headroom_work;
	struct xenbus_watch mtu_watch;
	struct xenbus_watch carrier_watch; /* otherend's: made anew with it */
	struct bpf_prog __rcu *xdp_prog;   /* RTNL to change */
	struct xpv_net_mcast mcast;
	struct xpv_net_ctrl ctrl;
	struct xpv_net_rss rss;
	unsigned int max_queues;    /* in queue[] */
	unsigned int wanted_queues; /* RTNL: of them, by the next connection */
	unsigned int nr_queues;	    /* RTNL: of this connection */
	struct xpv_net_queue *queue;
};

/* What the driver keeps in an skb whose requests are with the backend. */
struct xpv_net_skb_cb {
	u32 slots; /* not answered yet */
	bool error;
};

static inline struct xpv_net_skb_cb *xpv_net_skb_cb(struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct xpv_net_skb_cb) > sizeof(skb->cb));
	return (struct xpv_net_skb_cb *)skb->cb;
}

static inline bool xpv_net_is_broken(const struct xpv_net_device *dev)
{
	return test_bit(XPV_NET_BROKEN, &dev->flags);
}

static inline struct netdev_queue *xpv_net_txq(const struct xpv_net_queue *q)
{
	return netdev_get_tx_queue(q->dev->netdev, q->index);
}

/* device.c */
struct xpv_net_device *xpv_net_device_alloc(struct xenbus_device *xbdev);
void xpv_net_device_free(struct xpv_net_device *dev);

/* features.c */
void xpv_net_init_features(struct net_device *netdev);
netdev_features_t xpv_net_fix_features(struct net_device *netdev,
				       netdev_features_t features);
int xpv_net_set_features(struct net_device *netdev, netdev_features_t features);
netdev_features_t xpv_net_features_check(struct sk_buff *skb,
					 struct net_device *netdev,
					 netdev_features_t features);

/* link.c */
int xpv_net_change_mtu(struct net_device *netdev, int mtu);
void xpv_net_lower_mtu(struct xpv_net_device *dev);
void xpv_net_follow_mtu(struct xpv_net_device *dev);
void xpv_net_follow_carrier(struct xpv_net_device *dev, enum xpv_state back);
int xpv_net_watch_link(struct xpv_net_device *dev);
void xpv_net_unwatch_link(struct xpv_net_device *dev);
void xpv_net_announce_work(struct work_struct *work);

/* connect.c */
void xpv_net_disconnect(struct xpv_net_device *dev);
void xpv_net_backend_changed(struct xenbus_device *xbdev,
			     enum xenbus_state state);

/* store.c */
int xpv_net_read_mac(struct xpv_net_device *dev);
bool xpv_net_read_trusted(struct xpv_net_device *dev);
unsigned int xpv_net_read_mtu(struct xpv_net_device *dev);
bool xpv_net_read_carrier(struct xpv_net_device *dev);
void xpv_net_read_offer(struct xpv_net_device *dev,
			struct xpv_net_offer *offer);
int xpv_net_write_key(struct xpv_net_device *dev, enum xpv_key key,
		      unsigned int value);

/* publish.c */
int xpv_net_publish_keys(struct xpv_net_device *dev);

/* queue.c */
int xpv_net_queues_make(struct xpv_net_device *dev);
void xpv_net_queues_unmake(struct xpv_net_device *dev);
void xpv_net_queues_start(struct xpv_net_device *dev);
void xpv_net_queues_stop(struct xpv_net_device *dev);
int xpv_net_poll(struct napi_struct *napi, int budget);

/* channel.c */
int xpv_net_bind_channel(struct xpv_net_device *dev, irq_handler_t handler,
			 const char *name, void *data, evtchn_port_t *port,
			 unsigned int *irq);
int xpv_net_bind_channels(struct xpv_net_queue *q);
void xpv_net_unbind_channels(struct xpv_net_queue *q);
void xpv_net_end_interrupts(struct xpv_net_queue *q);

/* grant.c */
int xpv_net_grants_claim(grant_ref_t *gref, unsigned int nr);
void xpv_net_grants_free(grant_ref_t *gref, unsigned int nr);
void xpv_net_grant_abandon(grant_ref_t *gref, struct page *page);

/* tx.c */
int xpv_net_tx_make(struct xpv_net_queue *q);
void xpv_net_tx_set_live(struct xpv_net_queue *q, bool live);
void xpv_net_tx_unmake(struct xpv_net_queue *q);
void xpv_net_tx_put(struct xpv_net_queue *q,
		    const struct xpv_net_tx_slot *what,
		    struct xpv_netif_tx_request *req);
void xpv_net_tx_put_extra(struct xpv_net_queue *q,
			  const struct xpv_netif_extra *extra);
void xpv_net_tx_push(struct xpv_net_queue *q);
void xpv_net_tx_stop_if_full(struct xpv_net_queue *q);
bool xpv_net_tx_poll(struct xpv_net_queue *q, int budget);

/* xmit.c */
void xpv_net_send(struct xpv_net_queue *q, struct sk_buff *skb, bool more);
netdev_tx_t xpv_net_xmit(struct sk_buff *skb, struct net_device *netdev);

/* rx.c */
int xpv_net_rx_make(struct xpv_net_queue *q);
void xpv_net_rx_unmake(struct xpv_net_queue *q);
void xpv_net_rx_refill_timeout(struct timer_list *timer);
struct page *xpv_net_rx_page(struct xpv_net_queue *q);
void xpv_net_rx_drop_pages(struct xpv_net_queue *q,
			   struct xpv_net_rx_packet *pkt);
int xpv_net_rx_poll(struct xpv_net_queue *q, int budget);
bool xpv_net_rx_more(struct xpv_net_queue *q);

/* deliver.c */
void xpv_net_deliver(struct xpv_net_queue *q, struct xpv_net_rx_packet *pkt);

/* xdp.c */
enum xpv_net_xdp {
	XPV_NET_XDP_PASS,    /* the packet goes on */
	XPV_NET_XDP_TAKEN,   /* its pages are gone */
	XPV_NET_XDP_GENERIC, /* too long: ask again with an skb */
};
enum xpv_net_xdp xpv_net_xdp_run(struct xpv_net_queue *q,
				 struct bpf_prog *prog,
				 struct xpv_net_rx_packet *pkt);
void xpv_net_xdp_flush(struct xpv_net_queue *q);
int xpv_net_xdp_xmit(struct net_device *netdev, int n, struct xdp_frame **frame,
		     u32 flags);
int xpv_net_bpf(struct net_device *netdev, struct netdev_bpf *bpf);

/* headroom.c */
unsigned int xpv_net_headroom(struct xpv_net_device *dev);
void xpv_net_ask_headroom(struct xpv_net_device *dev);
void xpv_net_headroom_work(struct work_struct *work);

/* mcast.c */
void xpv_net_mcast_init(struct xpv_net_device *dev);
void xpv_net_mcast_reset(struct xpv_net_device *dev);
void xpv_net_mcast_sync(struct xpv_net_device *dev);
void xpv_net_mcast_answered(struct xpv_net_device *dev, bool ok);
void xpv_net_set_rx_mode(struct net_device *netdev);

/* ctrl.c */
int xpv_net_ctrl_make(struct xpv_net_device *dev);
void xpv_net_ctrl_unmake(struct xpv_net_device *dev);
int xpv_net_ctrl_call(struct xpv_net_device *dev, enum xpv_ctrl_type type,
		      const u32 data[3], u32 *answer);

/* rss.c */
void xpv_net_rss_init(struct xpv_net_device *dev);
int xpv_net_rss_apply(struct xpv_net_device *dev);
int xpv_net_rss_off(struct xpv_net_device *dev);
u32 xpv_net_rss_key_size(struct net_device *netdev);
u32 xpv_net_rss_entries(struct net_device *netdev);
int xpv_net_rss_get(struct xpv_net_device *dev, struct ethtool_rxfh_param *p);
int xpv_net_rss_set(struct xpv_net_device *dev,
		    const struct ethtool_rxfh_param *p);

/* recover.c */
void xpv_net_break(struct xpv_net_device *dev, const char *why);
void xpv_net_broken_work(struct work_struct *work);
int xpv_net_reconnect(struct xpv_net_device *dev);
int xpv_net_resume(struct xenbus_device *xbdev);
void xpv_net_leave(struct xpv_net_device *dev);

/* stats.c */
void xpv_net_get_stats64(struct net_device *netdev,
			 struct rtnl_link_stats64 *sum);
int xpv_net_stats_nr(const struct xpv_net_device *dev);
void xpv_net_stats_names(const struct xpv_net_device *dev, u8 *at);
void xpv_net_stats_values(const struct xpv_net_device *dev, u64 *at);

/* sysfs.c */
extern const struct attribute_group xpv_net_sysfs;

/* ethtool.c */
extern const struct ethtool_ops xpv_net_ethtool_ops;

#endif
