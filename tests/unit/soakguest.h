/* SPDX-License-Identifier: MIT */
/*
 * Guests for soaking: a real xpvd, a worker process for each of ten guests,
 * two switches and a bridge of the kernel's.
 *
 *	other.0 -- other.1	 a switch of its own
 *
 *	plain, old, guarded, five, five.xdp, trunk -- switch "lan"
 *		-- uplink xpv-lan -- bridge "lan" -- vif15.0, vif16.0
 */
#ifndef XPV_TESTS_SOAKGUEST_H
#define XPV_TESTS_SOAKGUEST_H

#include "frontend/user/usernet.h"
#include "soakframe.h"
#include "toolstack.h"

#define SOAK_GUESTS 10u
#define SOAK_FIRST  7u /* domid */
#define SOAK_QUEUES 4u /* of a guest, at most */

struct soak_role {
	const char *bridge; /* NULL: a tap on the kernel's bridge */
	char lan; /* who can reach whom */
	uint8_t untagged;
	uint8_t tagged[3]; /* VLANs; 0: no more */
	bool guarded; /* by its IP addresses */
	bool sg, gso, csum, split;
	uint8_t queues;
	uint16_t headroom; /* that it asks for */
};

struct soak_guest {
	const struct soak_role *role;
	uint16_t domid;
	struct vdev d;
	struct hyper *h;
	struct usernet *u[SOAK_QUEUES];
	uint32_t next[SOAK_GUESTS + 1]; /* number, by receiver; of all, last */
	struct soak_seen *seen; /* [SOAK_GUESTS][2], unicast or group */
	bool heard[SOAK_GUESTS];
};

extern struct soak_guest soak_guest[SOAK_GUESTS];

void soak_setup(void);
void soak_teardown(void);
/* Does what @a sends in that VLAN get to @b? */
bool soak_reaches(const struct soak_guest *a, const struct soak_guest *b,
		  uint8_t vlan);
/* Is it a word of the bridge's own, such as IGMP's? */
bool soak_of_bridge(const uint8_t *frame);

#endif
