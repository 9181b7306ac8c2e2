/* SPDX-License-Identifier: MIT */
/*
 * What the offloads need to know of a frame's headers, and checksums. Frames
 * are linear here, so a header that a guest spread over slots is whole again.
 * Every offset returned lies within the frame.
 */
#ifndef XPV_HEADERS_H
#define XPV_HEADERS_H

#include <stdbool.h>
#include <stdint.h>

#define ETH_HEADER_LEN 14u
/* Protocols whose checksum we know, IPPROTO_*. */
#define HEADERS_TCP 6u
#define HEADERS_UDP 17u

struct headers {
	uint8_t ip; /* 4, 6, or 0: none that we know, or cut short */
	bool vlan; /* one VLAN tag or two precede it */
	bool fragment; /* part of an IP packet: no transport header of use */
	uint8_t proto; /* HEADERS_TCP, HEADERS_UDP, or 0 */
	uint16_t ip_at; /* offset of the IP header */
	uint16_t l4_at; /* of the TCP or UDP header, when proto is set */
	uint16_t l4_len; /* of that header */
};

void headers_parse(const uint8_t *frame, uint32_t len, struct headers *h);

/* Where in the transport header the checksum lies. */
static inline uint16_t headers_csum_offset(const struct headers *h)
{
	return h->proto == HEADERS_TCP ? 16 : 6;
}

/* The TCP header has the CWR flag. */
bool headers_tcp_cwr(const uint8_t *frame, const struct headers *h);

/*
 * Write the sum of the pseudo header into the checksum field, as who is to
 * complete the checksum expects to find it.
 */
void headers_put_pseudo_sum(uint8_t *frame, uint32_t len,
			    const struct headers *h);

/* Complete a checksum: the sum from @start to @len goes to start + offset. */
void csum_complete(uint8_t *frame, uint32_t len, uint32_t start,
		   uint32_t offset);

/* One's complement sum of @len bytes, folded to 16 bits, network order. */
uint16_t csum_sum(const uint8_t *data, uint32_t len, uint64_t seed);

#endif
