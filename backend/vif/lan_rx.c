// SPDX-License-Identifier: MIT
/* From the switch to the guest. */
#include "lan.h"

#include "offload.h"
#include "queue.h"

#include <string.h>

/* A mail's copies: one a slot, and one more for each piece that straddles. */
#define MAIL_MORE_OPS (MAIL_FRAGS + 1)
_Static_assert(RX_FRAME_SLOTS(IPC_VIF_MAX_HEADROOM) + MAIL_MORE_OPS <=
		       RING_SLOTS,
	       "each mail fits into a turn");

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
	struct lan_arrival *a = &q->lan->arrival[q->lan->nr_arrivals++];
	struct place p = {.q = q, .left = m->len, .plan = plan};
	struct hyper_copy_end src = {.virt = m->header};

	a->link = m->link;
	a->len = m->len;
	a->gso = plan->gso_type != XPV_GSO_NONE;
	a->copied = m->mail.nr_frags;
	a->slot = (uint16_t)q->rx_answers.n;
	a->op = (uint16_t)q->nr_ops;
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
	a->nr_slots = (uint16_t)(q->rx_answers.n - a->slot);
	a->nr_ops = (uint16_t)(q->nr_ops - a->op);
}

/* Through our memory: false if it did not get there. */
static bool bounce(struct vif_queue *q, struct switch_mail *m)
{
	struct switch_port *sp = q->vif->lan->port;
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

/* False: there is no room for it in this turn. */
static bool offer(struct vif_queue *q, struct switch_mail *m)
{
	struct switch_port *sp = q->vif->lan->port;
	struct rx_plan plan;

	/* Nothing overtakes what waits. */
	if (q->lan->held || q->rx_done < q->rx_batch.nr)
		return false;
	if (plan_mail(q, m, &plan)) {
		q->lan->wanted = plan.slots;
		if (!vif_rx_fits(q, plan.slots,
				 q->vif->guest.frame_slots + MAIL_MORE_OPS))
			return false;
		if (switch_take(sp, m))
			place(q, m, &plan);
		return true;
	}
	if (!port_batch_room(&q->rx_batch))
		return false;
	if (bounce(q, m))
		vif_rx_place(q);
	return true;
}

static void deliver(struct vif *vif, struct switch_mail *m)
{
	struct vif_queue *q = vif_steer_queue(vif, m->header, m->header_len);

	if (!multicast_wanted(&vif->legacy->multicast, m->header)) {
		q->counter[VIF_RX_DROP_MULTICAST]++;
		switch_skip(vif->lan->port, m);
	} else if (offer(q, m)) {
		q->lan->wanted = 1;
	} else if (vif_neglected(q)) {
		q->counter[VIF_RX_DRAINED]++;
		switch_skip(vif->lan->port, m);
	} else {
		q->lan->held = true;
		switch_hold(vif->lan->port, m);
	}
}

/*
 * A mail waits. The patience with its queue begins, and with all that have no
 * slots: of a guest that has stopped, none is waited for behind another.
 */
static void starve(struct vif_lan *lan)
{
	struct vif *vif = lan->vif;

	for (unsigned int i = 0; i < vif->nr_connected; i++) {
		struct vif_queue *q = &vif->queue[i];
		uint32_t wanted = q->lan->held ? vif_rx_wanted(q) : 1;

		if (q->rx_room < wanted)
			vif_starve(q);
	}
}

bool vif_lan_receive(struct vif_lan *lan)
{
	struct vif *vif = lan->vif;
	struct switch_mail *m;
	bool found = false;

	switch_begin(lan->port);
	for (unsigned int i = 0; i < vif->nr_connected; i++) {
		if (!vif_rx_begin(&vif->queue[i]))
			return true;
		lan->queue[i].held = false;
		lan->queue[i].wanted = 1;
		vif_rx_place(&vif->queue[i]);
	}
	while ((m = switch_peek(lan->port)))
		deliver(vif, m);
	if (switch_holding(lan->port))
		starve(lan);
	for (unsigned int i = 0; i < vif->nr_connected; i++) {
		bool any = vif_rx_end(&vif->queue[i]);

		vif->queue[i].active |= any;
		found |= any;
	}
	switch_answer(lan->port);
	port_batch_reset(&vif->segments);
	return found;
}

void vif_lan_drain(struct vif_lan *lan, const struct vif_queue *q)
{
	struct vif *vif = lan->vif;
	struct switch_mail *m;

	switch_begin(lan->port);
	while ((m = switch_peek(lan->port))) {
		struct vif_queue *to =
			vif_steer_queue(vif, m->header, m->header_len);

		if (q && to != q) {
			switch_hold(lan->port, m);
			continue;
		}
		to->counter[VIF_RX_DRAINED]++;
		switch_skip(lan->port, m);
	}
	switch_answer(lan->port);
}

/* ---- after the copies ---- */

/*
 * A copy from grant to grant does not say whose it failed for. To memory of
 * ours it fails for the sender's alone.
 */
static bool readable(struct vif_queue *q, const struct hyper_copy *failed)
{
	struct hyper *h = q->vif->worker->hyper;
	uint8_t nowhere[XPV_PAGE_SIZE];
	struct hyper_copy op = {
		.src = failed->src,
		.dst.virt = nowhere,
		.len = failed->len,
	};

	return !h->ops->copy(h, &op, 1) && op.status == HYPER_COPY_OKAY;
}

static bool spoilt(struct vif_queue *q, const struct lan_arrival *a)
{
	for (unsigned int i = a->op; i < a->op + a->nr_ops; i++)
		if (q->ops[i].status != HYPER_COPY_OKAY &&
		    q->ops[i].src.is_grant && !readable(q, &q->ops[i]))
			return true;
	return false;
}

/* What is behind it in the turn moves to its place. */
static void take_out(struct vif_queue *q, const struct lan_arrival *a)
{
	unsigned int slot = a->slot + a->nr_slots, op = a->op + a->nr_ops;

	memmove(vif_rx_rsp(q, a->slot), vif_rx_rsp(q, slot),
		(q->rx_answers.n - slot) * sizeof(union rx_response));
	memmove(q->ops + a->op, q->ops + op,
		(q->nr_ops - op) * sizeof(q->ops[0]));
	memmove(q->rx_rsp_of_op + a->op, q->rx_rsp_of_op + op,
		(q->nr_ops - op) * sizeof(q->rx_rsp_of_op[0]));
	q->rx_answers.n -= a->nr_slots;
	q->nr_ops -= a->nr_ops;
	for (unsigned int i = a->op; i < q->nr_ops; i++)
		q->rx_rsp_of_op[i] =
			(uint16_t)(q->rx_rsp_of_op[i] - a->nr_slots);
}

/*
 * Take out the arrival at @first and all behind it of the same sender, so
 * that the work a sender can make is bounded by what it has sent.
 */
static void take_out_sender(struct vif_queue *q, unsigned int first)
{
	struct lan_queue *lan = q->lan;
	const struct switch_link *link = lan->arrival[first].link;
	unsigned int slots = 0, ops = 0, keep = first;

	for (unsigned int i = first; i < lan->nr_arrivals; i++) {
		struct lan_arrival a = lan->arrival[i];

		a.slot = (uint16_t)(a.slot - slots);
		a.op = (uint16_t)(a.op - ops);
		if (a.link != link) {
			lan->arrival[keep++] = a;
			continue;
		}
		take_out(q, &a);
		slots += a.nr_slots;
		ops += a.nr_ops;
		q->vif->lan->port->counter[SWITCH_RX_DROP_GRANT]++;
	}
	lan->nr_arrivals = keep;
	xpv_back_return(&q->rx, slots);
}

/* The responses and copies from a packet's first on have other slots now. */
static void copy_anew(struct vif_queue *q, unsigned int slot, unsigned int op)
{
	bool extra = false;

	for (; slot < q->rx_answers.n; slot++) {
		union rx_response *out = vif_rx_rsp(q, slot);

		if (extra) {
			extra = out->extra.flags & XPV_EXTRA_MORE;
			continue;
		}
		out->rsp.id = q->rx_slot[slot].id;
		extra = out->rsp.flags & XPV_RX_EXTRA;
	}
	for (unsigned int i = op; i < q->nr_ops; i++)
		q->ops[i].dst.gref = q->rx_slot[q->rx_rsp_of_op[i]].gref;
	vif_queue_copy(q, op);
}

void vif_lan_settle(struct vif_queue *q)
{
	struct lan_queue *lan = q->lan;
	unsigned int i = 0;

	while (i < lan->nr_arrivals) {
		const struct lan_arrival *a = &lan->arrival[i];
		unsigned int slot = a->slot, op = a->op;

		if (spoilt(q, a)) {
			take_out_sender(q, i);
			copy_anew(q, slot, op);
			continue;
		}
		q->counter[VIF_RX_PACKETS]++;
		q->counter[VIF_RX_BYTES] += a->len;
		q->counter[VIF_RX_GSO] += a->gso;
		q->vif->lan->port->counter[SWITCH_RX_DIRECT] += a->copied;
		i++;
	}
	lan->nr_arrivals = 0;
}
