// SPDX-License-Identifier: MIT
#include "fdb.h"

#include <string.h>

/*
 * By address alone, so that fixed entries, good for any VLAN, lie in the same
 * set. The multiplier is 2^64 divided by the golden ratio.
 */
static unsigned int set_of(const struct fdb *fdb, const uint8_t mac[6])
{
	uint64_t key = fdb->seed;

	for (unsigned int i = 0; i < 6; i++)
		key = (key ^ mac[i]) * 0x9e3779b97f4a7c15u;
	return (unsigned int)(key >> 56) % FDB_SETS;
}

static bool old(const struct fdb_entry *e, uint32_t now)
{
	return !e->fixed && now - e->seen >= FDB_AGE_S;
}

static bool matches(const struct fdb_entry *e, const uint8_t mac[6],
		    uint16_t vlan)
{
	return e->port != FDB_NONE && !memcmp(e->mac, mac, sizeof(e->mac)) &&
	       (e->fixed || e->vlan == vlan);
}

void fdb_init(struct fdb *fdb, uint64_t seed)
{
	memset(fdb, 0, sizeof(*fdb));
	fdb->seed = seed;
	for (unsigned int s = 0; s < FDB_SETS; s++)
		for (unsigned int w = 0; w < FDB_WAYS; w++)
			fdb->entry[s][w].port = FDB_NONE;
}

/* A free way, else the one not seen for longest; NULL: all are fixed. */
static struct fdb_entry *victim(struct fdb_entry *set, uint32_t now)
{
	struct fdb_entry *best = NULL;

	for (unsigned int w = 0; w < FDB_WAYS; w++) {
		struct fdb_entry *e = &set[w];

		if (e->port == FDB_NONE)
			return e;
		if (!e->fixed && (!best || now - e->seen > now - best->seen))
			best = e;
	}
	return best;
}

static void put(struct fdb_entry *e, const uint8_t mac[6], uint16_t vlan,
		uint8_t port, bool fixed, uint32_t now)
{
	memcpy(e->mac, mac, sizeof(e->mac));
	e->vlan = vlan;
	e->port = port;
	e->fixed = fixed;
	e->seen = now;
}

void fdb_fix(struct fdb *fdb, const uint8_t mac[6], uint8_t port)
{
	struct fdb_entry *set = fdb->entry[set_of(fdb, mac)], *e;

	/* What was learned of this address is void. */
	for (unsigned int w = 0; w < FDB_WAYS; w++)
		if (!memcmp(set[w].mac, mac, sizeof(set[w].mac)))
			set[w].port = FDB_NONE;
	e = victim(set, 0);
	/* Five in one set: frames to this one are flooded. */
	if (e)
		put(e, mac, 0, port, true, 0);
}

bool fdb_learn(struct fdb *fdb, const uint8_t mac[6], uint16_t vlan,
	       uint8_t port, uint32_t now)
{
	struct fdb_entry *set = fdb->entry[set_of(fdb, mac)], *e;

	for (unsigned int w = 0; w < FDB_WAYS; w++) {
		e = &set[w];
		if (!matches(e, mac, vlan))
			continue;
		if (e->fixed)
			return e->port == port;
		e->port = port;
		e->seen = now;
		return true;
	}
	e = victim(set, now);
	if (e)
		put(e, mac, vlan, port, false, now);
	return true;
}

uint8_t fdb_find(const struct fdb *fdb, const uint8_t mac[6], uint16_t vlan,
		 uint32_t now)
{
	const struct fdb_entry *set = fdb->entry[set_of(fdb, mac)];

	for (unsigned int w = 0; w < FDB_WAYS; w++)
		if (matches(&set[w], mac, vlan) && !old(&set[w], now))
			return set[w].port;
	return FDB_NONE;
}

void fdb_forget(struct fdb *fdb, uint8_t port)
{
	for (unsigned int s = 0; s < FDB_SETS; s++)
		for (unsigned int w = 0; w < FDB_WAYS; w++)
			if (fdb->entry[s][w].port == port)
				fdb->entry[s][w].port = FDB_NONE;
}
