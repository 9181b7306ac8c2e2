// SPDX-License-Identifier: GPL-2.0-only
/*
 * From an skb to requests: one for each page that it touches, in place or, if
 * the backend could not take or must not see these, in a copy.
 */
#include "netfront.h"

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

static void put_gso(struct xpv_net_queue *q, const struct sk_buff *skb)
{
	const struct skb_shared_info *info = skb_shinfo(skb);
	const struct xpv_netif_extra extra = {
		.type = XPV_EXTRA_GSO,
		.gso.size = info->gso_size,
		.gso.type = info->gso_type & SKB_GSO_TCPV6 ? XPV_GSO_TCPV6 :
							     XPV_GSO_TCPV4,
	};

	xpv_net_tx_put_extra(q, &extra);
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
struct fill {
	struct xpv_net_queue *q;
	struct sk_buff *skb;
	unsigned int slots; /* of the packet, extras aside */
	unsigned int done;
};

/* One request: @len bytes at @offset of @page. */
static void put_slot(struct fill *fill, struct page *page, unsigned int offset,
		     unsigned int len)
{
	const struct xpv_net_tx_slot what = {
		.owner = XPV_NET_SKB,
		.skb = fill->skb,
		.page = page,
	};
	bool first = !fill->done++;
	struct xpv_netif_tx_request req = {
		.offset = offset,
		/* The first slot states the whole packet's size. */
		.size = first ? fill->skb->len : len,
		.flags = first ? first_flags(fill->skb) : 0,
	};

	if (fill->done < fill->slots)
		req.flags |= XPV_TX_MORE;
	xpv_net_tx_put(fill->q, &what, &req);
	if (req.flags & XPV_TX_EXTRA)
		put_gso(fill->q, fill->skb);
}

static void put_run(struct fill *fill, struct page *page, unsigned int offset,
		    unsigned int len)
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
	struct fill fill = {.q = q, .skb = skb, .slots = slots};
	unsigned int i;

	*xpv_net_skb_cb(skb) = (struct xpv_net_skb_cb){.slots = slots};
	if (skb_headlen(skb))
		put_run(&fill, virt_to_page(skb->data),
			offset_in_page(skb->data), skb_headlen(skb));
	for (i = 0; i < info->nr_frags; i++)
		put_run(&fill, skb_frag_page(&info->frags[i]),
			skb_frag_off(&info->frags[i]),
			skb_frag_size(&info->frags[i]));
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
	xpv_net_count(&q->tx.stats, XPV_NET_TX_BOUNCED, 1);
	return copy;
}

static void drop(struct xpv_net_queue *q, struct sk_buff *skb,
		 unsigned int reason, bool more)
{
	xpv_net_count(&q->tx.stats, reason, 1);
	dev_kfree_skb_any(skb);
	/* It may have been the last of a batch whose push was put off. */
	if (q->tx.live && !more)
		xpv_net_tx_push(q);
}

/* Under the xmit lock, with room; @more: others will follow at once. */
void xpv_net_send(struct xpv_net_queue *q, struct sk_buff *skb, bool more)
{
	struct sk_buff *ready;
	unsigned int slots;

	if (unlikely(!q->tx.live || xpv_net_is_broken(q->dev)))
		return drop(q, skb, XPV_NET_TX_DROP_OFFLINE, more);
	if (unlikely(skb->len < ETH_HLEN || skb->len > XPV_NETIF_MAX_PACKET))
		return drop(q, skb, XPV_NET_TX_DROP_SIZE, more);
	ready = prepare(q, skb, &slots);
	if (unlikely(!ready))
		return drop(q, skb, XPV_NET_TX_DROP_MEMORY, more);
	put_packet(q, ready, slots);
	xpv_net_tx_stop_if_full(q);
	if (__netdev_tx_sent_queue(xpv_net_txq(q), ready->len, more))
		xpv_net_tx_push(q);
}

netdev_tx_t xpv_net_xmit(struct sk_buff *skb, struct net_device *netdev)
{
	struct xpv_net_device *dev = netdev_priv(netdev);

	xpv_net_send(&dev->queue[skb_get_queue_mapping(skb)], skb,
		     netdev_xmit_more());
	return NETDEV_TX_OK;
}
