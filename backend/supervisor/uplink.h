/* SPDX-License-Identifier: MIT */
/*
 * A switch's way out: a tap and a port, served by a worker that has no guest.
 * A device that no store knows of, there as long as the switch has guests.
 */
#ifndef XPV_SUPERVISOR_UPLINK_H
#define XPV_SUPERVISOR_UPLINK_H

#include <net/if.h>

#include "lan.h"

struct uplink {
	struct lan_port port;
	int fd; /* of the tap, so that it outlives a worker; 0: none */
	char tap[IFNAMSIZ]; /* its name, once there was one */
	bool failed; /* it has been said why; tried again from time to time */
	uint64_t found; /* adopted: when, in microseconds; 0: it was not */
};

/* The switch @name has a guest: see that it has its uplink. */
void uplink_want(struct supervisor *sv, const char *name);

#endif
