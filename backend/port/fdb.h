/* SPDX-License-Identifier: MIT */
/*
 * The forwarding database of a learning bridge (IEEE 802.1Q): behind which
 * port a station is. Bounded, and old entries are found to be old when they
 * are looked at: nothing runs while no frame does.
 */
#ifndef XPV_PORT_FDB_H
#define XPV_PORT_FDB_H

#include <stdbool.h>
#include <stdint.h>

#define FDB_SETS  256u
#define FDB_WAYS  4u
#define FDB_AGE_S 300u
#define FDB_NONE  0xffu /* no port */

struct fdb_entry {
	uint8_t mac[6];
	uint16_t vlan; /* fixed entries: of any */
	uint8_t port; /* FDB_NONE: the entry is free */
	bool fixed;
	uint32_t seen; /* s */
};

struct fdb {
	uint64_t seed; /* no station can choose the set it falls into */
	struct fdb_entry entry[FDB_SETS][FDB_WAYS];
};

void fdb_init(struct fdb *fdb, uint64_t seed);
/* A station whose port is known from elsewhere: learning cannot move it. */
void fdb_fix(struct fdb *fdb, const uint8_t mac[6], uint8_t port);
/* False: the station is fixed behind another port, the frame is a lie. */
bool fdb_learn(struct fdb *fdb, const uint8_t mac[6], uint16_t vlan,
	       uint8_t port, uint32_t now);
uint8_t fdb_find(const struct fdb *fdb, const uint8_t mac[6], uint16_t vlan,
		 uint32_t now);
/* The port is gone. */
void fdb_forget(struct fdb *fdb, uint8_t port);

#endif
