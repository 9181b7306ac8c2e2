// SPDX-License-Identifier: MIT
/*
 * From the port to the guest.
 *
 * Frames are read from the port only while the guest has slots for them;
 * otherwise they wait in the queue of the device behind the port, which is
 * bounded. A tap cannot say how long its next frame is, so when few slots are
 * left one frame is read and, if it does not fit, waits here: never more than
 * that one (XSA-392). A frame that is cut for the guest waits here, too, until
 * the last of its segments has found slots.
 */
#include "headers.h"
#include "offload.h"
#include "queue.h"

#include <string.h>

uint32_t vif_rx_slot_bytes(const struct vif_queue *q)
{
	return XPV_PAGE_SIZE - q->vif->guest.headroom;
}

static uint8_t slots_for(const struct vif_queue *q, const struct rx_plan *plan)
{
	uint32_t most = vif_rx_slot_bytes(q);
	uint32_t slots = (plan->len + most - 1) / most;

	slots += plan->gso_type != XPV_GSO_NONE;
	slots += plan->has_hash;
	slots += q->vif->guest.headroom != 0;
	return (uint8_t)slots;
}

static void plan_hash(struct vif_queue *q, const struct port_frame *frame,
		      struct rx_plan *plan)
{
	struct hash_value v;

	if (!hash_on(&q->vif->legacy->hash))
		return;
	v = hash_frame(&q->vif->legacy->hash, frame->data, frame->len);
	plan->has_hash = v.valid;
	plan->hash_type = v.type;
	plan->hash = v.value;
}

void vif_rx_plan_rest(struct vif_queue *q, const struct port_frame *frame,
		      struct rx_plan *plan)
{
	plan_hash(q, frame, plan);
	plan->slots = slots_for(q, plan);
}

/* A guest without sg takes a frame in one slot, or not at all. */
static bool is_long(const struct vif_queue *q, const struct rx_plan *plan)
{
	return plan->len > vif_rx_slot_bytes(q) && !q->vif->guest.sg;
}

void vif_rx_plan(struct vif_queue *q, unsigned int i)
{
	struct port_frame *frame = &q->rx_batch.frame[i];
	struct rx_plan *plan = &q->rx_plan[i];

	memset(plan, 0, sizeof(*plan));
	if (frame->len < ETH_HEADER_LEN) {
		q->counter[VIF_RX_DROP_SHORT]++;
		return;
	}
	if (!multicast_wanted(&q->vif->legacy->multicast, frame->data)) {
		q->counter[VIF_RX_DROP_MULTICAST]++;
		return;
	}
	offload_to_guest(q, frame, plan);
	plan->len = frame->len;
	if (plan->cut) {
		struct segmenter s;

		if (!segment_start(&s, frame->data, frame->len, &frame->off)) {
			q->counter[VIF_RX_DROP_GSO]++;
			return;
		}
		plan->len = segment_len(&s);
	}
	if (is_long(q, plan)) {
		q->counter[VIF_RX_DROP_LONG]++;
		return;
	}
	vif_rx_plan_rest(q, frame, plan);
}

void vif_rx_plan_slots(struct vif_queue *q)
{
	for (unsigned int i = 0; i < q->rx_batch.nr; i++) {
		struct rx_plan *plan = &q->rx_plan[i];

		if (!plan->slots)
			continue;
		plan->slots = slots_for(q, plan);
		if (!is_long(q, plan))
			continue;
		plan->slots = 0;
		q->counter[VIF_RX_DROP_LONG]++;
		if (!i) /* it may have begun */
			memset(&q->cut, 0, sizeof(q->cut));
	}
}

/*
 * Read frames behind those of the batch, as many as are sure to fit into the
 * slots that are left, but at least one. True if any came.
 */
static bool fetch(struct vif_queue *q)
{
	struct port_batch *b = &q->rx_batch;
	uint32_t worst = q->vif->guest.sg ? q->vif->guest.frame_slots : 1;
	unsigned int max = q->rx_room / worst, first = b->nr, got;

	if (!q->port_ready || q->vif->steer.on || !q->rx_room ||
	    !port_batch_room(b))
		return false;
	if (!max)
		max = 1;
	got = q->port->ops->receive(q->port, b, max);
	if (got < max && port_batch_room(b))
		q->port_ready = false;
	for (unsigned int i = first; i < b->nr; i++)
		vif_rx_plan(q, i);
	return got;
}

/* ---- slots ---- */

/* Take the next posted slot; its response is filled in by the caller. */
static union rx_response *take_slot(struct vif_queue *q, uint32_t *gref)
{
	struct rx_slot *slot = &q->rx_slot[q->rx_answers.n];
	union rx_response *out = answers_add(&q->rx_answers);
	struct xpv_netif_rx_request req;

	xpv_back_take(&q->rx, &req, sizeof(req));
	q->rx_room--;
	slot->gref = req.gref;
	slot->id = req.id;
	memset(out, 0, sizeof(*out));
	out->rsp.id = req.id;
	*gref = req.gref;
	return out;
}

/* Extras overlay the responses of the slots behind the first. */
static struct xpv_netif_extra *place_extra(struct vif_queue *q, uint8_t type,
					   struct xpv_netif_extra *before)
{
	uint32_t gref;
	union rx_response *out = take_slot(q, &gref);

	memset(out, 0, sizeof(*out));
	out->extra.type = type;
	if (before)
		before->flags = XPV_EXTRA_MORE;
	return &out->extra;
}

void vif_rx_extras(struct vif_queue *q, const struct rx_plan *plan)
{
	struct xpv_netif_extra *extra = NULL;

	if (plan->gso_type != XPV_GSO_NONE) {
		extra = place_extra(q, XPV_EXTRA_GSO, extra);
		extra->gso.size = plan->gso_size;
		extra->gso.type = plan->gso_type;
	}
	if (plan->has_hash) {
		extra = place_extra(q, XPV_EXTRA_HASH, extra);
		extra->hash.type = plan->hash_type;
		extra->hash.algorithm = XPV_HASH_ALGORITHM_TOEPLITZ;
		for (int i = 0; i < 4; i++)
			extra->hash.value[i] = (uint8_t)(plan->hash >> 8 * i);
	}
	if (q->vif->guest.headroom) {
		extra = place_extra(q, XPV_EXTRA_XDP, extra);
		extra->xdp.headroom = q->vif->guest.headroom;
	}
}

uint32_t vif_rx_slot(struct vif_queue *q, uint32_t len, uint16_t flags,
		     uint32_t *gref)
{
	union rx_response *out = take_slot(q, gref);

	out->rsp.offset = q->vif->guest.headroom;
	out->rsp.flags = flags;
	out->rsp.status = (int16_t)len;
	return q->rx_answers.n - 1;
}

struct hyper_copy *vif_rx_op(struct vif_queue *q, uint32_t slot, uint32_t gref,
			     uint32_t at)
{
	struct hyper_copy *op = vif_queue_op(q);

	q->rx_rsp_of_op[q->nr_ops - 1] = (uint16_t)slot;
	op->dst.is_grant = true;
	op->dst.domid = q->vif->worker->domid;
	op->dst.gref = gref;
	op->dst.offset = (uint16_t)(q->vif->guest.headroom + at);
	return op;
}

static void place_piece(struct vif_queue *q, uint8_t *data, uint32_t len,
			uint16_t flags)
{
	uint32_t gref, slot = vif_rx_slot(q, len, flags, &gref);
	struct hyper_copy *op = vif_rx_op(q, slot, gref, 0);

	op->src.virt = data;
	op->len = (uint16_t)len;
}

uint16_t vif_rx_flags(const struct vif_queue *q, const struct rx_plan *plan)
{
	bool extras = plan->gso_type != XPV_GSO_NONE || plan->has_hash ||
		      q->vif->guest.headroom;

	return (uint16_t)(plan->flags | (extras ? XPV_RX_EXTRA : 0));
}

/* Give the frame the guest's slots and plan the copies. */
static void place(struct vif_queue *q, const struct port_frame *frame,
		  const struct rx_plan *plan)
{
	uint16_t flags = vif_rx_flags(q, plan);
	uint32_t most = vif_rx_slot_bytes(q);

	for (uint32_t at = 0; at < frame->len; at += most) {
		uint32_t len = frame->len - at;

		if (len > most) {
			len = most;
			flags |= XPV_RX_MORE;
		}
		place_piece(q, frame->data + at, len, flags);
		if (flags & XPV_RX_EXTRA)
			vif_rx_extras(q, plan);
		flags = 0;
	}
	q->counter[VIF_RX_PACKETS]++;
	q->counter[VIF_RX_BYTES] += frame->len;
	if (plan->gso_type != XPV_GSO_NONE)
		q->counter[VIF_RX_GSO]++;
}

bool vif_rx_fits(const struct vif_queue *q, uint32_t slots, uint32_t ops)
{
	return slots <= q->rx_room && q->nr_ops + ops <= RING_SLOTS;
}

static bool fits(const struct vif_queue *q, uint32_t slots)
{
	return vif_rx_fits(q, slots, q->vif->guest.frame_slots);
}

/*
 * Place segments of the first frame of the batch while slots last. True: the
 * last one is placed.
 */
static bool place_segments(struct vif_queue *q, const struct port_frame *frame,
			   struct rx_plan *plan)
{
	struct port_batch *b = &q->vif->segments;
	struct segmenter *s = &q->cut;
	struct port_offload off;

	if (!segment_more(s))
		segment_start(s, frame->data, frame->len, &frame->off);
	s->frame = frame->data; /* it moves to the front between turns */
	while (segment_more(s)) {
		uint8_t *to = port_batch_room(b);

		plan->len = segment_len(s);
		plan->slots = slots_for(q, plan);
		if (!to || !fits(q, plan->slots))
			return false;
		segment_next(s, to, &off);
		csum_complete(to, plan->len, off.csum_start, off.csum_offset);
		place(q, port_batch_add(b, plan->len), plan);
	}
	memset(&q->cut, 0, sizeof(q->cut));
	q->counter[VIF_RX_CUT]++;
	return true;
}

bool vif_rx_place(struct vif_queue *q)
{
	struct port_batch *b = &q->rx_batch;

	for (; q->rx_done < b->nr; q->rx_done++) {
		struct rx_plan *plan = &q->rx_plan[q->rx_done];
		struct port_frame *frame = &b->frame[q->rx_done];

		if (!fits(q, plan->slots))
			return false;
		if (plan->slots && plan->cut) {
			if (!place_segments(q, frame, plan))
				return false;
		} else if (plan->slots) {
			place(q, frame, plan);
		}
	}
	return true;
}

static void answer(struct vif_queue *q)
{
	for (unsigned int i = 0; i < q->nr_ops; i++) {
		if (q->ops[i].status == HYPER_COPY_OKAY)
			continue;
		vif_rx_rsp(q, q->rx_rsp_of_op[i])->rsp.status = XPV_NETIF_ERROR;
		q->counter[VIF_RX_GRANT_ERRORS]++;
	}
	if (answers_push(&q->rx_answers, &q->rx))
		loop_notify(q->vif->worker->loop, &q->event[q->nr_events - 1]);
}

static void forget(struct vif_queue *q, unsigned int done)
{
	unsigned int keep = q->rx_batch.nr - done;

	port_batch_keep(&q->rx_batch, keep);
	memmove(q->rx_plan, q->rx_plan + done, keep * sizeof(q->rx_plan[0]));
}

bool vif_rx_begin(struct vif_queue *q)
{
	int room = xpv_back_pending(&q->rx);

	if (room < 0) {
		vif_queue_broken(q,
				 "rx ring: req_prod is ahead of the %u "
				 "slots of the ring",
				 q->rx.ring.entries);
		return false;
	}
	if (q->starved_since && (uint32_t)room >= vif_rx_wanted(q))
		vif_fed(q);
	q->rx_room = (uint32_t)room;
	q->rx_done = 0;
	q->nr_ops = 0;
	return true;
}

bool vif_rx_end(struct vif_queue *q)
{
	bool found = q->rx_done || q->rx_answers.n;

	if (q->rx_answers.n) {
		vif_queue_copy(q, 0);
		if (q->lan)
			vif_lan_settle(q);
		answer(q);
	}
	if (q->rx_done)
		forget(q, q->rx_done);
	return found;
}

bool vif_rx_turn(struct vif_queue *q)
{
	bool found;

	if (!vif_rx_begin(q))
		return true;
	while (vif_rx_place(q) && fetch(q))
		;
	found = vif_rx_end(q);
	port_batch_reset(&q->vif->segments);
	return found;
}

void vif_rx_drain(struct vif_queue *q)
{
	struct port_batch *b = &q->rx_batch;
	unsigned int got;

	memset(&q->cut, 0, sizeof(q->cut));
	if (q->lan)
		vif_lan_drain(q->vif->lan, q);
	/* Bounded: a port that is filled as fast goes on next time. */
	for (int i = 0; i < 16; i++) {
		q->counter[VIF_RX_DRAINED] += b->nr;
		port_batch_reset(b);
		if (q->lan || q->vif->steer.on)
			return;
		got = q->port->ops->receive(q->port, b, PORT_BATCH);
		q->port_ready = got;
		if (!got)
			break;
	}
	q->counter[VIF_RX_DRAINED] += b->nr;
	port_batch_reset(b);
}

bool vif_rx_arm(struct vif_queue *q)
{
	bool may_come =
		q->lan ? q->lan->held : q->port_ready && !q->vif->steer.on;
	uint32_t need = vif_rx_wanted(q);
	int n;

	/* Events for posted slots are wanted only while a frame waits. */
	if (!q->rx_batch.nr && !may_come && !q->starved_since)
		return false;
	n = xpv_back_final_check_at(&q->rx, need);
	if (n < 0 || (uint32_t)n >= need)
		return true;
	vif_starve(q);
	return false;
}
