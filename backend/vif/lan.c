// SPDX-License-Identifier: MIT
/* From the guest to the switch, and a port's life; see lan_rx.c. */
#include "lan.h"

#include "headers.h"
#include "queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- turns ---- */

static bool run(struct loop_work *work)
{
	struct vif_lan *lan = work->owner;
	struct vif *vif = lan->vif;
	bool found;

	if (vif->broken)
		return false;
	found = switch_reap(lan->port, loop_now());
	lan->first++;
	for (unsigned int i = 0; i < vif->nr_connected && !vif->broken; i++) {
		unsigned int at = (lan->first + i) % vif->nr_connected;
		struct vif_queue *q = &vif->queue[at];
		bool any;

		/* Who had no room may have some, or has been given up. */
		q->lan->blocked = false;
		any = vif_tx_turn(q);
		q->active |= any;
		found |= any;
	}
	return found | (!vif->broken && vif_lan_receive(lan));
}

/*
 * Before a sleep: answers of other workers, and when to lose patience with
 * them; their mail; the guest's rings.
 */
static bool arm(struct loop_work *work)
{
	struct vif_lan *lan = work->owner;
	struct vif *vif = lan->vif;
	bool waits = false, found;

	if (vif->broken)
		return false;
	found = switch_arm_receiver(lan->port);
	for (unsigned int i = 0; i < vif->nr_connected; i++) {
		struct lan_queue *lq = &lan->queue[i];

		waits |= lq->blocked || lq->head != lq->tail;
		found |= vif_queue_arm(&vif->queue[i]);
	}
	if (!waits) {
		loop_timer_cancel(&lan->hold);
		return found;
	}
	if (switch_arm_sender(lan->port))
		return true;
	if (!lan->hold.set)
		loop_timer_set(vif->worker->loop, &lan->hold,
			       loop_now() + SWITCH_HOLD_MS);
	return found;
}

/* Somebody has been waited for as long as we do: the turn sees to it. */
static void hold_expired(struct loop_timer *timer)
{
	(void)timer;
}

/* ---- life ---- */

static void released(void *owner, uint16_t cookie)
{
	struct vif_lan *lan = owner;
	struct lan_queue *lq = &lan->queue[cookie / LAN_FLIGHTS];

	lq->flight[cookie % LAN_FLIGHTS].held--;
}

struct vif_lan *vif_lan_new(struct vif *vif, const struct ipc_vif_switch *s,
			    const uint8_t mac[6], struct reason *why)
{
	struct worker *w = vif->worker;
	struct vif_lan *lan =
		calloc(1, sizeof(*lan) + s->max_queues * sizeof(lan->queue[0]));
	struct guard guard = s->guard;

	memcpy(guard.mac, mac, sizeof(guard.mac));
	if (lan)
		lan->port = switch_new(w->loop, w->hyper, &s->vlans, &guard);
	if (!lan || !lan->port) {
		reason_set(why, "out of memory");
		free(lan);
		errno = ENOMEM;
		return NULL;
	}
	lan->vif = vif;
	lan->port->released = released;
	lan->port->owner = lan;
	lan->work.run = run;
	lan->work.arm = arm;
	lan->work.owner = lan;
	lan->hold.expired = hold_expired;
	lan->hold.owner = lan;
	return lan;
}

void vif_lan_free(struct vif_lan *lan)
{
	if (lan)
		switch_free(lan->port);
	free(lan);
}

void vif_lan_start(struct vif_lan *lan, bool resumed)
{
	struct vif *vif = lan->vif;

	memset(lan->queue, 0, vif->nr_queues * sizeof(lan->queue[0]));
	for (unsigned int i = 0; i < vif->nr_queues; i++)
		lan->queue[i].wanted = 1;
	if (!resumed)
		vif_lan_drain(lan, NULL);
	loop_work_add(vif->worker->loop, &lan->work);
	lan->working = true;
}

void vif_lan_stop(struct vif_lan *lan)
{
	struct vif *vif = lan->vif;

	if (!lan->working)
		return;
	lan->working = false;
	loop_work_del(vif->worker->loop, &lan->work);
	switch_set_open(lan->port, false);
	switch_quiesce(lan->port);
	loop_timer_cancel(&lan->hold);
	for (unsigned int i = 0; i < vif->nr_queues; i++)
		lan->queue[i].head = lan->queue[i].tail;
}

/* ---- sending ---- */

/*
 * The header is all there is to judge by; the receiver judges it again. The
 * pseudo header's sum needs no more.
 */
static bool describe(struct vif_queue *q, const struct tx_packet *pkt,
		     uint32_t len, struct switch_packet *out,
		     enum vif_counter *drop)
{
	uint8_t ip = pkt->gso_type == XPV_GSO_TCPV4 ? 4 : 6;
	struct headers h;

	if (!pkt->csum_blank && pkt->gso_type == XPV_GSO_NONE)
		return true;
	headers_parse(out->header, out->header_len, &h);
	out->flags = MAIL_CSUM_BLANK;
	*drop = VIF_TX_DROP_CSUM;
	if (pkt->gso_type == XPV_GSO_NONE)
		return h.proto;
	*drop = VIF_TX_DROP_GSO;
	if (h.ip != ip || h.proto != 6)
		return false;
	if (!pkt->csum_blank) {
		headers_put_pseudo_sum(out->header, len, &h);
		q->counter[VIF_TX_CSUM_FIXED]++;
	}
	out->gso = ip == 4 ? PORT_GSO_TCPV4 : PORT_GSO_TCPV6;
	out->gso_size = pkt->gso_size;
	q->counter[VIF_TX_GSO]++;
	return true;
}

/* The fragments without the header's bytes, and the whole packet's length. */
static uint32_t cut_header(const struct vif_queue *q,
			   const struct tx_packet *pkt, uint32_t header,
			   struct mail_frag *out, unsigned int *nr)
{
	const struct xpv_net_frag *frag = &q->tx_frags[pkt->frag];
	uint32_t len = 0;

	*nr = 0;
	for (unsigned int i = 0; i < pkt->nr_frags; i++, frag++) {
		uint32_t skip = header < frag->size ? header : frag->size;

		header -= skip;
		len += frag->size;
		if (skip == frag->size)
			continue;
		out[(*nr)++] = (struct mail_frag){
			.gref = frag->gref,
			.offset = (uint16_t)(frag->offset + skip),
			.len = (uint16_t)(frag->size - skip),
		};
	}
	return len;
}

/* The number of links that hold it, or -EAGAIN. */
static int send_packet(struct vif_queue *q, struct tx_packet *pkt, uint64_t now)
{
	struct port_frame *frame = &q->tx_batch.frame[pkt->frame];
	struct switch_packet out = {
		.header = frame->data,
		.header_len = frame->len,
	};
	enum vif_counter drop = VIF_TX_DROP_GRANT;
	struct mail_frag frag[MAIL_FRAGS];
	uint32_t len = cut_header(q, pkt, frame->len, frag, &out.nr_frags);
	int held;

	out.frag = frag;
	if (!vif_tx_copied(q, pkt) || !describe(q, pkt, len, &out, &drop)) {
		q->counter[drop]++;
		pkt->status = XPV_NETIF_ERROR;
		return 0;
	}
	held = switch_forward(q->vif->lan->port, &out,
			      (uint16_t)(vif_queue_number(q) * LAN_FLIGHTS +
					 q->lan->tail % LAN_FLIGHTS),
			      now);
	if (held >= 0) {
		q->counter[VIF_TX_PACKETS]++;
		q->counter[VIF_TX_BYTES] += len;
	}
	return held;
}

unsigned int vif_lan_send(struct vif_queue *q, unsigned int nr)
{
	struct lan_queue *lan = q->lan;
	uint64_t now = loop_now();
	unsigned int done;

	for (done = 0; done < nr; done++) {
		struct tx_packet *pkt = &q->tx_packets[done];
		uint32_t first = q->tx.req_cons + pkt->at;
		int held = pkt->send ? send_packet(q, pkt, now) : 0;

		if (held < 0)
			break;
		for (unsigned int i = 0; i < pkt->used; i++)
			lan->id[(first + i) % LAN_FLIGHTS] =
				q->tx_slots[pkt->at + i].id;
		lan->flight[lan->tail++ % LAN_FLIGHTS] = (struct lan_flight){
			.first = first,
			.used = pkt->used,
			.nr_extras = pkt->nr_extras,
			.held = (uint8_t)held,
			.status = pkt->status,
		};
	}
	lan->blocked = done < nr;
	switch_flush(q->vif->lan->port);
	return done;
}

static void answer(struct vif_queue *q, const struct lan_flight *f)
{
	for (unsigned int i = 0; i < f->used; i++)
		vif_tx_answer(q, q->lan->id[(f->first + i) % LAN_FLIGHTS],
			      i && i <= f->nr_extras, f->status);
}

void vif_lan_answer(struct vif_queue *q)
{
	struct lan_queue *lan = q->lan;

	while (lan->head != lan->tail) {
		struct lan_flight *f = &lan->flight[lan->head % LAN_FLIGHTS];

		if (f->held)
			break;
		answer(q, f);
		lan->head++;
	}
}
