// SPDX-License-Identifier: GPL-2.0-only
#include "usernet.h"

#include <errno.h>
#include <stdlib.h>

static void *share(struct usernet *u, unsigned int n, bool writable,
		   uint32_t *grefs)
{
	return u->hyper->ops->share(u->hyper, u->backend, n, writable, grefs);
}

static int unshare(struct usernet *u, void *mem, unsigned int n)
{
	return mem ? u->hyper->ops->unshare(u->hyper, mem, n) : 0;
}

static int share_all(struct usernet *u)
{
	u->tx_ring = share(u, 1, true, &u->tx_gref);
	u->rx_ring = share(u, 1, true, &u->rx_gref);
	u->tx_pages = share(u, USERNET_SLOTS, false, u->tx_page_gref);
	u->rx_pages = share(u, USERNET_SLOTS, true, u->rx_page_gref);
	if (!u->tx_ring || !u->rx_ring || !u->tx_pages || !u->rx_pages)
		return -errno;
	xpv_front_init(&u->tx, u->tx_ring, XPV_PAGE_SIZE, XPV_NETIF_TX_SLOT);
	xpv_front_init(&u->rx, u->rx_ring, XPV_PAGE_SIZE, XPV_NETIF_RX_SLOT);
	while (u->nr_tx_free < USERNET_SLOTS) {
		u->tx_free[u->nr_tx_free] =
			(uint16_t)(USERNET_SLOTS - 1 - u->nr_tx_free);
		u->nr_tx_free++;
	}
	return 0;
}

static int offer_ports(struct usernet *u, bool split)
{
	int port = u->hyper->ops->evtchn_alloc(u->hyper, u->backend);

	if (port < 0)
		return port;
	u->tx_port = (uint32_t)port;
	u->rx_port = u->tx_port;
	if (!split)
		return 0;
	port = u->hyper->ops->evtchn_alloc(u->hyper, u->backend);
	if (port < 0)
		return port;
	u->rx_port = (uint32_t)port;
	return 0;
}

struct usernet *usernet_new(struct hyper *h, uint16_t backend, bool split)
{
	struct usernet *u = calloc(1, sizeof(*u));
	int err;

	if (!u)
		return NULL;
	u->hyper = h;
	u->backend = backend;
	err = share_all(u);
	if (!err)
		err = offer_ports(u, split);
	if (err) {
		usernet_free(u);
		errno = -err;
		return NULL;
	}
	return u;
}

int usernet_add_ctrl(struct usernet *u)
{
	int port = u->hyper->ops->evtchn_alloc(u->hyper, u->backend);

	if (port < 0)
		return port;
	u->ctrl_port = (uint32_t)port;
	u->ctrl_ring = share(u, 1, true, &u->ctrl_gref);
	u->ctrl_page = share(u, 1, false, &u->ctrl_page_gref);
	if (!u->ctrl_ring || !u->ctrl_page)
		return -errno;
	xpv_front_init(&u->ctrl, u->ctrl_ring, XPV_PAGE_SIZE,
		       XPV_NETIF_CTRL_SLOT);
	return 0;
}

int usernet_free(struct usernet *u)
{
	struct hyper *h = u->hyper;

	/* The rings are what a backend keeps mapped: ask for them first. */
	if (unshare(u, u->tx_ring, 1))
		return -EBUSY;
	u->tx_ring = NULL;
	if (unshare(u, u->rx_ring, 1))
		return -EBUSY;
	u->rx_ring = NULL;
	if (unshare(u, u->ctrl_ring, 1))
		return -EBUSY;
	u->ctrl_ring = NULL;
	unshare(u, u->ctrl_page, 1);
	if (u->ctrl_port)
		h->ops->evtchn_unbind(h, u->ctrl_port);
	unshare(u, u->tx_pages, USERNET_SLOTS);
	unshare(u, u->rx_pages, USERNET_SLOTS);
	if (u->rx_port != u->tx_port)
		h->ops->evtchn_unbind(h, u->rx_port);
	if (u->tx_port)
		h->ops->evtchn_unbind(h, u->tx_port);
	free(u);
	return 0;
}

/* ---- transmit ---- */

int usernet_tx_id(struct usernet *u)
{
	return u->nr_tx_free ? u->tx_free[--u->nr_tx_free] : -ENOSPC;
}

void usernet_tx_raw(struct usernet *u, const void *slot)
{
	memcpy(xpv_front_request(&u->tx), slot, XPV_NETIF_TX_SLOT);
}

static void put_gso(struct usernet *u, const struct usernet_packet *pkt)
{
	union {
		struct xpv_netif_extra extra;
		uint8_t slot[XPV_NETIF_TX_SLOT];
	} gso;

	memset(&gso, 0, sizeof(gso));
	gso.extra.type = XPV_EXTRA_GSO;
	gso.extra.gso.type = pkt->gso_type;
	gso.extra.gso.size = pkt->gso_size;
	usernet_tx_raw(u, &gso);
}

static unsigned int pieces_of(const struct usernet_packet *pkt)
{
	if (pkt->pieces)
		return pkt->nr_pieces;
	return (pkt->len + XPV_PAGE_SIZE - 1) / XPV_PAGE_SIZE;
}

static struct usernet_piece piece_at(const struct usernet_packet *pkt,
				     unsigned int i, uint32_t at)
{
	uint32_t left = pkt->len - at;

	if (pkt->pieces)
		return pkt->pieces[i];
	return (struct usernet_piece){
		.size = (uint16_t)(left < XPV_PAGE_SIZE ? left
							: XPV_PAGE_SIZE)};
}

int usernet_send(struct usernet *u, const struct usernet_packet *pkt)
{
	unsigned int n = pieces_of(pkt), slots = n + (pkt->gso_type != 0);
	uint32_t at = 0;

	if (xpv_front_room(&u->tx) < slots || u->nr_tx_free < n)
		return -ENOSPC;
	for (unsigned int i = 0; i < n; i++) {
		struct usernet_piece piece = piece_at(pkt, i, at);
		struct xpv_netif_tx_request req = {
			.offset = piece.offset,
			.id = (uint16_t)usernet_tx_id(u),
			.size = i ? piece.size : (uint16_t)pkt->len,
			.flags = i + 1 < n ? XPV_TX_MORE : 0,
		};

		req.gref = u->tx_page_gref[req.id];
		if (!i)
			req.flags |= pkt->flags;
		if (!i && pkt->gso_type)
			req.flags |= XPV_TX_EXTRA;
		memcpy(usernet_tx_page(u, req.id) + piece.offset,
		       pkt->data + at, piece.size);
		at += piece.size;
		usernet_tx_raw(u, &req);
		if (req.flags & XPV_TX_EXTRA)
			put_gso(u, pkt);
	}
	return (int)slots;
}

int usernet_reap(struct usernet *u, struct xpv_netif_tx_response *rsp,
		 unsigned int max)
{
	int n = xpv_front_pending(&u->tx);

	if (n < 0)
		return -EPROTO;
	if ((unsigned int)n > max)
		n = (int)max;
	for (int i = 0; i < n; i++) {
		xpv_front_take(&u->tx, &rsp[i], sizeof(rsp[i]));
		if (rsp[i].status == XPV_NETIF_NULL)
			continue;
		/* Raw requests need not use ids of ours. */
		if (rsp[i].id < USERNET_SLOTS && u->nr_tx_free < USERNET_SLOTS)
			u->tx_free[u->nr_tx_free++] = rsp[i].id;
	}
	return n;
}

/* ---- receive ---- */

static void post(struct usernet *u, uint16_t id, uint32_t gref)
{
	struct xpv_netif_rx_request req = {.id = id, .gref = gref};

	memcpy(xpv_front_request(&u->rx), &req, sizeof(req));
}

unsigned int usernet_post(struct usernet *u, unsigned int n)
{
	unsigned int room = xpv_front_room(&u->rx);

	if (n > room)
		n = room;
	for (unsigned int i = 0; i < n; i++) {
		uint16_t id = u->rx.req_prod & (USERNET_SLOTS - 1);

		post(u, id, u->rx_page_gref[id]);
	}
	return n;
}

void usernet_post_gref(struct usernet *u, uint32_t gref)
{
	post(u, u->rx.req_prod & (USERNET_SLOTS - 1), gref);
}

/* The response @ahead slots on, which is known to be there. */
static void peek_rx(struct usernet *u, uint32_t ahead, void *rsp)
{
	xpv_copy_once(rsp, xpv_ring_slot(&u->rx.ring, u->rx.rsp_cons + ahead),
		      XPV_NETIF_RX_SLOT);
}

static int take_extra(struct usernet_frame *frame,
		      const struct xpv_netif_extra *extra)
{
	switch (extra->type) {
	case XPV_EXTRA_GSO:
		frame->gso_type = extra->gso.type;
		frame->gso_size = extra->gso.size;
		return extra->gso.size ? 1 : -EPROTO;
	case XPV_EXTRA_HASH:
		frame->has_hash = true;
		frame->hash_type = extra->hash.type;
		for (int i = 0; i < 4; i++)
			frame->hash |= (uint32_t)extra->hash.value[i] << 8 * i;
		return extra->hash.algorithm == XPV_HASH_ALGORITHM_TOEPLITZ
			       ? 1
			       : -EPROTO;
	case XPV_EXTRA_XDP:
		frame->headroom = extra->xdp.headroom;
		return 1;
	default:
		return -EPROTO;
	}
}

/* The extras behind the first response. */
static int take_extras(struct usernet *u, int n, struct usernet_frame *frame)
{
	struct xpv_netif_extra extra = {.flags = XPV_EXTRA_MORE};
	int ret = 1;

	while (ret > 0 && extra.flags & XPV_EXTRA_MORE) {
		if ((int)frame->slots >= n)
			return 0;
		peek_rx(u, frame->slots++, &extra);
		if (extra.flags & ~XPV_EXTRA_MORE)
			return -EPROTO;
		ret = take_extra(frame, &extra);
	}
	return ret;
}

/* Append what one response says to the frame. */
static int take_piece(struct usernet *u, struct usernet_frame *frame,
		      const struct xpv_netif_rx_response *rsp)
{
	uint32_t slot = (u->rx.rsp_cons + frame->slots) & (USERNET_SLOTS - 1);

	if (rsp->id != slot)
		return -EPROTO;
	if (rsp->status < 0) {
		frame->errors++;
		return 1;
	}
	if (rsp->offset + (uint32_t)rsp->status > XPV_PAGE_SIZE ||
	    frame->len + (uint32_t)rsp->status > USERNET_FRAME)
		return -EPROTO;
	memcpy(frame->data + frame->len,
	       u->rx_pages + slot * XPV_PAGE_SIZE + rsp->offset,
	       (size_t)rsp->status);
	frame->len += (uint32_t)rsp->status;
	return 1;
}

int usernet_receive(struct usernet *u, struct usernet_frame *frame)
{
	struct xpv_netif_rx_response rsp = {.flags = XPV_RX_MORE};
	int n = xpv_front_pending(&u->rx), ret = 1;

	memset(frame, 0, offsetof(struct usernet_frame, data));
	if (n < 0)
		return -EPROTO;
	while (rsp.flags & XPV_RX_MORE) {
		if ((int)frame->slots >= n)
			return 0;
		peek_rx(u, frame->slots, &rsp);
		ret = take_piece(u, frame, &rsp);
		if (!frame->slots++)
			frame->flags = rsp.flags & (XPV_RX_CSUM_BLANK |
						    XPV_RX_DATA_VALIDATED);
		if (ret > 0 && rsp.flags & XPV_RX_EXTRA)
			ret = take_extras(u, n, frame);
		if (ret <= 0)
			return ret;
	}
	u->rx.rsp_cons += frame->slots;
	return 1;
}

/* ---- control ---- */

void usernet_ctrl(struct usernet *u, const struct xpv_netif_ctrl_request *req)
{
	memcpy(xpv_front_request(&u->ctrl), req, sizeof(*req));
	if (xpv_front_push(&u->ctrl))
		u->hyper->ops->evtchn_notify(u->hyper, u->ctrl_port);
}

int usernet_ctrl_reap(struct usernet *u, struct xpv_netif_ctrl_response *rsp)
{
	int n = xpv_front_pending(&u->ctrl);

	if (n <= 0)
		return n < 0 ? -EPROTO : 0;
	xpv_front_take(&u->ctrl, rsp, sizeof(*rsp));
	return 1;
}

/* ---- events ---- */

void usernet_push(struct usernet *u)
{
	bool tx = xpv_front_push(&u->tx), rx = xpv_front_push(&u->rx);
	const struct hyper_ops *ops = u->hyper->ops;

	if (tx || (rx && u->rx_port == u->tx_port))
		ops->evtchn_notify(u->hyper, u->tx_port);
	if (rx && u->rx_port != u->tx_port)
		ops->evtchn_notify(u->hyper, u->rx_port);
}

unsigned int usernet_events(struct usernet *u)
{
	unsigned int n = 0;
	int port;

	while ((port = u->hyper->ops->evtchn_next(u->hyper)) >= 0) {
		u->hyper->ops->evtchn_unmask(u->hyper, (uint32_t)port);
		n++;
	}
	u->notified += n;
	return n;
}

bool usernet_arm(struct usernet *u)
{
	bool tx = xpv_front_final_check(&u->tx),
	     rx = xpv_front_final_check(&u->rx);

	return tx || rx;
}
