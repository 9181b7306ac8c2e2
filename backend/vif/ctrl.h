/* SPDX-License-Identifier: MIT */
/*
 * The control ring of a vif, by which a guest sets up its hash. A turn serves
 * a few requests, each of which copies at most one granted page.
 */
#ifndef XPV_VIF_CTRL_H
#define XPV_VIF_CTRL_H

#include "../worker/answers.h"
#include "../worker/loop.h"

struct reason;
struct vif;

struct vif_ctrl {
	void *page; /* NULL: the guest has none */
	struct xpv_back ring;
	struct answers answers;
	struct loop_port event;
	bool bound;
	struct loop_work work;
};

/* 0, or a negative errno and *why; nothing is left then. */
int vif_ctrl_connect(struct vif *vif, uint32_t gref, uint32_t port,
		     bool resumed, struct reason *why);
void vif_ctrl_disconnect(struct vif *vif);

#endif
