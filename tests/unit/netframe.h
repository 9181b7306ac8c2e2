/* SPDX-License-Identifier: MIT */
/* Frames for the tests, and checksums worked out the slow and obvious way. */
#ifndef XPV_TESTS_NETFRAME_H
#define XPV_TESTS_NETFRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "frontend/user/usernet.h"

struct netframe {
	bool v6;
	bool udp;
	uint8_t vlan; /* tags, 2 at most */
	bool blank; /* leave the sum of the pseudo header in the checksum */
	uint32_t payload;
};

/* Offsets within the frame. */
uint32_t netframe_ip_at(const struct netframe *f);
uint32_t netframe_l4_at(const struct netframe *f);
uint32_t netframe_hdr_len(const struct netframe *f);
uint32_t netframe_csum_offset(const struct netframe *f);

/* Build one, its payload made from @seed. Returns its length. */
uint32_t netframe_build(uint8_t *buf, const struct netframe *f, uint32_t seed);
/* Is the transport checksum of this complete frame right? */
bool netframe_csum_ok(const uint8_t *buf, const struct netframe *f,
		      uint32_t len);
/* Do the IP header's length and checksum fit this frame? */
bool netframe_ip_ok(const uint8_t *buf, const struct netframe *f, uint32_t len);
/* Complete the checksum as a network card would. */
void netframe_complete(uint8_t *buf, uint32_t len, uint32_t start,
		       uint32_t offset);
/* A frame of no protocol: @len bytes from @seed. */
void netframe_plain(uint8_t *buf, uint32_t len, uint32_t seed);
/*
 * The slots of a frame: pieces of random size and place in their pages,
 * XPV_NETIF_MAX_SLOTS at most. Returns their number.
 */
unsigned int netframe_cut(uint32_t len, struct usernet_piece *piece);

#endif
