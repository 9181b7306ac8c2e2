// SPDX-License-Identifier: GPL-2.0-only
/*
 * Transmit: an skb becomes requests, one for each page it touches; when the
 * backend has answered them all the skb is freed.
 *
 * Everything here runs under the netdev queue's xmit lock, also the taking of
 * responses: the ring has one owner at a time, and a queue that is stopped for
 * lack of room cannot miss the response that would wake it.
 */
#include <xen/events.h>

#include "netfront.h"

/* Room that the largest packet takes: its pages and a GSO extra. */
#define ROOM_ONE  (XPV_NETIF_MAX_SLOTS + 1)
/* Woken at two packets' room, so that one response does not toggle us. */
#define ROOM_WAKE (2 * ROOM_ONE)

/* What the driver keeps in an skb whose requests are with the backend. */
struct tx_cb {
	u32 slots; /* not answered yet */
	bool error;
};

static struct tx_cb *tx_cb(struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct tx_cb) > sizeof(skb->cb));
	return (struct tx_cb *)skb->cb;
}

static struct netdev_queue *tx_queue(struct xpv_net_queue *q)
{
	return netdev_get_tx_queue(q->dev->netdev, q->index);
}

/* Pages touched by @len bytes at @offset; @offset may exceed one page. */
static unsigned int pages_of(unsigned int offset, unsigned int len)
{
	return len ? PFN_UP(offset_in_page(offset) + len) : 0;
}

static unsigned int count_slots(const struct sk_buff *skb)
{
	const struct skb_shared_info *info = skb_shinfo(skb);
	unsigned int i, slots;

	slots = pages_of(offset_in_page(skb->data), skb_headlen(skb));
	for (i = 0; i < info->nr_frags; i++)
		slots += pages_of(skb_frag_off(&info->frags[i]),
				  skb_frag_size(&info->frags[i]));
	return slots;
}

/*
 * Must the packet be copied to pages of its own? A backend need not accept
 * more than 18 slots, nor any but one without feature-sg, and drops a packet
 * whose first slot does not hold the Ethernet header. One that is not trusted
 * must not see what else lies in the pages of an skb (XSA-403).
 */
static bool needs_bounce(const struct xpv_net_device *dev,
			 const struct sk_buff *skb, unsigned int slots)
{
	unsigned int first = min_t(unsigned int, skb_headlen(skb),
				   PAGE_SIZE - offset_in_page(skb->data));

	return slots > (dev->offer.sg ? XPV_NETIF_MAX_SLOTS : 1) ||
	       first < ETH_HLEN || !dev->trusted;
}

static int copy_to_pages(const struct sk_buff *skb, struct sk_buff *copy)
{
	unsigned int done, len;

	for (done = 0; done < skb->len; done += len) {
		struct page *page = alloc_page(GFP_ATOMIC | __GFP_NOWARN |
					       __GFP_ZERO);

		if (!page)
			return -ENOMEM;
		len = min_t(unsigned int, skb->len - done, PAGE_SIZE);
		skb_add_rx_frag(copy, skb_shinfo(copy)->nr_frags, page, 0, len,
				PAGE_SIZE);
		if (skb_copy_bits(skb, done, page_address(page), len))
			return -EFAULT;
	}
	return 0;
}

/*
 * A copy of @skb in zeroed pages that hold nothing else: 16 of them for the
 * longest packet. Never passed to the stack, so it carries only what the wire
 * needs to know. Consumes @skb if it succeeds.
 */
static struct sk_buff *bounce(struct sk_buff *skb)
{
	struct sk_buff *copy;

	BUILD_BUG_ON(MAX_SKB_FRAGS * PAGE_SIZE < XPV_NETIF_MAX_PACKET);
	copy = alloc_skb(0, GFP_ATOMIC | __GFP_NOWARN);
	if (!copy)
		return NULL;
	if (copy_to_pages(skb, copy)) {
		kfree_skb(copy);
		return NULL;
	}
	copy->dev = skb->dev;
	copy->ip_summed = skb->ip_summed;
	skb_shinfo(copy)->gso_size = skb_shinfo(skb)->gso_size;
	skb_shinfo(copy)->gso_type = skb_shinfo(skb)->gso_type;
	skb_shinfo(copy)->gso_segs = skb_shinfo(skb)->gso_segs;
	skb_tx_timestamp(skb);
	dev_consume_skb_any(skb);
	return copy;
}

static void put_gso(struct xpv_net_tx *tx, const struct sk_buff *skb)
{
	const struct skb_shared_info *info = skb_shinfo(skb);
	struct xpv_netif_extra extra = {
		.type = XPV_EXTRA_GSO,
		.gso.size = info->gso_size,
		.gso.type = info->gso_type & SKB_GSO_TCPV6 ? XPV_GSO_TCPV6 :
							     XPV_GSO_TCPV4,
	};

	memcpy(xpv_front_request(&tx->front), &extra, sizeof(extra));
	tx->extras_owed++;
}

static u16 first_flags(const struct sk_buff *skb)
{
	u16 flags = 0;

	if (skb->ip_summed == CHECKSUM_PARTIAL)
		flags |= XPV_TX_CSUM_BLANK | XPV_TX_DATA_VALIDATED;
	else if (skb->ip_summed == CHECKSUM_UNNECESSARY)
		flags |= XPV_TX_DATA_VALIDATED;
	if (skb_is_gso(skb))
		flags |= XPV_TX_EXTRA;
	return flags;
}

/* A packet on its way to the ring. */
struct tx_fill {
	struct xpv_net_queue *q;
	struct sk_buff *skb;
	unsigned int slots; /* of the packet, extras aside */
	unsigned int done;
};

/* One request: @len bytes at @offset of @page. */
static void put_slot(struct tx_fill *fill, struct page *page,
		     unsigned int offset, unsigned int len)
{
	struct xpv_net_tx *tx = &fill->q->tx;
	bool first = !fill->done++;
	u16 id = tx->idle;
	struct xpv_net_tx_slot *slot = &tx->slot[id];
	struct xpv_netif_tx_request req = {
		.gref = tx->gref[id],
		.offset = offset,
		.id = id,
		/* The first slot states the whole packet's size. */
		.size = first ? fill->skb->len : len,
		.flags = first ? first_flags(fill->skb) : 0,
	};

	if (fill->done < fill->slots)
		req.flags |= XPV_TX_MORE;
	tx->idle = slot->next;
	slot->skb = fill->skb;
	slot->page = page;
	gnttab_grant_foreign_access_ref(req.gref,
					fill->q->dev->xbdev->otherend_id,
					xen_page_to_gfn(page), true);
	memcpy(xpv_front_request(&tx->front), &req, sizeof(req));
	if (req.flags & XPV_TX_EXTRA)
		put_gso(tx, fill->skb);
}

static void put_run(struct tx_fill *fill, struct page *page,
		    unsigned int offset, unsigned int len)
{
	page += offset >> PAGE_SHIFT;
	offset = offset_in_page(offset);
	while (len) {
		unsigned int bytes = min_t(unsigned int, len,
					   PAGE_SIZE - offset);

		put_slot(fill, page++, offset, bytes);
		offset = 0;
		len -= bytes;
	}
}

static void put_packet(struct xpv_net_queue *q, struct sk_buff *skb,
		       unsigned int slots)
{
	const struct skb_shared_info *info = skb_shinfo(skb);
	struct tx_fill fill = {.q = q, .skb = skb, .slots = slots};
	unsigned int i;

	*tx_cb(skb) = (struct tx_cb){.slots = slots};
	if (skb_headlen(skb))
		put_run(&fill, virt_to_page(skb->data),
			offset_in_page(skb->data), skb_headlen(skb));
	for (i = 0; i < info->nr_frags; i++)
		put_run(&fill, skb_frag_page(&info->frags[i]),
			skb_frag_off(&info->frags[i]),
			skb_frag_size(&info->frags[i]));
}

static void push(struct xpv_net_queue *q)
{
	if (xpv_front_push(&q->tx.front))
		notify_remote_via_irq(q->tx.irq);
}

static void count_one(struct xpv_net_tx *tx, u64_stats_t *counter)
{
	u64_stats_update_begin(&tx->stats.sync);
	u64_stats_inc(counter);
	u64_stats_update_end(&tx->stats.sync);
}

/* Bounced if need be, with its number of slots; NULL: no memory for that. */
static struct sk_buff *prepare(struct xpv_net_queue *q, struct sk_buff *skb,
			       unsigned int *slots)
{
	struct sk_buff *copy;

	*slots = count_slots(skb);
	if (likely(!needs_bounce(q->dev, skb, *slots))) {
		skb_tx_timestamp(skb);
		return skb;
	}
	copy = bounce(skb);
	if (!copy)
		return NULL;
	*slots = count_slots(copy);
	count_one(&q->tx, &q->tx.stats.bounced);
	return copy;
}

static bool sendable(const struct xpv_net_queue *q, const struct sk_buff *skb)
{
	return q->tx.live && !xpv_net_is_broken(q->dev) &&
	       skb->len >= ETH_HLEN && skb->len <= XPV_NETIF_MAX_PACKET;
}

netdev_tx_t xpv_net_xmit(struct sk_buff *skb, struct net_device *netdev)
{
	struct xpv_net_device *dev = netdev_priv(netdev);
	struct xpv_net_queue *q = &dev->queue[skb_get_queue_mapping(skb)];
	struct xpv_net_tx *tx = &q->tx;
	struct sk_buff *ready;
	unsigned int slots;

	if (unlikely(!sendable(q, skb)))
		goto drop;
	ready = prepare(q, skb, &slots);
	if (unlikely(!ready))
		goto drop;

	put_packet(q, ready, slots);
	if (xpv_front_room(&tx->front) < ROOM_ONE) {
		netif_tx_stop_queue(tx_queue(q));
		count_one(tx, &tx->stats.stopped);
	}
	if (__netdev_tx_sent_queue(tx_queue(q), ready->len, netdev_xmit_more()))
		push(q);
	return NETDEV_TX_OK;

drop:
	count_one(tx, &tx->stats.dropped);
	dev_kfree_skb_any(skb);
	/* It may have been the last of a batch whose push was put off. */
	if (tx->live && !netdev_xmit_more())
		push(q);
	return NETDEV_TX_OK;
}

/* What a turn of taking responses has finished. */
struct tx_done {
	int budget;
	unsigned int packets;
	unsigned int bytes;
	unsigned int errors;
};

static void slot_answered(struct tx_done *done, struct sk_buff *skb, bool ok)
{
	struct tx_cb *cb = tx_cb(skb);

	cb->error |= !ok;
	if (--cb->slots)
		return;
	done->packets++;
	done->bytes += skb->len;
	done->errors += cb->error;
	napi_consume_skb(skb, done->budget);
}

/* Returns NULL, or what is wrong with the response. */
static const char *take_response(struct xpv_net_tx *tx,
				 const struct xpv_netif_tx_response *rsp,
				 struct tx_done *done)
{
	struct xpv_net_tx_slot *slot;
	struct sk_buff *skb;

	if (rsp->status == XPV_NETIF_NULL) {
		if (!tx->extras_owed)
			return "tx response to an extra that was never sent";
		tx->extras_owed--;
		return NULL;
	}
	if (rsp->id >= XPV_NET_RING_SLOTS)
		return "tx response with an id out of range";
	slot = &tx->slot[rsp->id];
	skb = slot->skb;
	if (!skb)
		return "tx response to an idle id";
	if (!gnttab_end_foreign_access_ref(tx->gref[rsp->id]))
		return "tx response while the page is still in use";
	slot->skb = NULL;
	slot->page = NULL;
	slot->next = tx->idle;
	tx->idle = rsp->id;
	slot_answered(done, skb, rsp->status == XPV_NETIF_OKAY);
	return NULL;
}

static void account(struct xpv_net_queue *q, const struct tx_done *done)
{
	struct xpv_net_tx_stats *stats = &q->tx.stats;

	netdev_tx_completed_queue(tx_queue(q), done->packets, done->bytes);
	u64_stats_update_begin(&stats->sync);
	u64_stats_add(&stats->packets, done->packets - done->errors);
	u64_stats_add(&stats->errors, done->errors);
	u64_stats_add(&stats->bytes, done->bytes);
	u64_stats_update_end(&stats->sync);
}

/* Take what is there. Returns NULL, or how the backend broke the protocol. */
static const char *take_responses(struct xpv_net_queue *q, int budget)
{
	struct tx_done done = {.budget = budget};
	struct xpv_net_tx *tx = &q->tx;
	int pending = xpv_front_pending(&tx->front);
	const char *why = NULL;

	if (pending < 0)
		return "more tx responses than requests";
	if (!pending)
		return NULL;
	q->tx_worked = true;
	while (pending-- && !why) {
		struct xpv_netif_tx_response rsp;

		xpv_front_take(&tx->front, &rsp, sizeof(rsp));
		why = take_response(tx, &rsp, &done);
	}
	account(q, &done);
	if (!why && netif_tx_queue_stopped(tx_queue(q)) &&
	    xpv_front_room(&tx->front) >= ROOM_WAKE)
		netif_tx_wake_queue(tx_queue(q));
	return why;
}

/*
 * NAPI: take responses and ask for an event at the next one. Returns true if
 * there are more already. @budget 0 is netpoll, which may have interrupted a
 * holder of the lock on this CPU: then the holder's own poll will do.
 */
bool xpv_net_tx_poll(struct xpv_net_queue *q, int budget)
{
	struct netdev_queue *txq = tx_queue(q);
	const char *why;
	bool more;

	if (budget)
		__netif_tx_lock(txq, smp_processor_id());
	else if (!__netif_tx_trylock(txq))
		return false;
	why = take_responses(q, budget);
	/* Under the lock: a push moves what pending is checked against. */
	more = !why && xpv_front_final_check(&q->tx.front);
	__netif_tx_unlock(txq);
	if (why)
		xpv_net_break(q->dev, why);
	return more;
}

int xpv_net_tx_make(struct xpv_net_queue *q)
{
	struct xpv_net_tx *tx = &q->tx;
	unsigned int i;
	int err;

	err = xenbus_setup_ring(q->dev->xbdev, GFP_KERNEL, &tx->shared, 1,
				&tx->ring_gref);
	if (err)
		return err;
	err = xpv_net_grants_claim(tx->gref, XPV_NET_RING_SLOTS);
	if (err) {
		xenbus_teardown_ring(&tx->shared, 1, &tx->ring_gref);
		return err;
	}
	xpv_front_init(&tx->front, tx->shared, PAGE_SIZE, XPV_NETIF_TX_SLOT);
	for (i = 0; i < XPV_NET_RING_SLOTS; i++)
		tx->slot[i] = (struct xpv_net_tx_slot){.next = i + 1};
	tx->idle = 0;
	tx->extras_owed = 0;
	return 0;
}

/*
 * Let xmit use the ring, or not. After a stop and a start it may still be
 * full; then the first response wakes the queue.
 */
void xpv_net_tx_set_live(struct xpv_net_queue *q, bool live)
{
	struct netdev_queue *txq = tx_queue(q);

	__netif_tx_lock_bh(txq);
	q->tx.live = live;
	if (live && xpv_front_room(&q->tx.front) >= ROOM_ONE)
		netif_tx_start_queue(txq);
	else
		netif_tx_stop_queue(txq);
	__netif_tx_unlock_bh(txq);
}

static void abandon_packets(struct xpv_net_tx *tx)
{
	unsigned int i;

	for (i = 0; i < XPV_NET_RING_SLOTS; i++) {
		struct sk_buff *skb = tx->slot[i].skb;

		if (!skb)
			continue;
		xpv_net_grant_abandon(&tx->gref[i], tx->slot[i].page);
		tx->slot[i].skb = NULL;
		if (--tx_cb(skb)->slots)
			continue;
		count_one(tx, &tx->stats.dropped);
		dev_kfree_skb_any(skb);
	}
}

/* Not live any more, and nobody takes responses. */
void xpv_net_tx_unmake(struct xpv_net_queue *q)
{
	struct xpv_net_tx *tx = &q->tx;

	if (!tx->shared)
		return;
	__netif_tx_lock_bh(tx_queue(q));
	abandon_packets(tx);
	netdev_tx_reset_queue(tx_queue(q));
	__netif_tx_unlock_bh(tx_queue(q));
	xpv_net_grants_free(tx->gref, XPV_NET_RING_SLOTS);
	xenbus_teardown_ring(&tx->shared, 1, &tx->ring_gref);
	tx->shared = NULL;
}
