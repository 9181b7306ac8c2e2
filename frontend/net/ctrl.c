// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control ring: questions to the backend that are no packets. One at a
 * time, under RTNL; the caller sleeps until the answer is there.
 */
#include <linux/interrupt.h>
#include <linux/rtnetlink.h>
#include <xen/events.h>

#include "netfront.h"

/* What a backend may take to answer; one that took longer is asked no more. */
#define ANSWER_TIMEOUT HZ

/* An event that nobody waits for is delayed by Xen's event code (XSA-391). */
static irqreturn_t ctrl_interrupt(int irq, void *data)
{
	struct xpv_net_ctrl *ctrl = data;
	bool awaited = test_and_clear_bit(0, &ctrl->awaited);

	complete(&ctrl->event);
	xen_irq_lateeoi(irq, awaited ? 0 : XEN_EOI_FLAG_SPURIOUS);
	return IRQ_HANDLED;
}

int xpv_net_ctrl_make(struct xpv_net_device *dev)
{
	struct xpv_net_ctrl *ctrl = &dev->ctrl;
	int err;

	ASSERT_RTNL();
	if (!dev->offer.ctrl_ring)
		return 0;
	init_completion(&ctrl->event);
	ctrl->silent = false;
	err = xenbus_setup_ring(dev->xbdev, GFP_KERNEL, &ctrl->shared, 1,
				&ctrl->ring_gref);
	if (err)
		return err;
	xpv_front_init(&ctrl->front, ctrl->shared, PAGE_SIZE,
		       XPV_NETIF_CTRL_SLOT);
	err = xpv_net_bind_channel(dev, ctrl_interrupt,
				   netdev_name(dev->netdev), ctrl, &ctrl->port,
				   &ctrl->irq);
	if (err)
		xpv_net_ctrl_unmake(dev);
	return err;
}

void xpv_net_ctrl_unmake(struct xpv_net_device *dev)
{
	struct xpv_net_ctrl *ctrl = &dev->ctrl;

	ASSERT_RTNL();
	if (!ctrl->shared)
		return;
	if (ctrl->irq)
		unbind_from_irqhandler(ctrl->irq, ctrl);
	ctrl->irq = 0;
	xenbus_teardown_ring(&ctrl->shared, 1, &ctrl->ring_gref);
	ctrl->shared = NULL;
}

static void ask(struct xpv_net_ctrl *ctrl, enum xpv_ctrl_type type,
		const u32 data[3])
{
	struct xpv_netif_ctrl_request req = {
		.id = ++ctrl->id,
		.type = type,
		.data = {data[0], data[1], data[2]},
	};

	reinit_completion(&ctrl->event);
	set_bit(0, &ctrl->awaited);
	memcpy(xpv_front_request(&ctrl->front), &req, sizeof(req));
	if (xpv_front_push(&ctrl->front))
		notify_remote_via_irq(ctrl->irq);
}

/* An event may come early, or for nothing. */
static int wait_for_answer(struct xpv_net_ctrl *ctrl)
{
	unsigned long left = ANSWER_TIMEOUT;
	int pending;

	for (;;) {
		pending = xpv_front_final_check(&ctrl->front);
		if (pending || !left)
			break;
		left = wait_for_completion_timeout(&ctrl->event, left);
	}
	if (pending < 0)
		return -EPROTO;
	return pending ? 0 : -ETIMEDOUT;
}

static int status_to_errno(u32 status)
{
	switch (status) {
	case XPV_CTRL_SUCCESS:
		return 0;
	case XPV_CTRL_NOT_SUPPORTED:
		return -EOPNOTSUPP;
	case XPV_CTRL_BUFFER_OVERFLOW:
		return -ENOSPC;
	default:
		return -EINVAL;
	}
}

/* 0, with the answer's data if @answer is not NULL, or the backend's no. */
int xpv_net_ctrl_call(struct xpv_net_device *dev, enum xpv_ctrl_type type,
		      const u32 data[3], u32 *answer)
{
	struct xpv_net_ctrl *ctrl = &dev->ctrl;
	struct xpv_netif_ctrl_response rsp;
	int err;

	ASSERT_RTNL();
	if (!ctrl->shared || ctrl->silent)
		return -EOPNOTSUPP;
	ask(ctrl, type, data);
	err = wait_for_answer(ctrl);
	if (err) {
		ctrl->silent = true;
		netdev_warn(dev->netdev, "control request %u: %s\n", type,
			    err == -EPROTO ? "more answers than requests" :
					     "no answer");
		return err;
	}
	xpv_front_take(&ctrl->front, &rsp, sizeof(rsp));
	if (rsp.id != ctrl->id || rsp.type != type) {
		ctrl->silent = true;
		netdev_warn(dev->netdev, "control request %u: wrong answer\n",
			    type);
		return -EPROTO;
	}
	if (answer)
		*answer = rsp.data;
	return status_to_errno(rsp.status);
}
