// SPDX-License-Identifier: MIT
/* From the switch to the guest. */
#include "lan.h"

#include "offload.h"
#include "queue.h"

#include <string.h>

/* A mail's copies: one a slot, and one more for each piece that straddles. */
#define MAIL_OPS (RX_FRAME_SLOTS + MAIL_FRAGS + 1)

/* Where the next bytes of a frame go. */
struct place {
	struct vif_queue *q;
	uint32_t left; /* bytes of the frame to come */
	uint32_t room; /* in the slot */
	uint32_t gref, at, slot;
	uint16_t flags; /* of the first slot's response */
	const struct rx_plan *plan;
};

static void next_slot(struct place *p)
{
	uint32_t most = vif_rx_slot_bytes(p->q);
	uint16_t flags = p->flags;

	p->room = p->left < most ? p->left : most;
	if (p->left > most)
		flags |= XPV_RX_MORE;
	p->slot = vif_rx_slot(p->q, p->room, flags, &p->gref);
	p->at = 0;
	p->flags = 0;
	if (flags & XPV_RX_EXTRA)
		vif_rx_extras(p->q, p->plan);
}

/* Bytes that lie together at @src go to as many slots as they need. */
static void put(struct place *p, struct hyper_copy_end src, uint32_t len)
{
	while (len) {
		struct hyper_copy *op;
		uint32_t n;

		if (!p->room)
			next_slot(p);
		n = len < p->room ? len : p->room;
		op = vif_rx_op(p->q, p->slot, p->gref, p->at);
		op->src = src;
		op->len = (uint16_t)n;
		if (src.is_grant)
			src.offset = (uint16_t)(src.offset + n);
		else
			src.virt = (uint8_t *)src.virt + n;
		p->at += n;
		p->room -= n;
		p->left -= n;
		len -= n;
	}
}

/* The copies of a mail: its header from our memory, the rest from grants. */
static void place(struct vif_queue *q, const struct switch_mail *m,
		  const struct rx_plan *plan)
{
	struct place p = {.q = q, .left = m->len, .plan = plan};
	struct hyper_copy_end src = {.virt = m->header};

	p.flags = vif_rx_flags(q, plan);
	put(&p, src, m->header_len);
	for (unsigned int i = 0; i < m->mail.nr_frags; i++) {
		const struct mail_frag *frag = &m->mail.frag[i];

		memset(&src, 0, sizeof(src));
		if (m->mail.flags & MAIL_ARENA) {
			src.virt = (uint8_t *)(uintptr_t)m->link->rx.arena +
				   frag->gref;
		} else {
			src.is_grant = true;
			src.domid = m->link->peer.domid;
			src.gref = frag->gref;
			src.offset = frag->offset;
		}
		put(&p, src, frag->len);
	}
	q->counter[VIF_RX_PACKETS]++;
	q->counter[VIF_RX_BYTES] += m->len;
	if (plan->gso_type != XPV_GSO_NONE)
		q->counter[VIF_RX_GSO]++;
}

/* Through our memory: false if it did not get there. */
static bool bounce(struct vif_queue *q, struct switch_mail *m)
{
	struct switch_port *sp = q->lan->port;
	uint8_t *room = port_batch_room(&q->rx_batch);
	struct port_frame *frame;

	if (!switch_take(sp, m))
		return false;
	if (!switch_fetch(sp, m, room)) {
		sp->counter[SWITCH_RX_DROP_GRANT]++;
		return false;
	}
	sp->counter[SWITCH_RX_BOUNCED]++;
	frame = port_batch_add(&q->rx_batch, m->len);
	frame->off = m->off;
	vif_rx_plan(q, q->rx_batch.nr - 1);
	return true;
}

/* Can the guest take it as it is? *plan says how, without slots if not. */
static bool plan_mail(struct vif_queue *q, const struct switch_mail *m,
		      struct rx_plan *plan)
{
	struct port_frame header = {
		.data = m->header,
		.len = m->header_len,
		.off = m->off,
	};

	memset(plan, 0, sizeof(*plan));
	if (offload_plan(q, &header, plan))
		return false;
	plan->len = m->len;
	if (m->len > vif_rx_slot_bytes(q) && !q->vif->guest.sg)
		return false;
	vif_rx_plan_rest(q, &header, plan);
	return true;
}

bool vif_lan_fetch(struct vif_queue *q, uint32_t *room)
{
	struct switch_port *sp = q->lan->port;
	struct switch_mail *m;
	struct rx_plan plan;

	q->lan->wanted = 1;
	while ((m = switch_peek(sp))) {
		if (!multicast_wanted(&q->vif->multicast, m->header)) {
			q->counter[VIF_RX_DROP_MULTICAST]++;
			switch_skip(sp, m);
			continue;
		}
		if (!plan_mail(q, m, &plan)) {
			if (!port_batch_room(&q->rx_batch))
				return false;
			if (bounce(q, m))
				return true;
			continue;
		}
		if (!vif_rx_fits(q, plan.slots, MAIL_OPS, *room)) {
			q->lan->wanted = plan.slots;
			return false;
		}
		if (!switch_take(sp, m))
			continue;
		place(q, m, &plan);
		if (m->mail.nr_frags)
			sp->counter[SWITCH_RX_DIRECT]++;
		*room -= plan.slots;
	}
	return false;
}

void vif_lan_fetched(struct vif_queue *q)
{
	switch_answer(q->lan->port);
}

void vif_lan_drain(struct vif_queue *q)
{
	struct switch_port *sp = q->lan->port;
	struct switch_mail *m;

	while ((m = switch_peek(sp))) {
		switch_skip(sp, m);
		q->counter[VIF_RX_DRAINED]++;
	}
	switch_answer(sp);
}
