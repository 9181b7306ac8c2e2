/* SPDX-License-Identifier: MIT */
/* What a supervisor tells a worker of a port of a switch. */
#ifndef XPV_PORT_SWITCH_CONFIG_H
#define XPV_PORT_SWITCH_CONFIG_H

#include "guard.h"
#include "vlan.h"

/* Memory, our eventfd, the peer's. */
#define SWITCH_LINK_FDS	 3u
#define SWITCH_ALL_PEERS 0u

/* The port at the other end of a link. */
struct switch_peer {
	uint32_t id; /* not SWITCH_ALL_PEERS */
	uint16_t domid; /* whose grants its mails name */
	uint8_t side; /* ours of the link's memory, 0 or 1 */
	bool fixed; /* mac is its only source address */
	uint8_t mac[6];
	uint32_t arena; /* bytes of each arena, 0 or ARENA_BYTES */
	struct vlan_set vlans;
};

#endif
