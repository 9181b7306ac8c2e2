// SPDX-License-Identifier: GPL-2.0-only
/*
 * The event channels of a queue and their interrupts.
 *
 * An interrupt only schedules NAPI. Its event channel stays masked until the
 * poll, having found nothing more, ends the interrupt; if there was nothing to
 * do since the last time, it says so and Xen's event code delays the next one,
 * so a backend that sends events for fun cannot keep this CPU busy (XSA-391).
 */
#include <linux/interrupt.h>
#include <xen/events.h>

#include "netfront.h"

/* ---- interrupts ---- */

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
void xpv_net_end_interrupts(struct xpv_net_queue *q)
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

/* ---- event channels ---- */

/* Unbinding closes the channel too. */
int xpv_net_bind_channel(struct xpv_net_device *dev, irq_handler_t handler,
			 const char *name, void *data, evtchn_port_t *port,
			 unsigned int *irq)
{
	int err;

	err = xenbus_alloc_evtchn(dev->xbdev, port);
	if (err)
		return err;
	err = bind_evtchn_to_irqhandler_lateeoi(*port, handler, 0, name, data);
	if (err < 0) {
		xenbus_free_evtchn(dev->xbdev, *port);
		return err;
	}
	*irq = err;
	return 0;
}

void xpv_net_unbind_channels(struct xpv_net_queue *q)
{
	if (q->tx.irq && q->tx.irq != q->rx.irq)
		unbind_from_irqhandler(q->tx.irq, q);
	if (q->rx.irq)
		unbind_from_irqhandler(q->rx.irq, q);
	q->tx.irq = 0;
	q->rx.irq = 0;
	q->irqs_due = 0;
}

int xpv_net_bind_channels(struct xpv_net_queue *q)
{
	const char *dev = netdev_name(q->dev->netdev);
	bool split = q->dev->offer.split_channels;
	int err;

	snprintf(q->tx_irq_name, sizeof(q->tx_irq_name), "%s-q%u-tx", dev,
		 q->index);
	snprintf(q->rx_irq_name, sizeof(q->rx_irq_name), "%s-q%u-%s", dev,
		 q->index, split ? "rx" : "txrx");
	err = xpv_net_bind_channel(q->dev, rx_interrupt, q->rx_irq_name, q,
				   &q->rx.port, &q->rx.irq);
	if (err)
		return err;
	if (split) {
		err = xpv_net_bind_channel(q->dev, tx_interrupt,
					   q->tx_irq_name, q, &q->tx.port,
					   &q->tx.irq);
		if (err)
			xpv_net_unbind_channels(q);
		return err;
	}
	q->tx.port = q->rx.port;
	q->tx.irq = q->rx.irq;
	return 0;
}
