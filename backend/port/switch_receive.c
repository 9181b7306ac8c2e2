// SPDX-License-Identifier: MIT
/* From the links to a port. */
#include <string.h>

#include "../vif/headers.h"
#include "hyper/hyper.h"
#include "switch_port.h"

/* As the kernel's TCP has it; see vif/offload.c. */
#define MIN_GSO_SIZE 8u

/* ---- checks ---- */

/* What a mail says is still to be done, if its headers bear it out. */
static bool offload(const struct mail *mail, const uint8_t *frame,
		    struct port_offload *off)
{
	struct headers h;

	memset(off, 0, sizeof(*off));
	off->csum_valid = mail->flags & MAIL_CSUM_VALID;
	if (!(mail->flags & MAIL_CSUM_BLANK))
		return mail->gso == PORT_GSO_NONE;
	headers_parse(frame, mail->header_len, &h);
	if (!h.proto)
		return false;
	off->csum_needed = true;
	off->csum_start = h.l4_at;
	off->csum_offset = headers_csum_offset(&h);
	if (mail->gso == PORT_GSO_NONE)
		return true;
	if (h.ip != (mail->gso == PORT_GSO_TCPV4 ? 4 : 6) || h.proto != 6 ||
	    mail->gso_size < MIN_GSO_SIZE)
		return false;
	/* It fits into one segment: an ordinary packet. */
	if (mail_len(mail) - h.l4_at - h.l4_len <= mail->gso_size)
		return true;
	off->gso = mail->gso;
	off->gso_size = mail->gso_size;
	off->gso_ecn = headers_tcp_cwr(frame, &h);
	off->hdr_len = (uint16_t)(h.l4_at + h.l4_len);
	return true;
}

/* Has the frame come from where it says? */
static bool honest(struct switch_port *sp, const struct switch_link *link,
		   const struct mail *mail)
{
	const uint8_t *source = mail->header + 6;

	if (source[0] & 1)
		return false;
	if (sp->guard.check_mac && !memcmp(source, sp->guard.mac, 6))
		return false;
	if (link->peer.fixed)
		return !memcmp(source, link->peer.mac, 6);
	return fdb_learn(&sp->fdb, source, mail->tci & VLAN_ID_MASK,
			 (uint8_t)(link - sp->link),
			 (uint32_t)(switch_now_ms() / 1000));
}

/* Put the header into this port's form; false: not for this port. */
static bool address(struct switch_port *sp, struct switch_mail *m)
{
	uint16_t vlan = m->mail.tci & VLAN_ID_MASK;
	int tag;

	m->header = m->room + VLAN_TAG_LEN;
	memcpy(m->header, m->mail.header, m->mail.header_len);
	if (!vlan_carries(&m->link->peer.vlans, vlan))
		return false;
	tag = vlan_push(&sp->vlans, m->header, m->mail.tci);
	if (tag < 0)
		return false;
	m->header -= tag;
	m->header_len = m->mail.header_len + (uint32_t)tag;
	m->len = mail_len(&m->mail) + (uint32_t)tag;
	if (m->off.csum_needed)
		m->off.csum_start = (uint16_t)(m->off.csum_start + tag);
	if (m->off.gso != PORT_GSO_NONE)
		m->off.hdr_len = (uint16_t)(m->off.hdr_len + tag);
	return m->len <= PORT_MAX_FRAME;
}

/* -1: it is good; else the counter to blame. */
static int inspect(struct switch_port *sp, struct switch_mail *m)
{
	if (!mail_valid(&m->mail))
		return SWITCH_RX_DROP_MAIL;
	if (vlan_has_tag(m->mail.header))
		return SWITCH_RX_DROP_VLAN;
	if (!honest(sp, m->link, &m->mail))
		return SWITCH_RX_DROP_MAC;
	if (!offload(&m->mail, m->mail.header, &m->off))
		return SWITCH_RX_DROP_OFFLOAD;
	return address(sp, m) ? -1 : SWITCH_RX_DROP_VLAN;
}

/* ---- pulling ---- */

/* The next good mail of a link; those that are none are passed over. */
static bool peek_link(struct switch_port *sp, struct switch_link *link,
		      struct switch_mail *m)
{
	m->link = link;
	for (;;) {
		int got = mail_peek(&link->rx, link->taken, &m->mail);
		int drop;

		if (got < 0)
			switch_link_broken(link);
		if (got <= 0)
			return false;
		drop = inspect(sp, m);
		if (drop < 0)
			return true;
		switch_drop(sp, m, (enum switch_counter)drop);
	}
}

void switch_begin(struct switch_port *sp)
{
	struct switch_link *link;

	if (!switch_holding(sp))
		return;
	SWITCH_FOREACH(link, sp)
		link->held = false;
	sp->next = sp->first_held;
	sp->first_held = SWITCH_LINKS;
}

struct switch_mail *switch_peek(struct switch_port *sp)
{
	struct switch_mail *m = &sp->mails[sp->nr_mails];

	if (sp->nr_mails == SWITCH_TURN)
		return NULL;
	for (unsigned int i = 0; i < sp->nr_links; i++) {
		unsigned int at = (sp->next + i) % sp->nr_links;
		struct switch_link *link = &sp->link[at];

		if (!link->mem || link->broken || link->held ||
		    !peek_link(sp, link, m))
			continue;
		sp->next = at;
		return m;
	}
	return NULL;
}

bool switch_take(struct switch_port *sp, struct switch_mail *m)
{
	struct switch_link *link = m->link;
	bool grants = m->mail.nr_frags && !(m->mail.flags & MAIL_ARENA);

	/* The others get their turn, a mail each. */
	sp->next++;
	if (grants && !mail_claim(&link->rx, link->taken)) {
		switch_drop(sp, m, SWITCH_RX_REVOKED);
		return false;
	}
	link->taken++;
	sp->nr_mails++;
	if (!m->mail.nr_frags)
		sp->counter[SWITCH_RX_INLINE]++;
	return true;
}

void switch_hold(struct switch_port *sp, struct switch_mail *m)
{
	m->link->held = true;
	if (!switch_holding(sp))
		sp->first_held = (unsigned int)(m->link - sp->link);
}

void switch_skip(struct switch_port *sp, struct switch_mail *m)
{
	(void)sp;
	m->link->taken++;
}

void switch_drop(struct switch_port *sp, struct switch_mail *m,
		 enum switch_counter why)
{
	sp->counter[why]++;
	switch_skip(sp, m);
}

void switch_answer(struct switch_port *sp)
{
	struct switch_link *link;

	SWITCH_FOREACH(link, sp) {
		if (link->taken && mail_answer(&link->rx, link->taken))
			switch_link_wake(link);
		link->taken = 0;
	}
	sp->nr_mails = 0;
}

bool switch_arm_receiver(struct switch_port *sp)
{
	struct switch_link *link;
	bool any = false;

	SWITCH_FOREACH(link, sp) {
		if (sp->open && !link->broken && !link->held)
			any |= mail_arm_receiver(&link->rx);
	}
	return any;
}

/* ---- frames into memory ---- */

/* The copies that bring what is behind the header to @to. */
static unsigned int fetch(const struct switch_mail *m, uint8_t *to,
			  struct hyper_copy *ops)
{
	unsigned int n = 0;

	if (m->mail.flags & MAIL_ARENA) {
		memcpy(to, m->link->rx.arena + m->mail.frag[0].gref,
		       m->mail.frag[0].len);
		return 0;
	}
	for (unsigned int i = 0; i < m->mail.nr_frags; i++) {
		const struct mail_frag *frag = &m->mail.frag[i];
		struct hyper_copy *op = &ops[n++];

		memset(op, 0, sizeof(*op));
		op->src.is_grant = true;
		op->src.domid = m->link->peer.domid;
		op->src.gref = frag->gref;
		op->src.offset = frag->offset;
		op->dst.virt = to;
		op->len = frag->len;
		to += frag->len;
	}
	return n;
}

bool switch_fetch(struct switch_port *sp, const struct switch_mail *m,
		  uint8_t *to)
{
	struct hyper_copy ops[MAIL_FRAGS];
	unsigned int n;

	memcpy(to, m->header, m->header_len);
	n = fetch(m, to + m->header_len, ops);
	if (n && sp->hyper->ops->copy(sp->hyper, ops, n))
		return false;
	for (unsigned int i = 0; i < n; i++)
		if (ops[i].status != HYPER_COPY_OKAY)
			return false;
	return true;
}

unsigned int switch_port_receive(struct port *port, struct port_batch *batch,
				 unsigned int max)
{
	struct switch_port *sp = (struct switch_port *)port;
	struct port_frame *frame;
	struct switch_mail *m;
	unsigned int n = 0;
	uint8_t *room;

	while (n < max && (room = port_batch_room(batch)) &&
	       (m = switch_peek(sp))) {
		if (!switch_take(sp, m))
			continue;
		if (!switch_fetch(sp, m, room)) {
			sp->counter[SWITCH_RX_DROP_GRANT]++;
			continue;
		}
		frame = port_batch_add(batch, m->len);
		frame->off = m->off;
		port->stats.received++;
		n++;
	}
	switch_answer(sp);
	return n;
}
