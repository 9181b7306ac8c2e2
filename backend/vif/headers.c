// SPDX-License-Identifier: MIT
#include "headers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define ETH_VLAN      0x8100
#define ETH_SERVICE   0x88a8 /* the outer of two tags (802.1ad) */
#define ETH_IPV4      0x0800
#define ETH_IPV6      0x86dd
#define VLAN_TAG_LEN  4u
#define MAX_TAGS      2
#define IPV4_MIN_LEN  20u
#define IPV6_LEN      40u
#define IPV4_FRAGMENT 0x3fff /* more-fragments bit and offset */
#define IPV6_FRAGMENT 0xfff9 /* offset and more-fragments bit */
#define TCP_MIN_LEN   20u
#define UDP_LEN	      8u
#define TCP_FLAG_CWR  0x80
/*
 * Extension headers walked before we give up. The kernel's own limit is of
 * the same kind; no offload is worth a longer walk.
 */
#define MAX_IPV6_EXTENSIONS 8
#define MAX_EXTENSION_LEN   2048u

_Static_assert(ETH_HEADER_LEN + MAX_TAGS * VLAN_TAG_LEN + IPV6_LEN +
			       MAX_IPV6_EXTENSIONS * MAX_EXTENSION_LEN + 60 <=
		       UINT16_MAX,
	       "every header's offset fits into 16 bits");

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, uint16_t value)
{
	memcpy(at, &value, sizeof(value));
}

/* The transport header at @at, if it is one we know and all of it is there. */
static void parse_l4(const uint8_t *frame, uint32_t len, uint32_t at,
		     uint8_t proto, struct headers *h)
{
	uint32_t size;

	if (proto == HEADERS_TCP) {
		if (at + TCP_MIN_LEN > len)
			return;
		size = (uint32_t)(frame[at + 12] >> 4) * 4;
		if (size < TCP_MIN_LEN)
			return;
	} else if (proto == HEADERS_UDP) {
		size = UDP_LEN;
	} else {
		return;
	}
	if (at + size > len)
		return;
	h->proto = proto;
	h->l4_at = (uint16_t)at;
	h->l4_len = (uint16_t)size;
}

static void parse_ipv4(const uint8_t *frame, uint32_t len, uint32_t at,
		       struct headers *h)
{
	const uint8_t *ip = frame + at;
	uint32_t size;

	if (at + IPV4_MIN_LEN > len || ip[0] >> 4 != 4)
		return;
	size = (uint32_t)(ip[0] & 15) * 4;
	if (size < IPV4_MIN_LEN || at + size > len)
		return;
	h->ip = 4;
	h->fragment = get16(ip + 6) & IPV4_FRAGMENT;
	if (!h->fragment)
		parse_l4(frame, len, at + size, ip[9], h);
}

/* Walk over the extension headers that may stand before a transport header. */
static void parse_ipv6(const uint8_t *frame, uint32_t len, uint32_t at,
		       struct headers *h)
{
	uint8_t next;

	if (at + IPV6_LEN > len || frame[at] >> 4 != 6)
		return;
	h->ip = 6;
	next = frame[at + 6];
	at += IPV6_LEN;
	for (int i = 0; i < MAX_IPV6_EXTENSIONS; i++) {
		if (next == IPPROTO_FRAGMENT && at + 8 <= len) {
			h->fragment = get16(frame + at + 2) & IPV6_FRAGMENT;
			if (h->fragment)
				return;
			next = frame[at];
			at += 8;
			continue;
		}
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING &&
		    next != IPPROTO_DSTOPTS)
			break;
		if (at + 8 > len)
			return;
		next = frame[at];
		at += (uint32_t)(frame[at + 1] + 1) * 8;
	}
	parse_l4(frame, len, at, next, h);
}

void headers_parse(const uint8_t *frame, uint32_t len, struct headers *h)
{
	uint32_t at = ETH_HEADER_LEN;
	uint16_t type;

	memset(h, 0, sizeof(*h));
	if (len < at)
		return;
	type = get16(frame + 12);
	for (int i = 0; i < MAX_TAGS && at + VLAN_TAG_LEN <= len &&
			(type == ETH_VLAN || type == ETH_SERVICE);
	     i++) {
		h->vlan = true;
		type = get16(frame + at + 2);
		at += VLAN_TAG_LEN;
	}
	h->ip_at = (uint16_t)at;
	if (type == ETH_IPV4)
		parse_ipv4(frame, len, at, h);
	else if (type == ETH_IPV6)
		parse_ipv6(frame, len, at, h);
}

bool headers_tcp_cwr(const uint8_t *frame, const struct headers *h)
{
	return h->proto == HEADERS_TCP && frame[h->l4_at + 13] & TCP_FLAG_CWR;
}

/*
 * The sum is the same in either byte order but for a swap, so bytes are added
 * as they lie in memory: 32 bits at a time into 64, the carries folded last.
 */
uint16_t csum_sum(const uint8_t *data, uint32_t len, uint64_t seed)
{
	uint64_t sum = seed;
	uint32_t word;

	for (; len >= 4; data += 4, len -= 4) {
		memcpy(&word, data, 4);
		sum += word;
	}
	if (len) {
		word = 0;
		memcpy(&word, data, len);
		sum += word;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

void headers_put_pseudo_sum(uint8_t *frame, uint32_t len,
			    const struct headers *h)
{
	const uint8_t *ip = frame + h->ip_at;
	uint64_t seed = htons(h->proto);
	uint32_t l4_len = len - h->l4_at;
	uint16_t sum;

	seed += htonl(l4_len);
	if (h->ip == 4)
		sum = csum_sum(ip + 12, 8, seed);
	else
		sum = csum_sum(ip + 8, 32, seed);
	put16(frame + h->l4_at + headers_csum_offset(h), sum);
}

void csum_complete(uint8_t *frame, uint32_t len, uint32_t start,
		   uint32_t offset)
{
	uint16_t sum = (uint16_t)~csum_sum(frame + start, len - start, 0);

	/* 0 says "no checksum" in UDP, and means the same as all ones. */
	put16(frame + start + offset, sum ? sum : 0xffff);
}
