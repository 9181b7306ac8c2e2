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

/* When pages cannot be had. */
#define REFILL_RETRY (HZ / 10)

static void drop_page(struct xpv_net_queue *q, struct page *page)
{
	page_pool_put_full_page(q->rx.pool, page, true);
}

void xpv_net_rx_drop_pages(struct xpv_net_queue *q,
			   struct xpv_net_rx_packet *pkt)
{
	while (pkt->nr_frags)
		drop_page(q, pkt->frag[--pkt->nr_frags].page);
}

/* ---- posting ---- */

/*
 * Zeroed, since the backend sees the whole page. A page that comes back to the
 * pool holds only what the backend itself sent, unless the stack has decrypted
 * it in place: a backend that is not trusted gets it zeroed again.
 */
struct page *xpv_net_rx_page(struct xpv_net_queue *q)
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
		struct page *page = xpv_net_rx_page(q);

		if (!page) {
			xpv_net_count(&rx->stats, XPV_NET_RX_REFILL_RETRIES, 1);
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

static void add_gso(struct xpv_net_rx_packet *pkt,
		    const struct xpv_netif_extra *extra)
{
	if (!extra->gso.size || (extra->gso.type != XPV_GSO_TCPV4 &&
				 extra->gso.type != XPV_GSO_TCPV6))
		pkt->bad = XPV_NET_RX_ERR_EXTRA;
	pkt->gso_size = extra->gso.size;
	pkt->gso_type = extra->gso.type;
}

/*
 * Room for XDP before the bytes of each slot. Backends that count the room as
 * received bytes (xen-netback: offset 0, and the status has both) are told from
 * those that state it as the offset.
 */
static void add_headroom(struct xpv_net_rx_packet *pkt, u16 headroom)
{
	struct xpv_net_rx_frag *first = &pkt->frag[0];

	pkt->headroom = headroom;
	if (!pkt->nr_frags || first->offset)
		return;
	if (first->len <= headroom) {
		pkt->bad = XPV_NET_RX_ERR_EXTRA;
		return;
	}
	first->offset = headroom;
	first->len -= headroom;
	pkt->len -= headroom;
}

static void add_extra(struct xpv_net_rx_packet *pkt,
		      const struct xpv_netif_extra *extra)
{
	switch (extra->type) {
	case XPV_EXTRA_GSO:
		add_gso(pkt, extra);
		break;
	case XPV_EXTRA_HASH:
		pkt->has_hash = true;
		pkt->hash_type = extra->hash.type;
		memcpy(&pkt->hash, extra->hash.value, sizeof(pkt->hash));
		break;
	case XPV_EXTRA_XDP:
		add_headroom(pkt, extra->xdp.headroom);
		break;
	default:
		pkt->bad = XPV_NET_RX_ERR_EXTRA;
	}
	pkt->want_extra = extra->flags & XPV_EXTRA_MORE;
}

/* 0, or the counter of what is wrong with this slot of @pkt. */
static u8 check_data(const struct xpv_net_rx_packet *pkt,
		     const struct xpv_netif_rx_response *rsp, int skip)
{
	if (rsp->status < 0)
		return XPV_NET_RX_ERR_STATUS;
	if (rsp->status < skip || rsp->offset + rsp->status > XPV_PAGE_SIZE ||
	    pkt->len + rsp->status - skip > XPV_NETIF_MAX_PACKET)
		return XPV_NET_RX_ERR_SIZE;
	if (rsp->status && pkt->nr_frags == ARRAY_SIZE(pkt->frag))
		return XPV_NET_RX_ERR_FRAGS;
	return 0;
}

/* True: the page is the packet's now. */
static bool add_data(struct xpv_net_rx_packet *pkt,
		     const struct xpv_netif_rx_response *rsp, struct page *page)
{
	int skip = rsp->offset ? 0 : pkt->headroom;

	static_assert(!XPV_NET_RX_PACKETS, "0 is no error");
	if (!pkt->bad)
		pkt->bad = check_data(pkt, rsp, skip);
	if (pkt->bad || rsp->status == skip)
		return false;
	pkt->len += rsp->status - skip;
	pkt->frag[pkt->nr_frags++] = (struct xpv_net_rx_frag){
		.page = page,
		.offset = rsp->offset + skip,
		.len = rsp->status - skip,
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
		xpv_net_deliver(q, pkt);
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
	xpv_net_xdp_flush(q);
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

static int make_pool(struct xpv_net_queue *q)
{
	/* Grants need no DMA mapping: the pool only recycles. */
	struct page_pool_params params = {
		.pool_size = XPV_NET_RING_SLOTS,
		.nid = NUMA_NO_NODE,
	};
	struct xpv_net_rx *rx = &q->rx;
	int err;

	xpv_pool_set_napi(&params, &q->napi);
	rx->pool = page_pool_create(&params);
	if (IS_ERR(rx->pool))
		return PTR_ERR(rx->pool);
	err = xdp_rxq_info_reg(&rx->xdp, q->dev->netdev, q->index,
			       q->napi.napi_id);
	if (err)
		goto fail_pool;
	err = xdp_rxq_info_reg_mem_model(&rx->xdp, MEM_TYPE_PAGE_POOL,
					 rx->pool);
	if (!err)
		return 0;
	xdp_rxq_info_unreg(&rx->xdp);
fail_pool:
	page_pool_destroy(rx->pool);
	return err;
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
	err = make_pool(q);
	if (err)
		goto fail_grants;
	xpv_front_init(&rx->front, rx->shared, PAGE_SIZE, XPV_NETIF_RX_SLOT);
	memset(&rx->packet, 0, sizeof(rx->packet));
	return 0;

fail_grants:
	xpv_net_grants_free(rx->gref, XPV_NET_RING_SLOTS);
fail_ring:
	xenbus_teardown_ring(&rx->shared, 1, &rx->ring_gref);
	rx->shared = NULL;
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
	/* Which lets go of the pool once more. */
	xdp_rxq_info_unreg(&rx->xdp);
	page_pool_destroy(rx->pool);
	xenbus_teardown_ring(&rx->shared, 1, &rx->ring_gref);
	rx->shared = NULL;
}
