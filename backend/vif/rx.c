// SPDX-License-Identifier: MIT
/*
 * From the port to the guest.
 *
 * Frames are read from the port only while the guest has slots for them;
 * otherwise they wait in the queue of the device behind the port, which is
 * bounded. A tap cannot say how long its next frame is, so when few slots are
 * left one frame is read and, if it does not fit, waits here: never more than
 * that one (XSA-392).
 */
#include "offload.h"
#include "queue.h"

#include <string.h>

/*
 * Read frames behind those of the batch, as many as are sure to fit into
 * @room slots, but at least one. True if any came.
 */
static bool fetch(struct vif_queue *q, uint32_t room)
{
	struct port_batch *b = &q->rx_batch;
	uint32_t worst = q->vif->guest.sg ? RX_FRAME_SLOTS : 1;
	unsigned int max = room / worst, first = b->nr, got;

	if (!q->port_ready || !room || !port_batch_room(b))
		return false;
	if (!max)
		max = 1;
	got = q->port->ops->receive(q->port, b, max);
	if (got < max && port_batch_room(b))
		q->port_ready = false;
	for (unsigned int i = first; i < b->nr; i++)
		offload_to_guest(q, &b->frame[i], &q->rx_plan[i]);
	return got;
}

/* Take the next posted slot; its response is filled in by the caller. */
static union rx_response *take_slot(struct vif_queue *q, uint32_t *gref)
{
	union rx_response *out = &q->rx_rsp[q->nr_rx_rsp++];
	struct xpv_netif_rx_request req;

	xpv_back_take(&q->rx, &req, sizeof(req));
	memset(out, 0, sizeof(*out));
	out->rsp.id = req.id;
	*gref = req.gref;
	return out;
}

/* The extra overlays the response of the slot behind the first. */
static void place_gso(struct vif_queue *q, const struct rx_plan *plan)
{
	uint32_t gref;
	union rx_response *out = take_slot(q, &gref);

	memset(out, 0, sizeof(*out));
	out->extra.type = XPV_EXTRA_GSO;
	out->extra.gso.size = plan->gso_size;
	out->extra.gso.type = plan->gso_type;
}

static void place_page(struct vif_queue *q, uint8_t *data, uint32_t len,
		       uint16_t flags)
{
	uint32_t gref;
	unsigned int slot = q->nr_rx_rsp;
	union rx_response *out = take_slot(q, &gref);
	struct hyper_copy *op = vif_queue_op(q);

	out->rsp.flags = flags;
	out->rsp.status = (int16_t)len;
	q->rx_rsp_of_op[q->nr_ops - 1] = (uint16_t)slot;
	op->src.virt = data;
	op->dst.is_grant = true;
	op->dst.domid = q->vif->worker->domid;
	op->dst.gref = gref;
	op->len = (uint16_t)len;
}

/* Give the frame plan->slots of the guest's slots and plan the copies. */
static void place(struct vif_queue *q, const struct port_frame *frame,
		  const struct rx_plan *plan)
{
	uint16_t flags = plan->flags;

	if (plan->gso_type != XPV_GSO_NONE) {
		flags |= XPV_RX_EXTRA;
		q->counter[VIF_RX_GSO]++;
	}
	for (uint32_t at = 0; at < frame->len; at += XPV_PAGE_SIZE) {
		uint32_t len = frame->len - at;

		if (len > XPV_PAGE_SIZE) {
			len = XPV_PAGE_SIZE;
			flags |= XPV_RX_MORE;
		}
		place_page(q, frame->data + at, len, flags);
		if (flags & XPV_RX_EXTRA)
			place_gso(q, plan);
		flags = 0;
	}
	q->counter[VIF_RX_PACKETS]++;
	q->counter[VIF_RX_BYTES] += frame->len;
}

/* Place frames while slots last. Returns how many are done with. */
static unsigned int place_frames(struct vif_queue *q, uint32_t room)
{
	struct port_batch *b = &q->rx_batch;
	unsigned int done = 0;

	for (;;) {
		const struct rx_plan *plan = &q->rx_plan[done];

		if (done == b->nr && !fetch(q, room))
			break;
		if (plan->slots > room ||
		    q->nr_ops + RX_FRAME_SLOTS > RING_SLOTS)
			break;
		if (plan->slots)
			place(q, &b->frame[done], plan);
		room -= plan->slots;
		done++;
	}
	return done;
}

static void answer(struct vif_queue *q)
{
	for (unsigned int i = 0; i < q->nr_ops; i++) {
		if (q->ops[i].status == HYPER_COPY_OKAY)
			continue;
		q->rx_rsp[q->rx_rsp_of_op[i]].rsp.status = XPV_NETIF_ERROR;
		q->counter[VIF_RX_GRANT_ERRORS]++;
	}
	for (unsigned int i = 0; i < q->nr_rx_rsp; i++)
		xpv_back_put(&q->rx, &q->rx_rsp[i], sizeof(q->rx_rsp[i]));
	if (xpv_back_push(&q->rx))
		loop_notify(q->vif->worker->loop, &q->event[q->nr_events - 1]);
}

static void forget(struct vif_queue *q, unsigned int done)
{
	unsigned int keep = q->rx_batch.nr - done;

	port_batch_keep(&q->rx_batch, keep);
	memmove(q->rx_plan, q->rx_plan + done, keep * sizeof(q->rx_plan[0]));
}

bool vif_rx_turn(struct vif_queue *q)
{
	int room = xpv_back_pending(&q->rx);
	unsigned int done;

	if (room < 0) {
		vif_queue_broken(q,
				 "rx ring: req_prod is ahead of the %u "
				 "slots of the ring",
				 q->rx.ring.entries);
		return true;
	}
	q->nr_ops = 0;
	q->nr_rx_rsp = 0;
	done = place_frames(q, (uint32_t)room);
	if (q->nr_rx_rsp) {
		vif_queue_copy(q);
		answer(q);
	}
	if (done) {
		forget(q, done);
		q->rx_wait_since = 0;
	}
	return done;
}

void vif_rx_drain(struct vif_queue *q)
{
	struct port_batch *b = &q->rx_batch;
	unsigned int got;

	/* Bounded: a port that is filled as fast goes on next time. */
	for (int i = 0; i < 16; i++) {
		q->counter[VIF_RX_DRAINED] += b->nr;
		port_batch_reset(b);
		got = q->port->ops->receive(q->port, b, PORT_BATCH);
		q->port_ready = got;
		if (!got)
			break;
	}
	port_batch_reset(b);
}

bool vif_rx_arm(struct vif_queue *q, uint64_t now)
{
	uint32_t need = q->rx_batch.nr ? q->rx_plan[0].slots : 1;
	int n;

	/* Events for posted slots are wanted only while a frame waits. */
	if (!q->rx_batch.nr && !q->port_ready)
		return false;
	n = xpv_back_final_check_at(&q->rx, need);
	if (n < 0 || (uint32_t)n >= need)
		return true;
	if (!q->rx_wait_since) {
		q->rx_wait_since = now;
		q->counter[VIF_RX_STALLS]++;
	} else if (now - q->rx_wait_since >= q->vif->drain_ms) {
		vif_rx_drain(q);
	}
	return false;
}
