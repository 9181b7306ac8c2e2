/* SPDX-License-Identifier: MIT */
/*
 * The multicast filter of a vif: what the guest has asked not to be bothered
 * with. Its list grows and shrinks by requests on the transmit ring, also
 * while nothing is filtered; it is short, and searched from end to end. It is
 * in memory that outlives a worker: who dies while changing it has lost no
 * address that it kept, and the next one makes the change once more.
 */
#ifndef XPV_VIF_MULTICAST_H
#define XPV_VIF_MULTICAST_H

#include <stdbool.h>
#include <stdint.h>

#define MULTICAST_MAX 64u /* as netback has it */

struct multicast {
	bool filter; /* multicast frames not on the list are dropped */
	uint8_t nr;
	uint8_t addr[MULTICAST_MAX][6];
};

/* False: the list is full. An address that is on it already stays once. */
bool multicast_add(struct multicast *m, const uint8_t addr[6]);
void multicast_del(struct multicast *m, const uint8_t addr[6]);
void multicast_clear(struct multicast *m);
/* Of memory that somebody else has filled. */
bool multicast_valid(const struct multicast *m);
/* Is a frame to @addr, which may be anybody's, for this guest? */
bool multicast_wanted(const struct multicast *m, const uint8_t addr[6]);

#endif
