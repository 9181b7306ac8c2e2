/* SPDX-License-Identifier: MIT */
/* The supervisor's part of a network device: its keys and its tap. */
#ifndef XPV_SUPERVISOR_VIF_H
#define XPV_SUPERVISOR_VIF_H

#include <stdint.h>

#include "../ipc.h"

struct vif {
	unsigned int nr_fds; /* queues of the tap; 0: there is none */
	/* Held besides the worker's, so that the tap outlives a worker. */
	int fds[IPC_MAX_QUEUES];
	uint8_t mac[6];
};

#endif
