// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receive: pages are posted to the backend, which fills them; its responses,
 * slot by slot, become packets.
 *
 * A response sits where its request was, and an extra info overlays even the
 * id, so the place on the ring names the page; an id must agree with it. The
 * packet is gathered in q->rx.packet and may be spread over polls. Everything
 * runs in NAPI.
 */
#include <xen/events.h>

#include "netfront.h"

/* Bytes that are copied to the head of an skb at most. */
#define HEAD_SIZE 256u
/* When pages cannot be had. */
#define REFILL_RETRY (HZ / 10)

static void drop_page(struct xpv_net_queue *q, struct page *page)
{
	page_pool_put_full_page(q->rx.pool, page, true);
}

static void drop_pages(struct xpv_net_queue *q, struct xpv_net_rx_packet *pkt)
{
	while (pkt->nr_frags)
		drop_page(q, pkt->frag[--pkt->nr_frags].page);
}

static void count_one(struct xpv_net_rx *rx, u64_stats_t *counter)
{
	u64_stats_update_begin(&rx->stats.sync);
	u64_stats_inc(counter);
	u64_stats_update_end(&rx->stats.sync);
}

/* ---- posting ---- */

/*
 * Zeroed, since the backend sees the whole page. A page that comes back to the
 * pool holds only what the backend itself sent, unless the stack has decrypted
 * it in place: a backend that is not trusted gets it zeroed again.
 */
static struct page *new_page(struct xpv_net_queue *q)
{
	struct page *page = page_pool_alloc_pages(q->rx.pool, GFP_ATOMIC |
						  __GFP_NOWARN | __GFP_ZERO);

	if (page && !q->dev->trusted)
		clear_page(page_address(page));
	return page;
}

static void post(struct xpv_net_queue *q, struct page *page)
{
	struct xpv_net_rx *rx = &q->rx;
	u16 id = rx->front.req_prod % XPV_NET_RING_SLOTS;
	struct xpv_netif_rx_request req = {.id = id, .gref = rx->gref[id]};

	rx->page[id] = page;
	gnttab_grant_foreign_access_ref(req.gref, q->dev->xbdev->otherend_id,
					xen_page_to_gfn(page), false);
	memcpy(xpv_front_request(&rx->front), &req, sizeof(req));
}

static void refill(struct xpv_net_queue *q)
{
	struct xpv_net_rx *rx = &q->rx;

	while (xpv_front_room(&rx->front)) {
		struct page *page = new_page(q);

		if (!page) {
			count_one(rx, &rx->stats.refill_retries);
			mod_timer(&rx->refill, jiffies + REFILL_RETRY);
			break;
		}
		post(q, page);
	}
	if (xpv_front_push(&rx->front))
		notify_remote_via_irq(rx->irq);
}

void xpv_net_rx_refill_timeout(struct timer_list *timer)
{
	struct xpv_net_queue *q = container_of(timer, struct xpv_net_queue,
					       rx.refill);

	napi_schedule(&q->napi);
}

/* ---- from packet to skb ---- */

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
			drop_page(q, frag->page);
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
		count_one(&q->rx, &q->rx.stats.gso_fixups);
	/* Finds the headers, checks them, does skb_partial_csum_set(). */
	skb->ip_summed = CHECKSUM_PARTIAL;
	return skb_checksum_setup(skb, !blank);
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
	err = set_gso(skb, pkt);
	if (err)
		return err;
	return set_checksum(q, skb, pkt);
}

/* The packet is complete: to the stack with it, or drop it. */
static void deliver(struct xpv_net_queue *q, struct xpv_net_rx_packet *pkt)
{
	struct xpv_net_rx_stats *stats = &q->rx.stats;
	struct sk_buff *skb;

	if (pkt->bad || pkt->len < ETH_HLEN || !fits_skb(pkt)) {
		drop_pages(q, pkt);
		count_one(&q->rx, &stats->errors);
		return;
	}
	skb = make_skb(q, pkt);
	if (!skb) {
		drop_pages(q, pkt);
		count_one(&q->rx, &stats->dropped);
		return;
	}
	if (finish_skb(q, skb, pkt)) {
		kfree_skb(skb);
		count_one(&q->rx, &stats->errors);
		return;
	}
	u64_stats_update_begin(&stats->sync);
	u64_stats_inc(&stats->packets);
	u64_stats_add(&stats->bytes, pkt->len);
	u64_stats_update_end(&stats->sync);
	napi_gro_receive(&q->napi, skb);
}

/* ---- from slots to packet ---- */

/*
 * Take the next slot's page back. NULL: the backend still has it mapped and
 * might write to it at any time, so it must never be used (XSA-396); it stays
 * posted until the ring is unmade.
 */
static struct page *take_page(struct xpv_net_rx *rx, u16 id)
{
	struct page *page = rx->page[id];

	if (!gnttab_end_foreign_access_ref(rx->gref[id]))
		return NULL;
	rx->page[id] = NULL;
	return page;
}

static void add_extra(struct xpv_net_rx_packet *pkt,
		      const struct xpv_netif_extra *extra)
{
	if (extra->type == XPV_EXTRA_NONE || extra->type >= XPV_EXTRA_TYPES)
		pkt->bad = true;
	if (extra->type == XPV_EXTRA_GSO) {
		if (!extra->gso.size || (extra->gso.type != XPV_GSO_TCPV4 &&
					 extra->gso.type != XPV_GSO_TCPV6))
			pkt->bad = true;
		pkt->gso_size = extra->gso.size;
		pkt->gso_type = extra->gso.type;
	}
	pkt->want_extra = extra->flags & XPV_EXTRA_MORE;
}

/* True: the page is the packet's now. */
static bool add_data(struct xpv_net_rx_packet *pkt,
		     const struct xpv_netif_rx_response *rsp, struct page *page)
{
	if (rsp->status < 0 || rsp->offset + rsp->status > XPV_PAGE_SIZE ||
	    pkt->len + rsp->status > XPV_NETIF_MAX_PACKET)
		pkt->bad = true;
	if (pkt->bad || !rsp->status)
		return false;
	if (pkt->nr_frags == ARRAY_SIZE(pkt->frag)) {
		pkt->bad = true;
		return false;
	}
	pkt->len += rsp->status;
	pkt->frag[pkt->nr_frags++] = (struct xpv_net_rx_frag){
		.page = page,
		.offset = rsp->offset,
		.len = rsp->status,
	};
	return true;
}

/* The next slot holds an extra info; its page came back unused. */
static void take_extra(struct xpv_net_queue *q, const void *slot,
		       struct page *page)
{
	struct xpv_netif_extra extra;

	memcpy(&extra, slot, sizeof(extra));
	add_extra(&q->rx.packet, &extra);
	drop_page(q, page);
}

/* The next slot holds data; extras can only follow the first of a packet. */
static void take_data(struct xpv_net_queue *q,
		      const struct xpv_netif_rx_response *rsp,
		      struct page *page)
{
	struct xpv_net_rx_packet *pkt = &q->rx.packet;

	if (!pkt->open) {
		memset(pkt, 0, offsetof(struct xpv_net_rx_packet, frag));
		pkt->flags = rsp->flags;
		pkt->want_extra = rsp->flags & XPV_RX_EXTRA;
	}
	pkt->more = rsp->flags & XPV_RX_MORE;
	if (!add_data(pkt, rsp, page))
		drop_page(q, page);
}

/*
 * Take one response. Returns NULL, or how the backend broke the protocol. *done
 * counts the packets that it completed.
 */
static const char *take_response(struct xpv_net_queue *q, int *done)
{
	struct xpv_net_rx *rx = &q->rx;
	struct xpv_net_rx_packet *pkt = &rx->packet;
	u16 id = rx->front.rsp_cons % XPV_NET_RING_SLOTS;
	struct xpv_netif_rx_response rsp;
	struct page *page;

	xpv_front_take(&rx->front, &rsp, sizeof(rsp));
	if (!pkt->want_extra && rsp.id != id)
		return "rx response with another request's id";
	page = take_page(rx, id);
	if (!page)
		return "rx response while the page is still in use";
	if (pkt->want_extra)
		take_extra(q, &rsp, page);
	else
		take_data(q, &rsp, page);
	pkt->open = pkt->more || pkt->want_extra;
	if (!pkt->open) {
		deliver(q, pkt);
		(*done)++;
	}
	return NULL;
}

/* NAPI: up to @budget packets; then post new pages. Returns their number. */
int xpv_net_rx_poll(struct xpv_net_queue *q, int budget)
{
	int pending = xpv_front_pending(&q->rx.front);
	const char *why = NULL;
	int done = 0;

	if (pending < 0)
		why = "more rx responses than requests";
	else if (pending)
		q->rx_worked = true;
	while (!why && pending-- > 0 && done < budget)
		why = take_response(q, &done);
	if (why)
		xpv_net_break(q->dev, why);
	else
		refill(q);
	return done;
}

/* Before sleep: ask for an event; true if there is more already. */
bool xpv_net_rx_more(struct xpv_net_queue *q)
{
	return xpv_front_final_check(&q->rx.front);
}

/* ---- life of the ring ---- */

static struct page_pool *make_pool(struct xpv_net_queue *q)
{
	/* Grants need no DMA mapping: the pool only recycles. */
	struct page_pool_params params = {
		.pool_size = XPV_NET_RING_SLOTS,
		.nid = NUMA_NO_NODE,
	};

	return page_pool_create(&params);
}

int xpv_net_rx_make(struct xpv_net_queue *q)
{
	struct xpv_net_rx *rx = &q->rx;
	int err;

	err = xenbus_setup_ring(q->dev->xbdev, GFP_KERNEL, &rx->shared, 1,
				&rx->ring_gref);
	if (err)
		return err;
	err = xpv_net_grants_claim(rx->gref, XPV_NET_RING_SLOTS);
	if (err)
		goto fail_ring;
	rx->pool = make_pool(q);
	if (IS_ERR(rx->pool)) {
		err = PTR_ERR(rx->pool);
		goto fail_grants;
	}
	xpv_front_init(&rx->front, rx->shared, PAGE_SIZE, XPV_NETIF_RX_SLOT);
	memset(&rx->packet, 0, sizeof(rx->packet));
	return 0;

fail_grants:
	xpv_net_grants_free(rx->gref, XPV_NET_RING_SLOTS);
fail_ring:
	xenbus_teardown_ring(&rx->shared, 1, &rx->ring_gref);
	return err;
}

/* NAPI is off. */
void xpv_net_rx_unmake(struct xpv_net_queue *q)
{
	struct xpv_net_rx *rx = &q->rx;
	unsigned int i;

	if (!rx->shared)
		return;
	while (rx->packet.nr_frags) {
		i = --rx->packet.nr_frags;
		page_pool_put_full_page(rx->pool, rx->packet.frag[i].page,
					false);
	}
	for (i = 0; i < XPV_NET_RING_SLOTS; i++) {
		if (!rx->page[i])
			continue;
		xpv_net_grant_abandon(&rx->gref[i], rx->page[i]);
		page_pool_put_full_page(rx->pool, rx->page[i], false);
		rx->page[i] = NULL;
	}
	xpv_net_grants_free(rx->gref, XPV_NET_RING_SLOTS);
	page_pool_destroy(rx->pool);
	xenbus_teardown_ring(&rx->shared, 1, &rx->ring_gref);
	rx->shared = NULL;
}
