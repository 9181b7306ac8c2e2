/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A network frontend in userspace, over the ring engine and a hypervisor
 * handle: for tests, fuzzing and benchmarks. It can be honest, and it can put
 * anything at all on its rings.
 *
 * It knows no xenstore: what the backend has to be told is in the struct.
 * One thread.
 */
#ifndef XPV_USERNET_H
#define XPV_USERNET_H

#include "hyper/hyper.h"
#include "netif.h"
#include "ring.h"

#define USERNET_SLOTS 256u /* of either ring */
#define USERNET_FRAME (18u * XPV_PAGE_SIZE)

struct usernet {
	struct hyper *hyper;
	uint16_t backend;

	/* For the backend. */
	uint32_t tx_gref, rx_gref;
	uint32_t tx_port, rx_port; /* equal: one channel */

	struct xpv_front tx, rx;
	void *tx_ring, *rx_ring;

	/*
	 * A page and its grant for each tx id, a page and its grant for each
	 * rx slot (whose id is its number).
	 */
	uint8_t *tx_pages, *rx_pages;
	uint32_t tx_page_gref[USERNET_SLOTS];
	uint32_t rx_page_gref[USERNET_SLOTS];
	uint16_t tx_free[USERNET_SLOTS]; /* ids, a stack */
	unsigned int nr_tx_free;
	unsigned int notified; /* events seen by usernet_events() */

	/* The control ring and a page to show the backend, if there is one. */
	struct xpv_front ctrl;
	void *ctrl_ring;
	uint32_t ctrl_gref, ctrl_port;
	uint8_t *ctrl_page;
	uint32_t ctrl_page_gref;
};

/*
 * @h: a handle with HYPER_SHARE and HYPER_EVTCHN, the caller's. @split: a
 * channel for each ring. NULL + errno.
 */
struct usernet *usernet_new(struct hyper *h, uint16_t backend, bool split);
/* Fails with -EBUSY, and keeps everything, while the backend maps a page. */
int usernet_free(struct usernet *u);

/* Make a control ring, before the backend is told. 0 or -errno. */
int usernet_add_ctrl(struct usernet *u);
/* Put a request on it and notify the backend. */
void usernet_ctrl(struct usernet *u, const struct xpv_netif_ctrl_request *req);
/* 1: *rsp is the next answer; 0: there is none; -EPROTO. */
int usernet_ctrl_reap(struct usernet *u, struct xpv_netif_ctrl_response *rsp);

/* A piece of a packet: where in its page, and how long. */
struct usernet_piece {
	uint16_t offset;
	uint16_t size;
};

struct usernet_packet {
	const uint8_t *data;
	uint32_t len;
	const struct usernet_piece *pieces; /* NULL: page by page */
	unsigned int nr_pieces;
	uint16_t flags; /* XPV_TX_CSUM_BLANK, XPV_TX_DATA_VALIDATED */
	uint8_t gso_type;
	uint16_t gso_size;
};

/*
 * Fill slots with a packet, to be seen after usernet_push(). Returns the
 * number of slots, or -ENOSPC if the ring or the pages do not suffice.
 */
int usernet_send(struct usernet *u, const struct usernet_packet *pkt);
/* Put @slot (a request, or an extra) on the tx ring as it is. */
void usernet_tx_raw(struct usernet *u, const void *slot);
/* An unused tx id, whose page is then the caller's; -ENOSPC. */
int usernet_tx_id(struct usernet *u);
static inline uint8_t *usernet_tx_page(struct usernet *u, unsigned int id)
{
	return u->tx_pages + (size_t)id * XPV_PAGE_SIZE;
}

/*
 * Take at most @max tx responses. Their ids are free again. Returns their
 * number, or -EPROTO if the backend's index is impossible or an id unknown.
 */
int usernet_reap(struct usernet *u, struct xpv_netif_tx_response *rsp,
		 unsigned int max);

/* Post at most @n receive buffers. Returns their number. */
unsigned int usernet_post(struct usernet *u, unsigned int n);
/* Post one with a grant of the caller's choice. */
void usernet_post_gref(struct usernet *u, uint32_t gref);

struct usernet_frame {
	uint32_t len;
	uint16_t flags; /* XPV_RX_CSUM_BLANK, XPV_RX_DATA_VALIDATED */
	uint8_t gso_type;
	uint16_t gso_size;
	bool has_hash;
	uint8_t hash_type;
	uint32_t hash;
	uint16_t headroom; /* that an extra told, and every piece kept */
	unsigned int slots; /* with the extras */
	unsigned int errors; /* slots answered with an error */
	uint8_t data[USERNET_FRAME];
};

/*
 * The next received frame: 1, or 0 if none is whole, or -EPROTO if the
 * backend breaks the protocol.
 */
int usernet_receive(struct usernet *u, struct usernet_frame *frame);

/* Publish both rings, and notify the backend where it asked for it. */
void usernet_push(struct usernet *u);
/* Take pending events; returns their number. */
unsigned int usernet_events(struct usernet *u);
/* Ask for events of both rings; true if responses are there already. */
bool usernet_arm(struct usernet *u);

#endif
