// SPDX-License-Identifier: GPL-2.0-only
/*
 * A queue as a whole: rings and event channels, interrupts, the poll.
 *
 * An interrupt only schedules NAPI. Its event channel stays masked until the
 * poll, having found nothing more, ends the interrupt; if there was nothing to
 * do since the last time, it says so and Xen's event code delays the next one,
 * so a backend that sends events for fun cannot keep this CPU busy (XSA-391).
 */
#include <linux/interrupt.h>
#include <linux/rtnetlink.h>
#include <xen/events.h>

#include "netfront.h"

/* ---- interrupts and poll ---- */

static irqreturn_t tx_interrupt(int irq, void *data)
{
	struct xpv_net_queue *q = data;

	set_bit(XPV_NET_IRQ_TX, &q->irqs_due);
	napi_schedule_irqoff(&q->napi);
	return IRQ_HANDLED;
}

/* Also that of both rings, when the channels are not split. */
static irqreturn_t rx_interrupt(int irq, void *data)
{
	struct xpv_net_queue *q = data;

	set_bit(XPV_NET_IRQ_RX, &q->irqs_due);
	napi_schedule_irqoff(&q->napi);
	return IRQ_HANDLED;
}

static void end_interrupt(unsigned int irq, bool worked)
{
	xen_irq_lateeoi(irq, worked ? 0 : XEN_EOI_FLAG_SPURIOUS);
}

/*
 * "Worked" counts from end to end of an interrupt, not from its start: the
 * other ring's interrupt may have had the poll take what this one announces.
 */
static void end_interrupts(struct xpv_net_queue *q)
{
	bool split = q->tx.irq != q->rx.irq;

	if (split && test_and_clear_bit(XPV_NET_IRQ_TX, &q->irqs_due)) {
		end_interrupt(q->tx.irq, q->tx_worked);
		q->tx_worked = false;
	}
	if (test_and_clear_bit(XPV_NET_IRQ_RX, &q->irqs_due)) {
		end_interrupt(q->rx.irq,
			      q->rx_worked || (!split && q->tx_worked));
		q->rx_worked = false;
		if (!split)
			q->tx_worked = false;
	}
}

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
	end_interrupts(q);
	napi_complete_done(napi, done);
	return done;
}

/* ---- event channels ---- */

static int bind_channel(struct xpv_net_queue *q, irq_handler_t handler,
			const char *name, evtchn_port_t *port,
			unsigned int *irq)
{
	int err;

	err = xenbus_alloc_evtchn(q->dev->xbdev, port);
	if (err)
		return err;
	err = bind_evtchn_to_irqhandler_lateeoi(*port, handler, 0, name, q);
	if (err < 0) {
		xenbus_free_evtchn(q->dev->xbdev, *port);
		return err;
	}
	*irq = err;
	return 0;
}

/* Unbinding closes the channel too. */
static void unbind_channels(struct xpv_net_queue *q)
{
	if (q->tx.irq && q->tx.irq != q->rx.irq)
		unbind_from_irqhandler(q->tx.irq, q);
	if (q->rx.irq)
		unbind_from_irqhandler(q->rx.irq, q);
	q->tx.irq = 0;
	q->rx.irq = 0;
	q->irqs_due = 0;
}

static int bind_channels(struct xpv_net_queue *q)
{
	const char *dev = netdev_name(q->dev->netdev);
	bool split = q->dev->offer.split_channels;
	int err;

	snprintf(q->tx_irq_name, sizeof(q->tx_irq_name), "%s-q%u-tx", dev,
		 q->index);
	snprintf(q->rx_irq_name, sizeof(q->rx_irq_name), "%s-q%u-%s", dev,
		 q->index, split ? "rx" : "txrx");
	err = bind_channel(q, rx_interrupt, q->rx_irq_name, &q->rx.port,
			   &q->rx.irq);
	if (err)
		return err;
	if (split) {
		err = bind_channel(q, tx_interrupt, q->tx_irq_name,
				   &q->tx.port, &q->tx.irq);
		if (err)
			unbind_channels(q);
		return err;
	}
	q->tx.port = q->rx.port;
	q->tx.irq = q->rx.irq;
	return 0;
}

/* ---- made and unmade ---- */

static void unmake_queue(struct xpv_net_queue *q)
{
	unbind_channels(q);
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
		err = bind_channels(q);
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
