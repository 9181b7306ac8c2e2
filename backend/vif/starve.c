// SPDX-License-Identifier: MIT
/*
 * Guests that post no receive slots while frames wait for them. Frames are
 * thrown away after a while, again and again; a guest that takes none for a
 * long while loses its carrier, so that the host sees a dead link and keeps
 * its frames, until the first slot comes. A guest that does not tell of new
 * slots (no feature-rx-notify) is looked at when the short while is over, and
 * keeps its carrier. One timer a queue, while it starves.
 */
#include "../worker/log.h"
#include "queue.h"

/* Until frames that wait are thrown away for the first time. */
static unsigned int patience(const struct vif_queue *q)
{
	const struct vif *vif = q->vif;

	/* The others of a switch's queues wait with it. */
	return q->lan && vif->nr_connected > 1 && vif->drain_ms > LAN_WAIT_MS
		       ? LAN_WAIT_MS
		       : vif->drain_ms;
}

bool vif_neglected(const struct vif_queue *q)
{
	return q->starved_since && loop_now() >= q->starved_since + patience(q);
}

static void stall(struct vif_queue *q)
{
	struct vif *vif = q->vif;

	q->stalled = true;
	q->counter[VIF_RX_STALLS]++;
	if (vif->nr_stalled++)
		return;
	log_line("%s: the guest takes no frames, carrier off", vif->name);
	vif_update_carrier(vif);
}

static void expired(struct loop_timer *timer)
{
	struct vif_queue *q = timer->owner;
	uint64_t now = loop_now();
	int slots = xpv_back_pending(&q->rx);

	/* It is fed, or broken: the turn that follows sees to that. */
	if (q->vif->broken || slots < 0 || (uint32_t)slots >= vif_rx_wanted(q))
		return;
	vif_rx_drain(q);
	if (!q->vif->stall_ms)
		q->starved_since = 0;
	else if (now - q->starved_since >= q->vif->stall_ms)
		stall(q);
	else
		loop_timer_set(q->vif->worker->loop, timer,
			       now + q->vif->drain_ms);
}

void vif_starve_init(struct vif_queue *q)
{
	q->starve.expired = expired;
	q->starve.owner = q;
}

void vif_starve(struct vif_queue *q)
{
	if (q->starved_since)
		return;
	q->starved_since = loop_now();
	q->counter[VIF_RX_STARVED]++;
	loop_timer_set(q->vif->worker->loop, &q->starve,
		       q->starved_since + patience(q));
}

void vif_fed(struct vif_queue *q)
{
	struct vif *vif = q->vif;

	q->starved_since = 0;
	loop_timer_cancel(&q->starve);
	if (!q->stalled)
		return;
	q->stalled = false;
	if (--vif->nr_stalled)
		return;
	log_line("%s: the guest takes frames again, carrier on", vif->name);
	vif_update_carrier(vif);
}
