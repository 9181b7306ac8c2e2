// SPDX-License-Identifier: MIT
#include "queue.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

/* A batch's memory goes back to the system after so long without traffic. */
#define RELEASE_MS 1000u

/* ---- for tx.c and rx.c ---- */

struct hyper_copy *vif_queue_op(struct vif_queue *q)
{
	struct hyper_copy *op = &q->ops[q->nr_ops++];

	memset(op, 0, sizeof(*op));
	return op;
}

void vif_queue_copy(struct vif_queue *q, unsigned int first)
{
	struct hyper *h = q->vif->worker->hyper;

	if (first == q->nr_ops ||
	    !h->ops->copy(h, q->ops + first, q->nr_ops - first))
		return;
	/* The domain is gone, or we are out of memory: none was copied. */
	for (unsigned int i = first; i < q->nr_ops; i++)
		q->ops[i].status = HYPER_COPY_ERROR;
}

void vif_queue_broken(struct vif_queue *q, const char *fmt, ...)
{
	char what[REASON_TEXT / 2];
	struct reason why;
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	reason_set(&why, "queue %u: %s", vif_queue_number(q), what);
	vif_broken(q->vif, &why);
}

/* ---- the loop ---- */

static bool run(struct loop_work *work)
{
	struct vif_queue *q = work->owner;
	bool found;

	if (q->vif->broken)
		return false;
	found = vif_tx_turn(q);
	if (!q->vif->broken)
		found |= vif_rx_turn(q);
	if (found)
		q->active = true;
	return found;
}

/* Still in use, or a second without traffic. */
static void release(struct loop_timer *timer)
{
	struct vif_queue *q = timer->owner;

	if (q->active || q->rx_batch.nr) {
		q->active = false;
		loop_timer_set(q->vif->worker->loop, timer,
			       loop_now() + RELEASE_MS);
		return;
	}
	port_batch_release(&q->tx_batch);
	port_batch_release(&q->rx_batch);
	port_batch_release(&q->vif->segments);
}

static void publish_stats(struct vif_queue *q)
{
	struct vif_queue_stats *s = &q->vif->stats->queue[vif_queue_number(q)];

	/* The port of a switch is one, and counted once. */
	if (q->lan && vif_queue_number(q))
		return;
	s->port = q->port->stats;
	if (q->lan)
		memcpy(s->lan, q->vif->lan->port->counter, sizeof(s->lan));
}

bool vif_queue_arm(struct vif_queue *q)
{
	bool found;

	publish_stats(q);
	if (q->active && !q->release.set)
		loop_timer_set(q->vif->worker->loop, &q->release,
			       loop_now() + RELEASE_MS);
	found = vif_tx_arm(q);
	found |= vif_rx_arm(q);
	return found;
}

static bool arm(struct loop_work *work)
{
	struct vif_queue *q = work->owner;

	return !q->vif->broken && vif_queue_arm(q);
}

/* Edge-triggered: the flag stays until receive() finds nothing. */
static void port_readable(struct loop_source *src, uint32_t events)
{
	struct vif_queue *q = src->owner;

	(void)events;
	q->port_ready = true;
}

/* The event has woken the loop; run() looks at the rings in every turn. */
static void ring_event(struct loop_port *port)
{
	(void)port;
}

/* ---- life ---- */

int vif_queue_init(struct vif_queue *q, struct vif *vif, struct port *port)
{
	int err = port_batch_init(&q->tx_batch);

	if (!err)
		err = port_batch_init(&q->rx_batch);
	q->vif = vif;
	q->port = port;
	q->counter = vif->stats->queue[q - vif->queue].counter;
	q->readable.fd = port->fd;
	q->readable.ready = port_readable;
	q->readable.owner = q;
	q->work.run = run;
	q->work.arm = arm;
	q->work.owner = q;
	q->release.expired = release;
	q->release.owner = q;
	vif_starve_init(q);
	return err;
}

void vif_queue_fini(struct vif_queue *q)
{
	port_batch_fini(&q->tx_batch);
	port_batch_fini(&q->rx_batch);
}

static int map_ring(struct vif_queue *q, const char *what, uint32_t gref,
		    uint32_t slot_size, void **page, struct xpv_back *ring,
		    struct reason *why)
{
	*page = vif_map_page(q->vif, what, gref, why);
	if (!*page)
		return -errno;
	if (xpv_back_attach(ring, *page, XPV_PAGE_SIZE, slot_size)) {
		reason_set(why, "%s %u: its indices cannot be", what, gref);
		return -EPROTO;
	}
	return 0;
}

static int bind_event(struct vif_queue *q, uint32_t remote, struct reason *why)
{
	struct worker *w = q->vif->worker;
	struct loop_port *port = &q->event[q->nr_events];
	int err;

	port->event = ring_event;
	port->owner = q;
	err = loop_bind(w->loop, port, w->domid, remote);
	if (err)
		reason_set(why, "event channel %u of domain %u: %s", remote,
			   w->domid, strerror(-err));
	else
		q->nr_events++;
	return err;
}

static int bind_events(struct vif_queue *q, const struct ipc_vif_queue *c,
		       struct reason *why)
{
	int err = bind_event(q, c->tx_port, why);

	if (!err && c->rx_port != c->tx_port)
		err = bind_event(q, c->rx_port, why);
	return err;
}

static int watch_port(struct vif_queue *q, struct reason *why)
{
	int err = 0;

	/* A switch wakes the loop with descriptors of its own. */
	if (!q->lan)
		err = loop_add(q->vif->worker->loop, &q->readable,
			       EPOLLIN | EPOLLET);
	if (err)
		reason_set(why, "%s: epoll: %s", q->vif->name, strerror(-err));
	return err;
}

/* Undo what of connect was done, in any state of it. */
static void undo(struct vif_queue *q)
{
	while (q->nr_events)
		loop_unbind(q->vif->worker->loop, &q->event[--q->nr_events]);
	vif_unmap_page(q->vif, &q->rx_page);
	vif_unmap_page(q->vif, &q->tx_page);
}

/*
 * What was on its way to the guest is shown. The one before us may have died
 * with answers shown and not told.
 */
static void take_over(struct vif_queue *q, bool resumed)
{
	struct vif_legacy_queue *l =
		&q->vif->legacy->queue[vif_queue_number(q)];

	answers_attach(&q->tx_answers, l->tx, NULL, LEGACY_TX, XPV_NETIF_TX_RSP,
		       &q->tx, resumed);
	answers_attach(&q->rx_answers, l->rx, NULL, LEGACY_RX,
		       XPV_NETIF_RX_SLOT, &q->rx, resumed);
	for (unsigned int i = 0; resumed && i < q->nr_events; i++)
		loop_notify(q->vif->worker->loop, &q->event[i]);
}

int vif_queue_connect(struct vif_queue *q, const struct ipc_vif_queue *c,
		      bool resumed, struct reason *why)
{
	int err = map_ring(q, "tx-ring-ref", c->tx_gref, XPV_NETIF_TX_SLOT,
			   &q->tx_page, &q->tx, why);

	if (!err)
		err = map_ring(q, "rx-ring-ref", c->rx_gref, XPV_NETIF_RX_SLOT,
			       &q->rx_page, &q->rx, why);
	if (!err)
		err = bind_events(q, c, why);
	if (!err)
		err = watch_port(q, why);
	if (err) {
		undo(q);
		return err;
	}
	q->tx_seen = 0;
	q->tx_throttled = false;
	q->starved_since = 0;
	q->stalled = false;
	take_over(q, resumed);
	q->connected = true;
	if (q->lan)
		return 0;
	/* What waits was meant for a connection that is no more. */
	if (!resumed)
		vif_rx_drain(q);
	q->port_ready = true;
	loop_work_add(q->vif->worker->loop, &q->work);
	return 0;
}

void vif_queue_disconnect(struct vif_queue *q)
{
	if (!q->connected)
		return;
	q->connected = false;
	memset(&q->cut, 0, sizeof(q->cut));
	if (!q->lan) {
		loop_work_del(q->vif->worker->loop, &q->work);
		loop_del(q->vif->worker->loop, &q->readable);
	}
	loop_timer_cancel(&q->starve);
	loop_timer_cancel(&q->release);
	undo(q);
	/* What waits was meant for this connection. */
	q->counter[VIF_RX_DRAINED] += q->rx_batch.nr;
	port_batch_reset(&q->tx_batch);
	port_batch_reset(&q->rx_batch);
	port_batch_release(&q->tx_batch);
	port_batch_release(&q->rx_batch);
	q->active = false;
}
