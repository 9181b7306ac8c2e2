// SPDX-License-Identifier: MIT
/*
 * From the guest to the port.
 *
 * A batch of slots is copied from the ring once and assembled into packets,
 * which are descriptors so far: where each packet's fragments lie. They are
 * then fetched by one grant copy, each packet's into one linear frame: what
 * the guest granted is never mapped, and headers that it spread over slots
 * need no special care behind this point.
 */
#include "offload.h"
#include "queue.h"

#include <string.h>
#include <time.h>

static enum vif_counter drop_counter(enum xpv_net_verdict verdict)
{
	switch (verdict) {
	case XPV_NET_DROP_SLOTS:
		return VIF_TX_DROP_SLOTS;
	case XPV_NET_DROP_LONG:
		return VIF_TX_DROP_LONG;
	default:
		return VIF_TX_DROP_SHORT;
	}
}

/* ---- descriptors ---- */

/* A change of the multicast list: it carries no packet. */
static int16_t change_filter(struct vif_queue *q,
			     const struct xpv_net_packet *pkt)
{
	struct multicast *m = &q->vif->legacy->multicast;

	if (pkt->mcast_op == XPV_EXTRA_MCAST_DEL) {
		multicast_del(m, pkt->mcast_addr);
	} else if (!multicast_add(m, pkt->mcast_addr)) {
		q->counter[VIF_TX_MULTICAST_FULL]++;
		return XPV_NETIF_ERROR;
	}
	q->counter[VIF_TX_MULTICAST]++;
	return XPV_NETIF_OKAY;
}

/* What to do with a packet, and where its bytes are; nothing is copied yet. */
static void add_packet(struct vif_queue *q, const struct xpv_net_packet *pkt,
		       enum xpv_net_verdict verdict, struct tx_packet *out)
{
	out->nr_extras = pkt->nr_extras;
	out->status = XPV_NETIF_ERROR;
	out->send = false;
	if (verdict != XPV_NET_OK) {
		q->counter[drop_counter(verdict)]++;
		return;
	}
	if (pkt->mcast_op) {
		out->status = change_filter(q, pkt);
		return;
	}
	out->status = XPV_NETIF_OKAY;
	out->send = true;
	out->csum_blank = pkt->csum_blank;
	out->gso_type = pkt->gso_type;
	out->gso_size = pkt->gso_size;
	out->size = pkt->size;
	/* Of a packet to a switch, the header is all that is looked at. */
	port_batch_add(&q->tx_batch, q->lan && pkt->size > MAIL_HEADER
					     ? MAIL_HEADER
					     : pkt->size);
	out->frame = (uint16_t)(q->tx_batch.nr - 1);
	out->frag = (uint16_t)q->nr_tx_frags;
	out->nr_frags = pkt->nr_frags;
	memcpy(q->tx_frags + q->nr_tx_frags, pkt->frag,
	       pkt->nr_frags * sizeof(pkt->frag[0]));
	q->nr_tx_frags += pkt->nr_frags;
}

static uint64_t now_usec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* May @size bytes leave now? If not, the queue is left alone for a while. */
static bool has_credit(struct vif_queue *q, uint32_t size)
{
	struct credit *c = &q->vif->credit;
	uint64_t wait;

	if (!c->bytes ||
	    credit_take(c, vif_queue_number(q), size, now_usec(), &wait))
		return true;
	q->tx_throttled = true;
	q->counter[VIF_TX_THROTTLED]++;
	if (!c->timer.set)
		loop_timer_set(q->vif->worker->loop, &c->timer,
			       loop_now() + wait / 1000 + 1);
	return false;
}

/*
 * Assemble packets out of tx_slots[nr]. Returns their number and in *used the
 * slots they take; -1 if the frontend breaks the protocol.
 */
static int assemble(struct vif_queue *q, unsigned int nr, unsigned int *used)
{
	struct xpv_net_packet pkt;
	enum xpv_net_verdict verdict;
	unsigned int at = 0, slots;
	int n = 0;

	q->nr_tx_frags = 0;
	while (at < nr && port_batch_room(&q->tx_batch)) {
		struct tx_packet *out = &q->tx_packets[n];

		verdict = xpv_netif_assemble(&q->tx_slots[at], nr - at, &pkt,
					     &slots);
		if (verdict == XPV_NET_INCOMPLETE)
			break;
		if (verdict >= XPV_NET_FATAL) {
			vif_queue_broken(q, "tx request at %u: %s",
					 q->tx.req_cons + at,
					 xpv_net_verdict_str(verdict));
			return -1;
		}
		if (verdict == XPV_NET_OK && !has_credit(q, pkt.size))
			break;
		out->at = (uint16_t)at;
		out->used = (uint8_t)slots;
		add_packet(q, &pkt, verdict, out);
		at += slots;
		n++;
	}
	*used = at;
	return n;
}

/* ---- bytes ---- */

/* Plan the copies of a packet's fragments into its frame. */
static void plan_copies(struct vif_queue *q, struct tx_packet *pkt)
{
	const struct xpv_net_frag *frag = &q->tx_frags[pkt->frag];
	uint8_t *to = q->tx_batch.frame[pkt->frame].data;
	uint32_t left = q->tx_batch.frame[pkt->frame].len;

	pkt->op = (uint16_t)q->nr_ops;
	for (unsigned int i = 0; left && i < pkt->nr_frags; i++, frag++) {
		uint32_t len = frag->size < left ? frag->size : left;
		struct hyper_copy *op;

		/* The hypervisor refuses copies of nothing (XSA-448). */
		if (!len)
			continue;
		op = vif_queue_op(q);
		op->src.is_grant = true;
		op->src.domid = q->vif->worker->domid;
		op->src.gref = frag->gref;
		op->src.offset = frag->offset;
		op->dst.virt = to;
		op->len = (uint16_t)len;
		to += len;
		left -= len;
	}
	pkt->nr_ops = (uint16_t)(q->nr_ops - pkt->op);
}

static void fetch(struct vif_queue *q, unsigned int nr)
{
	q->nr_ops = 0;
	for (unsigned int i = 0; i < nr; i++)
		if (q->tx_packets[i].send)
			plan_copies(q, &q->tx_packets[i]);
	vif_queue_copy(q, 0);
}

bool vif_tx_copied(const struct vif_queue *q, const struct tx_packet *pkt)
{
	for (unsigned int i = 0; i < pkt->nr_ops; i++)
		if (q->ops[pkt->op + i].status != HYPER_COPY_OKAY)
			return false;
	return true;
}

/* Send the packets that are whole and honest; mark the others. */
static void send_packets(struct vif_queue *q, unsigned int nr)
{
	struct port_frame *frames = q->tx_batch.frame;
	unsigned int out = 0;

	for (unsigned int i = 0; i < nr; i++) {
		struct tx_packet *pkt = &q->tx_packets[i];
		enum vif_counter drop = VIF_TX_DROP_GRANT;

		if (!pkt->send)
			continue;
		if (!vif_tx_copied(q, pkt) ||
		    !offload_from_guest(q, pkt, &frames[pkt->frame], &drop)) {
			q->counter[drop]++;
			pkt->status = XPV_NETIF_ERROR;
			continue;
		}
		q->counter[VIF_TX_PACKETS]++;
		q->counter[VIF_TX_BYTES] += frames[pkt->frame].len;
		/* Frames move down over those that are not sent. */
		frames[out++] = frames[pkt->frame];
	}
	/*
	 * Whether the port finds room is no error of the guest's: some
	 * frontends write a log line for each answer that is not OKAY.
	 */
	if (out)
		q->port->ops->send(q->port, frames, out);
	port_batch_reset(&q->tx_batch);
}

/* The guest may reuse its pages once it sees the answers. */
static void push(struct vif_queue *q)
{
	if (answers_push(&q->tx_answers, &q->tx))
		loop_notify(q->vif->worker->loop, &q->event[0]);
}

void vif_tx_answer(struct vif_queue *q, uint16_t id, bool extra, int16_t status)
{
	struct xpv_netif_tx_response rsp = {
		.id = extra ? 0 : id,
		.status = extra ? XPV_NETIF_NULL : status,
	};

	if (answers_full(&q->tx_answers))
		push(q);
	memcpy(answers_add(&q->tx_answers), &rsp, sizeof(rsp));
}

static void answer(struct vif_queue *q, const struct tx_packet *pkt)
{
	for (unsigned int i = 0; i < pkt->used; i++)
		vif_tx_answer(q, q->tx_slots[pkt->at + i].id,
			      i && i <= pkt->nr_extras, pkt->status);
}

/*
 * Packets that are whole go to the port, @used slots. To a switch perhaps not
 * all of them: the others stay on the ring. True if anything was done.
 */
static bool serve(struct vif_queue *q, unsigned int packets, unsigned int used)
{
	fetch(q, packets);
	if (q->lan) {
		unsigned int done = vif_lan_send(q, packets);

		if (done < packets)
			used = q->tx_packets[done].at;
		for (unsigned int i = done; i < packets; i++)
			if (q->tx_packets[i].send)
				credit_return(&q->vif->credit,
					      q->tx_packets[i].size);
		xpv_back_skip(&q->tx, used);
		port_batch_reset(&q->tx_batch);
		return done;
	}
	xpv_back_skip(&q->tx, used);
	send_packets(q, packets);
	for (unsigned int i = 0; i < packets; i++)
		answer(q, &q->tx_packets[i]);
	return true;
}

/*
 * New slots on the ring, at most those of a turn, -1 if its index is
 * impossible; 0 as well while an unfinished packet has not grown.
 */
static int new_slots(struct vif_queue *q)
{
	int n = xpv_back_pending(&q->tx);

	if (n < 0) {
		vif_queue_broken(q,
				 "tx ring: req_prod is ahead of the %u "
				 "slots of the ring",
				 q->tx.ring.entries);
		return -1;
	}
	if (q->tx_throttled || (q->tx_seen && (uint32_t)n == q->tx_seen))
		return 0;
	return n < (int)TX_TURN_SLOTS ? n : (int)TX_TURN_SLOTS;
}

/* True if there may be more to do at once. */
static bool take_slots(struct vif_queue *q)
{
	int nr = new_slots(q), packets;
	unsigned int used;

	if (nr <= 0)
		return nr < 0;
	for (int i = 0; i < nr; i++)
		xpv_back_peek(&q->tx, (uint32_t)i, &q->tx_slots[i],
			      sizeof(q->tx_slots[i]));
	packets = assemble(q, (unsigned int)nr, &used);
	if (packets < 0) {
		port_batch_reset(&q->tx_batch);
		return true;
	}
	/*
	 * Nothing whole: the rest is still to come. It always does fit, a
	 * packet is refused long before it fills a turn.
	 */
	q->tx_seen = packets || q->tx_throttled ? 0 : (uint32_t)nr;
	return packets && serve(q, (unsigned int)packets, used);
}

bool vif_tx_turn(struct vif_queue *q)
{
	bool found = take_slots(q);

	if (q->lan && !q->vif->broken)
		vif_lan_answer(q);
	push(q);
	return found;
}

bool vif_tx_arm(struct vif_queue *q)
{
	int n;

	/* A timer wakes us, and what has come meanwhile is there then. */
	if (q->tx_throttled || (q->lan && q->lan->blocked))
		return false;
	n = xpv_back_final_check_at(&q->tx, q->tx_seen + 1);
	/* The turn finds out what is wrong with a negative one. */
	return n < 0 || (uint32_t)n > q->tx_seen;
}
