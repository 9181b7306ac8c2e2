// SPDX-License-Identifier: GPL-2.0-only
/* A packet that is complete goes through XDP and becomes an skb. */
#include "netfront.h"

/* Bytes that are copied to the head of an skb at most. */
#define HEAD_SIZE 256u

/*
 * How much of the first fragment goes to the head: all of it if it is short,
 * which frees the page at once; else its headers, so that the payload stays
 * whole in pages and GRO can chain them.
 */
static unsigned int head_len(struct xpv_net_queue *q,
			     const struct xpv_net_rx_frag *frag,
			     const void *data)
{
	if (frag->len <= HEAD_SIZE)
		return frag->len;
	return eth_get_headlen(q->dev->netdev, data, HEAD_SIZE);
}

/* The packet's bytes as an skb; its pages then belong to the skb. */
static struct sk_buff *make_skb(struct xpv_net_queue *q,
				struct xpv_net_rx_packet *pkt)
{
	struct xpv_net_rx_frag *frag = &pkt->frag[0];
	void *data = page_address(frag->page) + frag->offset;
	struct sk_buff *skb = napi_alloc_skb(&q->napi, HEAD_SIZE);
	unsigned int i, head;

	if (!skb)
		return NULL;
	head = head_len(q, frag, data);
	skb_put_data(skb, data, head);
	frag->offset += head;
	frag->len -= head;
	skb_mark_for_recycle(skb);
	for (i = 0; i < pkt->nr_frags; i++, frag++) {
		if (frag->len)
			skb_add_rx_frag(skb, skb_shinfo(skb)->nr_frags,
					frag->page, frag->offset, frag->len,
					PAGE_SIZE);
		else
			page_pool_put_full_page(q->rx.pool, frag->page, true);
	}
	pkt->nr_frags = 0;
	return skb;
}

/*
 * One fragment more than an skb holds is fine if the first is short enough to
 * go to the head whole, as that of a packet of 18 slots mostly is.
 */
static bool fits_skb(const struct xpv_net_rx_packet *pkt)
{
	return pkt->nr_frags <= MAX_SKB_FRAGS || pkt->frag[0].len <= HEAD_SIZE;
}

static int set_gso(struct sk_buff *skb, const struct xpv_net_rx_packet *pkt)
{
	bool v6 = pkt->gso_type == XPV_GSO_TCPV6;

	if (!pkt->gso_size)
		return 0;
	/* A type that disagrees with the header would confuse segmentation. */
	if (skb->protocol != (v6 ? htons(ETH_P_IPV6) : htons(ETH_P_IP)))
		return -EPROTO;
	skb_shinfo(skb)->gso_size = pkt->gso_size;
	/* DODGY: the stack checks the headers before it relies on them. */
	skb_shinfo(skb)->gso_type = (v6 ? SKB_GSO_TCPV6 : SKB_GSO_TCPV4) |
				    SKB_GSO_DODGY;
	return 0;
}

/*
 * Segmentation needs the pseudo-header checksum in place. Some backends send
 * GSO packets with a full checksum: such a one is treated as blank and its
 * checksum field made what it should have been.
 */
static int set_checksum(struct xpv_net_queue *q, struct sk_buff *skb,
			const struct xpv_net_rx_packet *pkt)
{
	bool blank = pkt->flags & XPV_RX_CSUM_BLANK;

	if (!blank && !skb_is_gso(skb)) {
		if (pkt->flags & XPV_RX_DATA_VALIDATED)
			skb->ip_summed = CHECKSUM_UNNECESSARY;
		return 0;
	}
	if (!blank)
		xpv_net_count(&q->rx.stats, XPV_NET_RX_GSO_FIXUPS, 1);
	skb->ip_summed = CHECKSUM_PARTIAL;
	return skb_checksum_setup(skb, !blank);
}

static void set_hash(struct xpv_net_queue *q, struct sk_buff *skb,
		     const struct xpv_net_rx_packet *pkt)
{
	bool tcp = pkt->hash_type == XPV_HASH_IPV4_TCP ||
		   pkt->hash_type == XPV_HASH_IPV6_TCP;

	if (pkt->has_hash && q->dev->netdev->features & NETIF_F_RXHASH)
		skb_set_hash(skb, pkt->hash,
			     tcp ? PKT_HASH_TYPE_L4 : PKT_HASH_TYPE_L3);
}

static int finish_skb(struct xpv_net_queue *q, struct sk_buff *skb,
		      const struct xpv_net_rx_packet *pkt)
{
	int err;

	/* A backend may spread even the Ethernet header over slots. */
	if (!pskb_may_pull(skb, ETH_HLEN))
		return -EPROTO;
	skb->protocol = eth_type_trans(skb, q->dev->netdev);
	skb_reset_network_header(skb);
	skb_record_rx_queue(skb, q->index);
	set_hash(q, skb, pkt);
	err = set_gso(skb, pkt);
	if (err)
		return err;
	return set_checksum(q, skb, pkt);
}

static void drop_packet(struct xpv_net_queue *q, struct xpv_net_rx_packet *pkt,
			unsigned int reason)
{
	xpv_net_rx_drop_pages(q, pkt);
	xpv_net_count(&q->rx.stats, reason, 1);
}

static void receive(struct xpv_net_queue *q, struct xpv_net_rx_packet *pkt,
		    struct bpf_prog *generic)
{
	struct sk_buff *skb;

	if (!fits_skb(pkt))
		return drop_packet(q, pkt, XPV_NET_RX_ERR_FRAGS);
	skb = make_skb(q, pkt);
	if (!skb)
		return drop_packet(q, pkt, XPV_NET_RX_DROP_MEMORY);
	if (finish_skb(q, skb, pkt)) {
		kfree_skb(skb);
		return drop_packet(q, pkt, XPV_NET_RX_ERR_HEADER);
	}
	if (generic && xpv_xdp_generic_takes(generic, &skb))
		return;
	napi_gro_receive(&q->napi, skb);
}

/*
 * Complete: to the stack with it, or drop it. XDP counts as received, whatever
 * a program makes of it.
 */
void xpv_net_deliver(struct xpv_net_queue *q, struct xpv_net_rx_packet *pkt)
{
	struct bpf_prog *prog = rcu_dereference_bh(q->dev->xdp_prog);
	struct xpv_net_stats *stats = &q->rx.stats;
	enum xpv_net_xdp verdict = XPV_NET_XDP_PASS;

	if (!pkt->bad && pkt->len < ETH_HLEN)
		pkt->bad = XPV_NET_RX_ERR_SIZE;
	if (pkt->bad)
		return drop_packet(q, pkt, pkt->bad);
	xpv_net_count(stats, XPV_NET_RX_PACKETS, 1);
	xpv_net_count(stats, XPV_NET_RX_BYTES, pkt->len);
	if (prog)
		verdict = xpv_net_xdp_run(q, prog, pkt);
	if (verdict != XPV_NET_XDP_TAKEN)
		receive(q, pkt,
			verdict == XPV_NET_XDP_GENERIC ? prog : NULL);
}
