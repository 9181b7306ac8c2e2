// SPDX-License-Identifier: MIT
#include "hash.h"

#include "headers.h"

#include <string.h>

#define MAX_INPUT 36u /* IPv6 addresses and two ports */

_Static_assert(MAX_INPUT + 4 <= HASH_MAX_KEY,
	       "the key never runs out under its window of 32 bits");

uint32_t hash_toeplitz(const uint8_t key[HASH_MAX_KEY], const uint8_t *data,
		       uint32_t len)
{
	uint64_t window = (uint64_t)key[0] << 24 | (uint64_t)key[1] << 16 |
			  (uint64_t)key[2] << 8 | key[3];
	uint32_t hash = 0;

	/* Bit k of a byte, from its low end, has the key's 32 bits from 7 - k on. */
	for (uint32_t i = 0; i < len; i++) {
		window = window << 8 | key[i + 4];
		for (unsigned int bits = data[i]; bits; bits &= bits - 1)
			hash ^= (uint32_t)(window >> (__builtin_ctz(bits) + 1));
	}
	return hash;
}

/* The fullest type that was asked for and that the frame allows. */
static bool choose(const struct vif_hash *h, const struct headers *hdr,
		   uint8_t *type)
{
	bool tcp = hdr->proto == HEADERS_TCP;

	if (!hdr->ip)
		return false;
	*type = hdr->ip == 4 ? XPV_HASH_IPV4_TCP : XPV_HASH_IPV6_TCP;
	if (tcp && h->flags & 1u << *type)
		return true;
	*type = hdr->ip == 4 ? XPV_HASH_IPV4 : XPV_HASH_IPV6;
	return h->flags & 1u << *type;
}

bool hash_valid(const struct vif_hash *h)
{
	return h->algorithm <= XPV_HASH_ALGORITHM_TOEPLITZ &&
	       !(h->flags & ~XPV_HASH_ALL_FLAGS) &&
	       h->nr_mapping <= HASH_MAX_MAPPING;
}

struct hash_value hash_frame(const struct vif_hash *h, const uint8_t *frame,
			     uint32_t len)
{
	struct hash_value v = {.valid = false};
	uint8_t input[MAX_INPUT];
	struct headers hdr;
	uint32_t n;

	headers_parse(frame, len, &hdr);
	if (!choose(h, &hdr, &v.type))
		return v;
	n = hdr.ip == 4 ? 8 : 32;
	memcpy(input, frame + hdr.ip_at + (hdr.ip == 4 ? 12 : 8), n);
	if (v.type == XPV_HASH_IPV4_TCP || v.type == XPV_HASH_IPV6_TCP) {
		memcpy(input + n, frame + hdr.l4_at, 4);
		n += 4;
	}
	v.valid = true;
	v.value = hash_toeplitz(h->key, input, n);
	return v;
}

unsigned int hash_queue(const struct vif_hash *h, const struct hash_value *v,
			unsigned int nr)
{
	uint32_t value = v->valid ? v->value : 0;

	if (!h->nr_mapping)
		return value % nr;
	/* It was checked against the queues of this connection. */
	value = h->mapping[value % h->nr_mapping];
	return value < nr ? value : 0;
}
