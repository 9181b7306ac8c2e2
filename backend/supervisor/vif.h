/* SPDX-License-Identifier: MIT */
/* The supervisor's part of a network device: its keys and its tap. */
#ifndef XPV_SUPERVISOR_VIF_H
#define XPV_SUPERVISOR_VIF_H

#include <stdbool.h>
#include <stdint.h>

#include "../ipc.h"
#include "lan.h"

struct vif {
	unsigned int nr_fds; /* queues of the tap; 0: there is none */
	/* Held besides the worker's, so that the tap outlives a worker. */
	int fds[IPC_MAX_QUEUES];
	/* Files for the worker, 0: none. What it counts, and what it leaves. */
	int stats, legacy;
	uint8_t mac[6];
	struct lan_port port; /* on a switch: then there is no tap */
	/* The key as last followed; on a switch, what the guest was told. */
	uint32_t mtu;
	uint32_t unclamped; /* MTU, were it not for the frontend; 0: it is */
	bool sg; /* the frontend takes frames of several pages */
	/* What the worker was last asked for, if it was. */
	struct ipc_vif_tune tune;
	bool tuned;
};

struct device;
struct reason;

/* vif.c; as keys.h says. */
int vif_read_mac(struct device *dev, struct reason *why);

/* vif_mtu.c; as keys.h says. *mtu 0: nobody has asked for one. */
int vif_read_mtu(struct device *dev, uint32_t *mtu, struct reason *why);
/* Tell the guest, and set the tap to it. */
int vif_follow_mtu(struct device *dev, struct reason *why);

/*
 * vif_lan.c. 1: the device is on a switch, as its script says; 0: it is not;
 * or as keys.h says.
 */
int vif_join_lan(struct device *dev, struct reason *why);
int vif_tend_lan(struct device *dev, struct ipc_msg *msg, int *fds,
		 unsigned int *nr_fds);
/* Of the bridge that its switch leads to; 0: there is none. */
uint32_t vif_lan_mtu(const struct device *dev);

/* vif_front.c: as keys.h says. */
int vif_read_connect(struct device *dev, struct ipc_vif_connect *c,
		     struct reason *why);
int vif_read_tune(struct device *dev, struct ipc_vif_tune *tune,
		  struct reason *why);

#endif
