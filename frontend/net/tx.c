// SPDX-License-Identifier: GPL-2.0-only
/*
 * The transmit ring: requests go in with what they stand for, and that is
 * finished when the backend answers.
 *
 * Everything here runs under the netdev queue's xmit lock, also the taking of
 * responses: the ring has one owner at a time, and a queue that is stopped for
 * lack of room cannot miss the response that would wake it.
 */
#include <net/xdp.h>
#include <xen/events.h>

#include "netfront.h"

/* Woken at two packets' room, so that one response does not toggle us. */
#define ROOM_WAKE (2 * XPV_NET_TX_ROOM)

/* ---- requests ---- */

/*
 * One request, which stands for @what: its page is granted, and nothing of
 * that may go away before the answer. Needs room.
 */
void xpv_net_tx_put(struct xpv_net_queue *q,
		    const struct xpv_net_tx_slot *what,
		    struct xpv_netif_tx_request *req)
{
	struct xpv_net_tx *tx = &q->tx;
	u16 id = tx->idle;
	struct xpv_net_tx_slot *slot = &tx->slot[id];

	tx->idle = slot->next;
	*slot = *what;
	req->id = id;
	req->gref = tx->gref[id];
	if (slot->page)
		gnttab_grant_foreign_access_ref(req->gref,
						q->dev->xbdev->otherend_id,
						xen_page_to_gfn(slot->page),
						true);
	memcpy(xpv_front_request(&tx->front), req, sizeof(*req));
}

/* An extra info takes a slot of the ring, and its answer has no id. */
void xpv_net_tx_put_extra(struct xpv_net_queue *q,
			  const struct xpv_netif_extra *extra)
{
	memcpy(xpv_front_request(&q->tx.front), extra, sizeof(*extra));
	q->tx.extras_owed++;
}

void xpv_net_tx_push(struct xpv_net_queue *q)
{
	if (xpv_front_push(&q->tx.front))
		notify_remote_via_irq(q->tx.irq);
}

/* The stack must always find room for one packet more. */
void xpv_net_tx_stop_if_full(struct xpv_net_queue *q)
{
	struct netdev_queue *txq = xpv_net_txq(q);

	if (xpv_front_room(&q->tx.front) >= XPV_NET_TX_ROOM ||
	    netif_tx_queue_stopped(txq))
		return;
	netif_tx_stop_queue(txq);
	xpv_net_count(&q->tx.stats, XPV_NET_TX_STOPPED, 1);
}

/* ---- responses ---- */

/* What a turn of taking responses has finished. */
struct tx_done {
	int budget;
	unsigned int packets; /* that the stack counts on */
	unsigned int bytes;
	unsigned int frames; /* of XDP */
	unsigned int frame_bytes;
	unsigned int errors;
};

static void skb_answered(struct tx_done *done, struct sk_buff *skb, bool ok)
{
	struct xpv_net_skb_cb *cb = xpv_net_skb_cb(skb);

	cb->error |= !ok;
	if (--cb->slots)
		return;
	done->packets++;
	done->bytes += skb->len;
	done->errors += cb->error;
	napi_consume_skb(skb, done->budget);
}

static void frame_answered(struct tx_done *done, struct xdp_frame *frame,
			   bool ok)
{
	done->frames++;
	done->frame_bytes += frame->len;
	done->errors += !ok;
	xdp_return_frame(frame);
}

static void slot_answered(struct xpv_net_queue *q, struct tx_done *done,
			  const struct xpv_net_tx_slot *slot, bool ok)
{
	switch (slot->owner) {
	case XPV_NET_SKB:
		skb_answered(done, slot->skb, ok);
		break;
	case XPV_NET_FRAME:
		frame_answered(done, slot->frame, ok);
		break;
	case XPV_NET_MCAST:
		xpv_net_mcast_answered(q->dev, ok);
		break;
	}
}

/* Returns NULL, or what is wrong with the response. */
static const char *take_response(struct xpv_net_queue *q,
				 const struct xpv_netif_tx_response *rsp,
				 struct tx_done *done)
{
	struct xpv_net_tx *tx = &q->tx;
	struct xpv_net_tx_slot *slot, was;

	if (rsp->status == XPV_NETIF_NULL) {
		if (!tx->extras_owed)
			return "tx response to an extra that was never sent";
		tx->extras_owed--;
		return NULL;
	}
	if (rsp->id >= XPV_NET_RING_SLOTS)
		return "tx response with an id out of range";
	slot = &tx->slot[rsp->id];
	if (slot->owner == XPV_NET_IDLE)
		return "tx response to an idle id";
	if (slot->page && !gnttab_end_foreign_access_ref(tx->gref[rsp->id]))
		return "tx response while the page is still in use";
	was = *slot;
	*slot = (struct xpv_net_tx_slot){.next = tx->idle};
	tx->idle = rsp->id;
	slot_answered(q, done, &was, rsp->status == XPV_NETIF_OKAY);
	return NULL;
}

static void account(struct xpv_net_queue *q, const struct tx_done *done)
{
	struct xpv_net_stats *stats = &q->tx.stats;

	netdev_tx_completed_queue(xpv_net_txq(q), done->packets, done->bytes);
	xpv_net_count(stats, XPV_NET_TX_PACKETS,
		      done->packets + done->frames - done->errors);
	xpv_net_count(stats, XPV_NET_TX_BYTES, done->bytes + done->frame_bytes);
	xpv_net_count(stats, XPV_NET_TX_ERRORS, done->errors);
	xpv_net_count(stats, XPV_NET_TX_XDP, done->frames);
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
		why = take_response(q, &rsp, &done);
	}
	account(q, &done);
	if (!why && netif_tx_queue_stopped(xpv_net_txq(q)) &&
	    xpv_front_room(&tx->front) >= ROOM_WAKE)
		netif_tx_wake_queue(xpv_net_txq(q));
	return why;
}

/*
 * NAPI: take responses and ask for an event at the next one. Returns true if
 * there are more already. @budget 0 is netpoll, which may have interrupted a
 * holder of the lock on this CPU: then the holder's own poll will do.
 */
bool xpv_net_tx_poll(struct xpv_net_queue *q, int budget)
{
	struct netdev_queue *txq = xpv_net_txq(q);
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

/* ---- life of the ring ---- */

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
	struct netdev_queue *txq = xpv_net_txq(q);

	__netif_tx_lock_bh(txq);
	q->tx.live = live;
	if (live && xpv_front_room(&q->tx.front) >= XPV_NET_TX_ROOM)
		netif_tx_start_queue(txq);
	else
		netif_tx_stop_queue(txq);
	__netif_tx_unlock_bh(txq);
}

static void abandon(struct xpv_net_queue *q, struct xpv_net_tx_slot *slot)
{
	struct xpv_net_stats *stats = &q->tx.stats;

	switch (slot->owner) {
	case XPV_NET_SKB:
		if (--xpv_net_skb_cb(slot->skb)->slots)
			break;
		dev_kfree_skb_any(slot->skb);
		xpv_net_count(stats, XPV_NET_TX_DROP_UNANSWERED, 1);
		break;
	case XPV_NET_FRAME:
		xdp_return_frame(slot->frame);
		xpv_net_count(stats, XPV_NET_TX_DROP_UNANSWERED, 1);
		break;
	}
	*slot = (struct xpv_net_tx_slot){};
}

/* Not live any more, and nobody takes responses. */
void xpv_net_tx_unmake(struct xpv_net_queue *q)
{
	struct xpv_net_tx *tx = &q->tx;
	unsigned int i;

	if (!tx->shared)
		return;
	__netif_tx_lock_bh(xpv_net_txq(q));
	for (i = 0; i < XPV_NET_RING_SLOTS; i++) {
		if (tx->slot[i].page)
			xpv_net_grant_abandon(&tx->gref[i], tx->slot[i].page);
		abandon(q, &tx->slot[i]);
	}
	netdev_tx_reset_queue(xpv_net_txq(q));
	__netif_tx_unlock_bh(xpv_net_txq(q));
	xpv_net_grants_free(tx->gref, XPV_NET_RING_SLOTS);
	xenbus_teardown_ring(&tx->shared, 1, &tx->ring_gref);
	tx->shared = NULL;
}
