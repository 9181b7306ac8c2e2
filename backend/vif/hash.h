/* SPDX-License-Identifier: MIT */
/*
 * The hash that a guest may ask for on its control ring (xen/io/netif.h): it
 * is told the hash of each frame it receives, and says which of its queues
 * the frame is for. Toeplitz is the one algorithm there is.
 */
#ifndef XPV_VIF_HASH_H
#define XPV_VIF_HASH_H

#include "netif.h"

#include <stdbool.h>
#include <stdint.h>

/* As netback has them. */
#define HASH_MAX_KEY	 40u
#define HASH_MAX_MAPPING 128u

struct vif_hash {
	uint32_t algorithm; /* enum xpv_hash_algorithm */
	uint32_t flags; /* XPV_HASH_*: what of a frame is hashed */
	uint8_t key[HASH_MAX_KEY]; /* the rest of it is zero */
	uint32_t nr_mapping; /* 0: hash modulo the number of queues */
	uint32_t mapping[HASH_MAX_MAPPING]; /* queues */
};

struct hash_value {
	bool valid; /* a type that was asked for */
	uint8_t type; /* enum xpv_hash_type */
	uint32_t value;
};

/* Is there a hash to be had at all? */
static inline bool hash_on(const struct vif_hash *h)
{
	return h->algorithm != XPV_HASH_ALGORITHM_NONE && h->flags;
}

/* Of memory that somebody else has filled. */
bool hash_valid(const struct vif_hash *h);

struct hash_value hash_frame(const struct vif_hash *h, const uint8_t *frame,
			     uint32_t len);
/* Which of @nr queues: the first for frames that have no hash. */
unsigned int hash_queue(const struct vif_hash *h, const struct hash_value *v,
			unsigned int nr);

uint32_t hash_toeplitz(const uint8_t key[HASH_MAX_KEY], const uint8_t *data,
		       uint32_t len);

#endif
