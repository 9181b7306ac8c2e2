// SPDX-License-Identifier: MIT
/* From a port to the links that lead on. */
#include <errno.h>
#include <string.h>

#include "../vif/headers.h"
#include "switch_port.h"

#define ETH_LEN 14u

/* Addresses that no bridge forwards (IEEE 802.1Q, table 8-1). */
static bool reserved(const uint8_t *mac)
{
	static const uint8_t block[5] = {0x01, 0x80, 0xc2, 0x00, 0x00};

	return !memcmp(mac, block, sizeof(block)) && mac[5] < 16;
}

/* What leaves this port may: its VLAN and source, its header without a tag. */
static bool admit(struct switch_port *sp, const struct switch_packet *pkt,
		  struct mail *mail)
{
	int tag =
		vlan_pop(&sp->vlans, pkt->header, pkt->header_len, &mail->tci);
	uint8_t *frame = pkt->header + tag;
	enum guard_verdict verdict;

	if (tag < 0) {
		sp->counter[SWITCH_TX_DROP_VLAN]++;
		return false;
	}
	mail->header_len = (uint16_t)(pkt->header_len - (uint32_t)tag);
	verdict = guard_check(&sp->guard, frame, mail->header_len);
	if (verdict != GUARD_PASS) {
		sp->counter[verdict == GUARD_MAC ? SWITCH_TX_DROP_MAC
						 : SWITCH_TX_DROP_ADDRESS]++;
		return false;
	}
	if (reserved(frame)) {
		sp->counter[SWITCH_TX_DROP_RESERVED]++;
		return false;
	}
	memcpy(mail->header, frame, mail->header_len);
	return true;
}

static void fill(const struct switch_packet *pkt, struct mail *mail)
{
	mail->flags = pkt->flags;
	mail->gso = pkt->gso;
	mail->gso_size = pkt->gso_size;
	mail->nr_frags = (uint8_t)pkt->nr_frags;
	memset(mail->pad, 0, sizeof(mail->pad));
	/* All of it gets into shared memory: none of our stack. */
	memset(mail->frag, 0, sizeof(mail->frag));
	/* An uplink's packets have none, and no list of them. */
	if (pkt->nr_frags)
		memcpy(mail->frag, pkt->frag,
		       pkt->nr_frags * sizeof(*pkt->frag));
}

/* 1: the link holds the packet's grants; 0: it needs nothing of them. */
static int post(struct switch_link *link, const struct switch_packet *pkt,
		struct mail *mail, uint16_t cookie, uint64_t now)
{
	uint8_t *room;

	link->posted = true;
	if (pkt->nr_frags) {
		mail_post(&link->tx, mail, cookie, now);
		return 1;
	}
	if (!pkt->rest_len) {
		mail_post(&link->tx, mail, MAIL_NO_COOKIE, now);
		return 0;
	}
	room = mail_arena_room(&link->tx, pkt->rest_len);
	if (room) {
		struct mail bytes = *mail;

		memcpy(room, pkt->rest, pkt->rest_len);
		mail_post_arena(&link->tx, &bytes, pkt->rest_len, now);
	} else {
		link->port->counter[SWITCH_TX_DROP_FULL]++;
	}
	return 0;
}

/* Nothing more for it until it pulls, and for a while if it does it often. */
static void stall(struct switch_link *link, uint64_t now)
{
	link->pulled = false;
	if (link->stalled)
		return;
	link->stalled = true;
	if (now >= link->quiet_until + SWITCH_QUIET_MS)
		link->quiet = 0;
	link->quiet_until = now + link->quiet;
	link->quiet = link->quiet ? 2 * link->quiet : SWITCH_HOLD_MS;
	if (link->quiet > SWITCH_QUIET_MS)
		link->quiet = SWITCH_QUIET_MS;
}

/* Why nothing can be sent over the link now: 0, a counter, or -EAGAIN. */
static int hindrance(struct switch_link *link, uint64_t now)
{
	if (link->broken || !mail_open(&link->tx))
		return SWITCH_TX_DROP_CLOSED;
	if (link->pulled && now >= link->quiet_until)
		link->stalled = false;
	if (!link->stalled && xpv_front_room(&link->tx.ring))
		return 0;
	if (!link->stalled && now < mail_oldest(&link->tx) + SWITCH_HOLD_MS)
		return -EAGAIN;
	if (!link->stalled)
		stall(link, now);
	return SWITCH_TX_DROP_STALLED;
}

/*
 * To all ports of the VLAN behind which its receiver may be. A station that
 * nobody knows is not behind a port whose only address is another: what is
 * sent to a guest whose worker is just away does not get to the others.
 */
static int flood(struct switch_port *sp, const struct switch_packet *pkt,
		 struct mail *mail, uint16_t cookie, uint64_t now)
{
	uint16_t vlan = mail->tci & VLAN_ID_MASK;
	bool group = mail->header[0] & 1;
	struct switch_link *link;
	int held = 0;

	sp->counter[SWITCH_TX_FLOODED]++;
	SWITCH_FOREACH(link, sp) {
		int no;

		if (!vlan_carries(&link->peer.vlans, vlan) ||
		    (link->peer.fixed && !group &&
		     memcmp(link->peer.mac, mail->header, 6)))
			continue;
		no = hindrance(link, now);
		/* One port that is slow does not keep the others waiting. */
		if (no)
			sp->counter[no > 0 ? no : SWITCH_TX_DROP_FULL]++;
		else
			held += post(link, pkt, mail, cookie, now);
	}
	return held;
}

static int unicast(struct switch_port *sp, struct switch_link *link,
		   const struct switch_packet *pkt, struct mail *mail,
		   uint16_t cookie, uint64_t now)
{
	int no;

	if (!vlan_carries(&link->peer.vlans, mail->tci & VLAN_ID_MASK)) {
		sp->counter[SWITCH_TX_DROP_VLAN]++;
		return 0;
	}
	no = hindrance(link, now);
	if (no > 0)
		sp->counter[no]++;
	if (no)
		return no > 0 ? 0 : no;
	sp->counter[SWITCH_TX_UNICAST]++;
	return post(link, pkt, mail, cookie, now);
}

int switch_forward(struct switch_port *sp, const struct switch_packet *pkt,
		   uint16_t cookie, uint64_t now)
{
	uint8_t port = FDB_NONE;
	struct mail mail;

	if (!admit(sp, pkt, &mail))
		return 0;
	fill(pkt, &mail);
	if (!(mail.header[0] & 1))
		port = fdb_find(&sp->fdb, mail.header, mail.tci & VLAN_ID_MASK,
				(uint32_t)(now / 1000));
	if (port == FDB_NONE)
		return flood(sp, pkt, &mail, cookie, now);
	return unicast(sp, &sp->link[port], pkt, &mail, cookie, now);
}

void switch_flush(struct switch_port *sp)
{
	struct switch_link *link;

	SWITCH_FOREACH(link, sp) {
		if (link->posted && mail_push(&link->tx))
			switch_link_wake(link);
		link->posted = false;
	}
}

/* Pages that a peer does not let go of in time. */
static bool take_back(struct switch_port *sp, struct switch_link *link,
		      uint64_t now)
{
	uint64_t since;
	uint16_t cookie;
	bool any = false;

	if (!mail_waits(&link->tx, &since))
		return false;
	while (now > SWITCH_HOLD_MS &&
	       mail_revoke(&link->tx, now - SWITCH_HOLD_MS + 1, &cookie)) {
		sp->counter[SWITCH_TX_REVOKED]++;
		sp->released(sp->owner, cookie);
		stall(link, now);
		any = true;
	}
	if (!mail_waits(&link->tx, &since) ||
	    (now < since + SWITCH_STUCK_MS && !link->broken))
		return any;
	stall(link, now);
	/* What is not claimed yet must not be any more. */
	while (mail_revoke(&link->tx, UINT64_MAX, &cookie)) {
		sp->counter[SWITCH_TX_REVOKED]++;
		sp->released(sp->owner, cookie);
	}
	while (mail_abandon(&link->tx, &cookie)) {
		sp->counter[SWITCH_TX_ABANDONED]++;
		sp->released(sp->owner, cookie);
	}
	return true;
}

bool switch_reap(struct switch_port *sp, uint64_t now)
{
	struct switch_link *link;
	bool any = false;

	SWITCH_FOREACH(link, sp) {
		uint32_t before = link->tx.ring.rsp_cons;
		uint16_t cookie;
		int got = 0;

		while (!link->broken &&
		       (got = mail_reap(&link->tx, &cookie)) > 0)
			sp->released(sp->owner, cookie);
		if (got < 0)
			switch_link_broken(link);
		if (link->tx.ring.rsp_cons != before) {
			link->pulled = true;
			any = true;
		}
		if (now)
			any |= take_back(sp, link, now);
	}
	return any;
}

bool switch_holds(struct switch_port *sp)
{
	struct switch_link *link;
	uint64_t since;

	SWITCH_FOREACH(link, sp)
		if (mail_waits(&link->tx, &since))
			return true;
	return false;
}

bool switch_arm_sender(struct switch_port *sp)
{
	struct switch_link *link;
	bool any = false;

	SWITCH_FOREACH(link, sp)
		if (!link->broken &&
		    link->tx.ring.rsp_cons != link->tx.ring.req_pushed)
			any |= mail_arm_sender(&link->tx);
	return any;
}

/* ---- frames in memory ---- */

/* False: what is to be done to it is nothing that a receiver could find. */
static bool describe(const struct port_frame *frame, struct headers *h,
		     struct switch_packet *pkt)
{
	const struct port_offload *off = &frame->off;

	pkt->flags = off->csum_valid ? MAIL_CSUM_VALID : 0;
	pkt->gso = PORT_GSO_NONE;
	if (!off->csum_needed)
		return true;
	headers_parse(frame->data, frame->len, h);
	if (h->proto && off->csum_start == h->l4_at &&
	    off->csum_offset == headers_csum_offset(h)) {
		pkt->flags |= MAIL_CSUM_BLANK;
		pkt->gso = off->gso;
		pkt->gso_size = off->gso_size;
		return true;
	}
	if (off->gso != PORT_GSO_NONE)
		return false;
	csum_complete(frame->data, frame->len, off->csum_start,
		      off->csum_offset);
	return true;
}

void switch_port_send(struct port *port, struct port_frame *frames,
		      unsigned int n)
{
	struct switch_port *sp = (struct switch_port *)port;
	uint64_t now = switch_now_ms();
	struct headers h;

	switch_reap(sp, now);
	for (unsigned int i = 0; i < n; i++) {
		struct port_frame *frame = &frames[i];
		struct switch_packet pkt = {.header = frame->data};

		pkt.header_len =
			frame->len < MAIL_HEADER ? frame->len : MAIL_HEADER;
		pkt.rest = frame->data + pkt.header_len;
		pkt.rest_len = frame->len - pkt.header_len;
		if (frame->len < ETH_LEN || !describe(frame, &h, &pkt)) {
			port->stats.drop_refused++;
			continue;
		}
		/* Nobody waits for frames of a device: full is dropped. */
		if (switch_forward(sp, &pkt, MAIL_NO_COOKIE, now) == -EAGAIN)
			port->stats.drop_full++;
		else
			port->stats.sent++;
	}
	switch_flush(sp);
}
