// SPDX-License-Identifier: GPL-2.0-only
/* A queue as a whole: the poll, and the life of its two rings. */
#include <linux/rtnetlink.h>

#include "netfront.h"

/*
 * Interrupts are ended before NAPI completes: one that comes in between only
 * makes NAPI run once more. A broken device's are never ended.
 */
int xpv_net_poll(struct napi_struct *napi, int budget)
{
	struct xpv_net_queue *q = container_of(napi, struct xpv_net_queue,
					       napi);
	bool more = false;
	int done = 0;

	if (!xpv_net_is_broken(q->dev))
		more = xpv_net_tx_poll(q, budget);
	if (!budget) /* netpoll: transmit only, and NAPI stays scheduled */
		return 0;
	if (!xpv_net_is_broken(q->dev))
		done = xpv_net_rx_poll(q, budget);
	if (xpv_net_is_broken(q->dev)) {
		napi_complete(napi);
		return 0;
	}
	if (done == budget || more || xpv_net_rx_more(q))
		return budget;
	xpv_net_end_interrupts(q);
	napi_complete_done(napi, done);
	return done;
}

/* ---- made and unmade ---- */

static void unmake_queue(struct xpv_net_queue *q)
{
	xpv_net_unbind_channels(q);
	xpv_net_rx_unmake(q);
	xpv_net_tx_unmake(q);
}

static int make_queue(struct xpv_net_queue *q)
{
	int err;

	q->tx_worked = false;
	q->rx_worked = false;
	err = xpv_net_tx_make(q);
	if (!err)
		err = xpv_net_rx_make(q);
	if (!err)
		err = xpv_net_bind_channels(q);
	if (err)
		unmake_queue(q);
	return err;
}

/* Make rings and event channels according to the backend's offer. */
int xpv_net_queues_make(struct xpv_net_device *dev)
{
	unsigned int i;
	int err;

	ASSERT_RTNL();
	dev->made = true;
	for (i = 0; i < dev->nr_queues; i++) {
		err = make_queue(&dev->queue[i]);
		if (err) {
			xpv_net_queues_unmake(dev);
			return err;
		}
	}
	return 0;
}

void xpv_net_queues_unmake(struct xpv_net_device *dev)
{
	unsigned int i;

	ASSERT_RTNL();
	if (!dev->made)
		return;
	xpv_net_queues_stop(dev);
	for (i = 0; i < dev->nr_queues; i++)
		unmake_queue(&dev->queue[i]);
	dev->made = false;
}

/* ---- started and stopped ---- */

/* Let packets move, if there are rings and the interface is up. */
void xpv_net_queues_start(struct xpv_net_device *dev)
{
	unsigned int i;

	ASSERT_RTNL();
	if (!dev->made || dev->started || !netif_running(dev->netdev))
		return;
	for (i = 0; i < dev->nr_queues; i++) {
		struct xpv_net_queue *q = &dev->queue[i];

		napi_enable(&q->napi);
		xpv_net_tx_set_live(q, true);
		/* The first poll posts pages and asks for events. */
		local_bh_disable();
		napi_schedule(&q->napi);
		local_bh_enable();
	}
	dev->started = true;
}

void xpv_net_queues_stop(struct xpv_net_device *dev)
{
	unsigned int i;

	ASSERT_RTNL();
	if (!dev->started)
		return;
	for (i = 0; i < dev->nr_queues; i++) {
		struct xpv_net_queue *q = &dev->queue[i];

		xpv_net_tx_set_live(q, false);
		napi_disable(&q->napi);
		/* A timer that ran meanwhile found NAPI disabled. */
		timer_delete_sync(&q->rx.refill);
	}
	dev->started = false;
}
