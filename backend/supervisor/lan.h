/* SPDX-License-Identifier: MIT */
/*
 * Switches between guests, as far as the supervisor has a part in them: it
 * knows which ports are on one, and gives the workers of any two of them that
 * have a VLAN in common a link, and each other's address. What then crosses a
 * link it does not see.
 *
 * A port's life in a worker has a number of its own: a worker that comes back
 * is a new port to the others, and can be told of before they have been told
 * that the old one is gone.
 */
#ifndef XPV_SUPERVISOR_LAN_H
#define XPV_SUPERVISOR_LAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "../ipc.h"
#include "../port/switch.h"

struct device;
struct lan;
struct lan_link;
struct supervisor;

/* Embedded in the device that is a port. */
struct lan_port {
	struct lan *lan; /* NULL: on no switch */
	struct device *dev;
	struct vlan_set vlans;
	struct guard guard;
	bool has_arena; /* an uplink */
	uint32_t id; /* of its life in a worker; 0: it has none */
	bool clean; /* the worker has forgotten links of earlier supervisors */
	/* Peers that the worker is to forget. */
	uint32_t gone[SWITCH_LINKS];
	unsigned int nr_gone;
	/* What it was last asked to forget: one of these, SWITCH_ALL_PEERS. */
	uint32_t forgetting;
	struct lan_link *asking; /* the worker is told of this one */
	LIST_ENTRY(lan_port) of_lan;
};

/*
 * Put the device's port on the switch @name, made if it is new, or take it
 * off. 0 or as keys.h says.
 */
int lan_join(struct lan_port *port, struct device *dev, const char *name,
	     struct reason *why);
void lan_leave(struct lan_port *port);
/* As device_class has them, for a port's part. */
int lan_tend(struct lan_port *port, struct ipc_msg *msg, int *fds,
	     unsigned int *nr_fds);
void lan_answered(struct lan_port *port, const struct ipc_reply *reply);

/* For the uplink: the switch of a number, and the number of a name. */
struct lan *lan_numbered(struct supervisor *sv, uint32_t number);
uint32_t lan_number(const char *name);
const char *lan_name(const struct lan *lan);
/* Has it a port that is no uplink? */
bool lan_has_guests(const struct lan *lan);

#endif
