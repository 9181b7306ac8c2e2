// SPDX-License-Identifier: MIT
/*
 * A network backend that connects as it should, passes nothing on, and breaks
 * the protocol in one way when the guest has sent its first packet.
 *
 *	bad-netback MODE DOMID HANDLE
 *
 * Ends when the frontend has closed; the exit code is 0 if it did so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netif.h"
#include "peer.h"
#include "ring.h"

#define POLL_US	 2000
#define STORM	 50000
#define TOO_MANY 40 /* slots of a packet */
#define FAR	 300 /* more than a ring has slots */

struct bad {
	struct peer peer;
	void *tx_page, *rx_page;
	struct xpv_back tx, rx;
	uint32_t port;
	bool done; /* the mode has had its say */
	bool silent; /* and nothing is answered from now on */
	void *kept; /* a page of the guest's that we do not unmap */
};

static void notify(struct bad *b)
{
	b->peer.h->ops->evtchn_notify(b->peer.h, b->port);
}

/* ---- transmit: what the guest sends ---- */

static void tx_answer(struct bad *b, uint16_t id, int16_t status)
{
	const struct xpv_netif_tx_response rsp = {.id = id, .status = status};

	xpv_back_put(&b->tx, &rsp, sizeof(rsp));
	xpv_back_push(&b->tx);
	notify(b);
}

/* Each slot in its turn; extras' too, since nobody wants them here. */
static void tx_serve(struct bad *b, struct xpv_netif_tx_request *last)
{
	while (!b->silent && xpv_back_final_check(&b->tx) > 0) {
		xpv_back_take(&b->tx, last, sizeof(*last));
		if (!last->size)
			continue;
		if (!b->done)
			return;
		tx_answer(b, last->id, XPV_NETIF_OKAY);
	}
}

static void tx_id(struct bad *b, const struct xpv_netif_tx_request *req)
{
	(void)req;
	tx_answer(b, 9999, XPV_NETIF_OKAY);
}

static void tx_idle(struct bad *b, const struct xpv_netif_tx_request *req)
{
	tx_answer(b, (uint16_t)(req->id ^ 128), XPV_NETIF_OKAY);
}

static void tx_extra(struct bad *b, const struct xpv_netif_tx_request *req)
{
	tx_answer(b, req->id, XPV_NETIF_NULL);
}

/* Answered while we hold the page, against the rules (XSA-396). */
static void tx_held(struct bad *b, const struct xpv_netif_tx_request *req)
{
	b->kept = b->peer.h->ops->map(b->peer.h, b->peer.domid, &req->gref, 1,
				      HYPER_READ);
	if (!b->kept)
		peer_die("mapping a packet");
	tx_answer(b, req->id, XPV_NETIF_OKAY);
}

static void move_index(struct bad *b, struct xpv_back *ring, uint32_t by)
{
	xpv_store_release(&ring->ring.shared->rsp_prod, ring->rsp_prod + by);
	notify(b);
	b->silent = true;
}

static void tx_beyond(struct bad *b, const struct xpv_netif_tx_request *req)
{
	(void)req;
	move_index(b, &b->tx, FAR);
}

static void tx_backwards(struct bad *b, const struct xpv_netif_tx_request *req)
{
	(void)req;
	move_index(b, &b->tx, (uint32_t)-1);
}

static void tx_error(struct bad *b, const struct xpv_netif_tx_request *req)
{
	tx_answer(b, req->id, XPV_NETIF_ERROR);
}

static void storm(struct bad *b, const struct xpv_netif_tx_request *req)
{
	for (int i = 0; i < STORM; i++)
		notify(b);
	tx_answer(b, req->id, XPV_NETIF_OKAY);
}

/* ---- receive: what we send ---- */

static void rx_push(struct bad *b)
{
	xpv_back_push(&b->rx);
	notify(b);
}

/* The next posted page with @len bytes in it; the answer says @rsp. */
static void rx_slot(struct bad *b, const void *bytes, size_t len,
		    struct xpv_netif_rx_response rsp)
{
	struct xpv_netif_rx_request req;
	void *page;

	while (xpv_back_pending(&b->rx) <= 0)
		usleep(POLL_US);
	xpv_back_take(&b->rx, &req, sizeof(req));
	if (len) {
		page = peer_map(&b->peer, req.gref);
		memcpy(page, bytes, len);
		b->peer.h->ops->unmap(b->peer.h, page, 1);
	}
	rsp.id = req.id;
	xpv_back_put(&b->rx, &rsp, sizeof(rsp));
}

static void rx_extra(struct bad *b, struct xpv_netif_extra extra)
{
	struct xpv_netif_rx_request req;

	while (xpv_back_pending(&b->rx) <= 0)
		usleep(POLL_US);
	xpv_back_take(&b->rx, &req, sizeof(req));
	xpv_back_put(&b->rx, &extra, sizeof(extra));
}

/* An ARP request to everybody: nothing that a guest could object to. */
static const uint8_t arp[60] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1,
	8,    0,    6,	  4,	0,    1,    2, 0, 0, 0, 0, 1, 1, 2, 3, 4,
};

static void rx_frame(struct bad *b, size_t len, uint16_t flags)
{
	rx_slot(b, arp, len,
		(struct xpv_netif_rx_response){.status = (int16_t)len,
					       .flags = flags});
}

static void bad_sizes(struct bad *b)
{
	for (size_t len = 0; len < XPV_NETIF_MIN_PACKET; len++)
		rx_frame(b, len, 0);
	rx_slot(b, arp, sizeof(arp),
		(struct xpv_netif_rx_response){.offset = 4090, .status = 60});
	rx_slot(b, arp, sizeof(arp),
		(struct xpv_netif_rx_response){.offset = 65535,
					       .status = 32767});
}

/* Errors at each place of a packet, and packets of many slots or none. */
static void bad_chains(struct bad *b)
{
	for (int at = 0; at < 3; at++)
		for (int i = 0; i < 3; i++)
			rx_slot(b, arp, sizeof(arp),
				(struct xpv_netif_rx_response){
					.status = (int16_t)(i == at ? -1 : 60),
					.flags = i < 2 ? XPV_RX_MORE : 0});
	for (int i = 0; i < TOO_MANY; i++)
		rx_frame(b, sizeof(arp), i < TOO_MANY - 1 ? XPV_RX_MORE : 0);
	for (int i = 0; i < TOO_MANY; i++)
		rx_frame(b, 0, i < TOO_MANY - 1 ? XPV_RX_MORE : 0);
}

static void bad_extras(struct bad *b)
{
	static const struct xpv_netif_extra bad[] = {
		{.type = XPV_EXTRA_NONE},
		{.type = XPV_EXTRA_TYPES},
		{.type = 255},
		{.type = XPV_EXTRA_MCAST_ADD},
		{.type = XPV_EXTRA_GSO, .gso.type = XPV_GSO_TCPV4},
		{.type = XPV_EXTRA_GSO, .gso.type = 77, .gso.size = 100},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rx_frame(b, sizeof(arp), XPV_RX_EXTRA);
		rx_extra(b, bad[i]);
	}
	rx_frame(b, sizeof(arp), XPV_RX_EXTRA);
	for (int i = 0; i < TOO_MANY; i++)
		rx_extra(b, (struct xpv_netif_extra){
				    .type = XPV_EXTRA_HASH,
				    .flags = i < TOO_MANY - 1 ? XPV_EXTRA_MORE
							      : 0});
}

/* Offloads of TCP for what is no TCP; a checksum to be set where none is. */
static void bad_headers(struct bad *b)
{
	rx_frame(b, sizeof(arp), XPV_RX_EXTRA);
	rx_extra(b, (struct xpv_netif_extra){.type = XPV_EXTRA_GSO,
					     .gso.type = XPV_GSO_TCPV4,
					     .gso.size = 1});
	rx_frame(b, sizeof(arp), XPV_RX_CSUM_BLANK);
	rx_frame(b, XPV_NETIF_MIN_PACKET, XPV_RX_CSUM_BLANK);
}

/* All that is dropped and forgiven; then a frame as it should be. */
static void rx_nonsense(struct bad *b, const struct xpv_netif_tx_request *req)
{
	bad_sizes(b);
	bad_chains(b);
	bad_extras(b);
	bad_headers(b);
	rx_frame(b, sizeof(arp), 0);
	rx_push(b);
	tx_answer(b, req->id, XPV_NETIF_OKAY);
}

static void rx_id(struct bad *b, const struct xpv_netif_tx_request *req)
{
	struct xpv_netif_rx_request rx;
	struct xpv_netif_rx_response rsp = {.status = 60};

	(void)req;
	xpv_back_take(&b->rx, &rx, sizeof(rx));
	rsp.id = (uint16_t)(rx.id + 1);
	xpv_back_put(&b->rx, &rsp, sizeof(rsp));
	rx_push(b);
}

static void rx_held(struct bad *b, const struct xpv_netif_tx_request *req)
{
	struct xpv_netif_rx_request rx;
	struct xpv_netif_rx_response rsp = {.status = 60};

	(void)req;
	xpv_back_take(&b->rx, &rx, sizeof(rx));
	b->kept = peer_map(&b->peer, rx.gref);
	rsp.id = rx.id;
	xpv_back_put(&b->rx, &rsp, sizeof(rsp));
	rx_push(b);
}

static void rx_beyond(struct bad *b, const struct xpv_netif_tx_request *req)
{
	(void)req;
	move_index(b, &b->rx, FAR);
}

static const struct mode {
	const char *name;
	void (*act)(struct bad *b, const struct xpv_netif_tx_request *req);
} modes[] = {
	{"tx-id", tx_id},	  {"tx-idle", tx_idle},
	{"tx-extra", tx_extra},	  {"tx-held", tx_held},
	{"tx-beyond", tx_beyond}, {"tx-backwards", tx_backwards},
	{"tx-error", tx_error},	  {"storm", storm},
	{"rx-id", rx_id},	  {"rx-held", rx_held},
	{"rx-beyond", rx_beyond}, {"rx-nonsense", rx_nonsense},
};

/* ---- the life of the device ---- */

static void connect(struct bad *b)
{
	b->tx_page =
		peer_map(&b->peer, peer_get(&b->peer, XPV_KEY_TX_RING_REF));
	b->rx_page =
		peer_map(&b->peer, peer_get(&b->peer, XPV_KEY_RX_RING_REF));
	if (xpv_back_attach(&b->tx, b->tx_page, XPV_PAGE_SIZE,
			    XPV_NETIF_TX_SLOT) ||
	    xpv_back_attach(&b->rx, b->rx_page, XPV_PAGE_SIZE,
			    XPV_NETIF_RX_SLOT))
		peer_die("rings");
	b->port =
		peer_bind(&b->peer, peer_get(&b->peer, XPV_KEY_EVENT_CHANNEL));
	peer_put(&b->peer, XPV_KEY_STATE, XPV_STATE_CONNECTED);
}

static void serve(struct bad *b, const struct mode *mode)
{
	struct xpv_netif_tx_request req = {.size = 0};

	tx_serve(b, &req);
	if (b->done || !req.size)
		return;
	b->done = true;
	mode->act(b, &req);
}

static bool life(struct bad *b, const struct mode *mode)
{
	peer_put(&b->peer, XPV_KEY_FEATURE_RX_COPY, 1);
	peer_put(&b->peer, XPV_KEY_FEATURE_SG, 1);
	peer_put(&b->peer, XPV_KEY_STATE, XPV_STATE_INIT_WAIT);
	peer_wait_for_script(&b->peer);
	if (!peer_front_reaches(&b->peer, XPV_STATE_CONNECTED))
		return false;
	connect(b);
	while (peer_front_state(&b->peer) == XPV_STATE_CONNECTED) {
		serve(b, mode);
		usleep(POLL_US);
	}
	peer_put(&b->peer, XPV_KEY_STATE, XPV_STATE_CLOSING);
	if (!peer_front_reaches(&b->peer, XPV_STATE_CLOSED))
		return false;
	/* the page that was kept goes last: the guest had to do without it */
	if (b->kept)
		b->peer.h->ops->unmap(b->peer.h, b->kept, 1);
	b->peer.h->ops->evtchn_unbind(b->peer.h, b->port);
	b->peer.h->ops->unmap(b->peer.h, b->tx_page, 1);
	b->peer.h->ops->unmap(b->peer.h, b->rx_page, 1);
	peer_put(&b->peer, XPV_KEY_STATE, XPV_STATE_CLOSED);
	return true;
}

int main(int argc, char **argv)
{
	const struct mode *mode = NULL;
	struct bad b = {.done = false};

	for (size_t i = 0; argc == 4 && i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(argv[1], modes[i].name))
			mode = &modes[i];
	if (!mode) {
		fprintf(stderr, "bad-netback MODE DOMID HANDLE\n");
		return 2;
	}
	peer_open(&b.peer, XPV_CLASS_VIF, (unsigned int)atoi(argv[2]),
		  (unsigned int)atoi(argv[3]));
	return life(&b, mode) ? 0 : 1;
}
