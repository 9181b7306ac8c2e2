// SPDX-License-Identifier: MIT
#include "guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define ETH_LEN	    14u
#define ETH_IPV4    0x0800
#define ETH_ARP	    0x0806
#define ETH_IPV6    0x86dd

#define ARP_LEN	    28u
#define ARP_SENDER  8u /* hardware address; the protocol address follows */
#define ARP_TARGET  24u /* protocol address */
#define IPV4_LEN    20u
#define IPV4_SOURCE 12u
#define IPV4_PART   0x3fff /* of a fragment: its offset, or more follow */
#define IPV6_LEN    40u
#define IPV6_SOURCE 8u
#define IPV6_OFFSET 0xfff8 /* of a fragment */

/* RFC 4861. All begin with 24 bytes but the router's two, which never pass. */
#define ND_ROUTER_SOLICIT    133
#define ND_ROUTER_ADVERT     134
#define ND_NEIGHBOUR_SOLICIT 135
#define ND_NEIGHBOUR_ADVERT  136
#define ND_REDIRECT	     137
#define ND_TARGET	     8u
#define ND_OPTIONS	     24u
#define ND_SOLICIT_OPTIONS   8u /* of a router's */
/* RFC 2710, RFC 3810: behind a hop-by-hop header of 8 bytes. */
#define MLD_HOP_LEN	      8u
#define MLD_REPORT	      131
#define MLD_DONE	      132
#define MLD_REPORT_V2	      143
#define ND_OPTION_SOURCE_LINK 1
#define ND_OPTION_TARGET_LINK 2

static bool listed(const struct guard *g, uint8_t family, const uint8_t *at)
{
	for (unsigned int i = 0; i < g->nr_addresses; i++)
		if (g->address[i].family == family &&
		    !memcmp(g->address[i].bytes, at, family == 4 ? 4 : 16))
			return true;
	return false;
}

static bool zero(const uint8_t *at, uint32_t len)
{
	while (len)
		if (at[--len])
			return false;
	return true;
}

static bool own_link_local(const struct guard *g, const uint8_t *at)
{
	const uint8_t *m = g->mac;
	const uint8_t own[16] = {
		0xfe,	  0x80, 0,    0,    0,	  0,	0,    0,
		m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5],
	};

	return !memcmp(own, at, sizeof(own));
}

static bool own_ipv6(const struct guard *g, const uint8_t *at)
{
	return listed(g, 6, at) || own_link_local(g, at);
}

/* A client that asks for its address: UDP from port 68 to port 67. */
static bool asks_dhcp(const uint8_t *ip, uint32_t len)
{
	static const uint8_t ports[4] = {0, 68, 0, 67};
	uint32_t size = (uint32_t)(ip[0] & 15) * 4;

	return zero(ip + IPV4_SOURCE, 4) && ip[9] == IPPROTO_UDP &&
	       !((ip[6] << 8 | ip[7]) & IPV4_PART) && size >= IPV4_LEN &&
	       size + 4 <= len && !memcmp(ip + size, ports, sizeof(ports));
}

static bool ipv4_passes(const struct guard *g, const uint8_t *ip, uint32_t len)
{
	if (len < IPV4_LEN || ip[0] >> 4 != 4)
		return false;
	return listed(g, 4, ip + IPV4_SOURCE) || asks_dhcp(ip, len);
}

static bool arp_passes(const struct guard *g, const uint8_t *arp, uint32_t len)
{
	/* Ethernet and IPv4 only: other lengths would hide the addresses. */
	static const uint8_t kind[6] = {0, 1, 8, 0, 6, 4};
	const uint8_t *sender = arp + ARP_SENDER;

	if (len < ARP_LEN || memcmp(arp, kind, sizeof(kind)) ||
	    memcmp(sender, g->mac, 6))
		return false;
	/* A probe (RFC 5227) is for an address that it may then have. */
	return listed(g, 4,
		      zero(sender + 6, 4) ? arp + ARP_TARGET : sender + 6);
}

/* Options that name a link address name the guest's. */
static bool options_pass(const struct guard *g, const uint8_t *at, uint32_t len)
{
	while (len >= 8) {
		uint32_t size = (uint32_t)at[1] * 8;

		if (!size || size > len)
			return false;
		if ((at[0] == ND_OPTION_SOURCE_LINK ||
		     at[0] == ND_OPTION_TARGET_LINK) &&
		    memcmp(at + 2, g->mac, 6))
			return false;
		at += size;
		len -= size;
	}
	return !len;
}

/* @at: the ICMPv6 header. */
static bool icmpv6_passes(const struct guard *g, const uint8_t *at,
			  uint32_t len)
{
	if (len < 8)
		return false;
	switch (at[0]) {
	case ND_ROUTER_ADVERT:
	case ND_REDIRECT:
		return false;
	case ND_ROUTER_SOLICIT:
		return options_pass(g, at + ND_SOLICIT_OPTIONS,
				    len - ND_SOLICIT_OPTIONS);
	case ND_NEIGHBOUR_ADVERT:
		if (len < ND_OPTIONS || !own_ipv6(g, at + ND_TARGET))
			return false;
		return options_pass(g, at + ND_OPTIONS, len - ND_OPTIONS);
	case ND_NEIGHBOUR_SOLICIT:
		if (len < ND_OPTIONS)
			return false;
		return options_pass(g, at + ND_OPTIONS, len - ND_OPTIONS);
	default:
		return true;
	}
}

/*
 * Extension headers could hide a neighbour's message: it must be seen what
 * follows them, and neighbour discovery needs none (RFC 6980 forbids it in
 * fragments).
 */
static bool payload_passes(const struct guard *g, const uint8_t *ip,
			   uint32_t len)
{
	uint32_t at = IPV6_LEN;
	uint8_t next = ip[6];

	if (next == IPPROTO_ICMPV6)
		return icmpv6_passes(g, ip + at, len - at);
	while (next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING ||
	       next == IPPROTO_DSTOPTS || next == IPPROTO_FRAGMENT) {
		uint32_t size = 8;

		if (at + 8 > len)
			return false;
		if (next != IPPROTO_FRAGMENT)
			size = (uint32_t)(ip[at + 1] + 1) * 8;
		else if ((ip[at + 2] << 8 | ip[at + 3]) & IPV6_OFFSET)
			return true; /* worth nothing without the first */
		next = ip[at];
		at += size;
	}
	if (next != IPPROTO_ICMPV6)
		return true;
	/* Multicast listener reports have a hop-by-hop option, no other. */
	return at < len && (ip[at] < ND_ROUTER_SOLICIT || ip[at] > ND_REDIRECT);
}

static bool reports_listener(const uint8_t *ip, uint32_t len)
{
	const uint8_t *hop = ip + IPV6_LEN;
	uint8_t type;

	if (ip[6] != IPPROTO_HOPOPTS || len <= IPV6_LEN + MLD_HOP_LEN ||
	    hop[0] != IPPROTO_ICMPV6 || hop[1])
		return false;
	type = hop[MLD_HOP_LEN];
	return type == MLD_REPORT || type == MLD_DONE || type == MLD_REPORT_V2;
}

/* Who has no address yet looks for a duplicate of its own, or for a router. */
static bool unspecified_passes(const struct guard *g, const uint8_t *ip,
			       uint32_t len)
{
	const uint8_t *icmp = ip + IPV6_LEN;

	if (ip[6] != IPPROTO_ICMPV6)
		return reports_listener(ip, len);
	if (!icmpv6_passes(g, icmp, len - IPV6_LEN))
		return false;
	return icmp[0] == ND_ROUTER_SOLICIT ||
	       (icmp[0] == ND_NEIGHBOUR_SOLICIT &&
		own_ipv6(g, icmp + ND_TARGET));
}

static bool ipv6_passes(const struct guard *g, const uint8_t *ip, uint32_t len)
{
	uint32_t whole;

	if (len < IPV6_LEN || ip[0] >> 4 != 6)
		return false;
	/* What pads the frame is none of the packet. */
	whole = IPV6_LEN + (uint32_t)(ip[4] << 8 | ip[5]);
	if (whole < len)
		len = whole;
	if (zero(ip + IPV6_SOURCE, 16))
		return unspecified_passes(g, ip, len);
	return own_ipv6(g, ip + IPV6_SOURCE) && payload_passes(g, ip, len);
}

static bool address_passes(const struct guard *g, const uint8_t *frame,
			   uint32_t len)
{
	switch (frame[12] << 8 | frame[13]) {
	case ETH_IPV4:
		return ipv4_passes(g, frame + ETH_LEN, len - ETH_LEN);
	case ETH_ARP:
		return arp_passes(g, frame + ETH_LEN, len - ETH_LEN);
	case ETH_IPV6:
		return ipv6_passes(g, frame + ETH_LEN, len - ETH_LEN);
	default:
		return false;
	}
}

enum guard_verdict guard_check(const struct guard *g, const uint8_t *frame,
			       uint32_t len)
{
	/* No frame comes from a group. */
	if (len < ETH_LEN || frame[6] & 1)
		return GUARD_MAC;
	if (g->check_mac && memcmp(frame + 6, g->mac, sizeof(g->mac)))
		return GUARD_MAC;
	if (g->nr_addresses && !address_passes(g, frame, len))
		return GUARD_ADDRESS;
	return GUARD_PASS;
}

/* ---- configuration ---- */

static bool add_address(struct guard *g, const char *text)
{
	struct guard_address *a = &g->address[g->nr_addresses];

	memset(a, 0, sizeof(*a));
	a->family = strchr(text, ':') ? 6 : 4;
	if (inet_pton(a->family == 6 ? AF_INET6 : AF_INET, text, a->bytes) != 1)
		return false;
	g->nr_addresses++;
	return true;
}

const char *guard_parse(const char *text, struct guard *g)
{
	static const char *const expected =
		"1 to 16 IPv4 or IPv6 addresses with blanks between them";
	char one[INET6_ADDRSTRLEN];

	g->nr_addresses = 0;
	for (;;) {
		size_t len;

		text += strspn(text, " \t");
		if (!*text)
			return g->nr_addresses ? NULL : expected;
		len = strcspn(text, " \t/");
		if (!len || len >= sizeof(one) ||
		    g->nr_addresses == GUARD_ADDRESSES)
			return expected;
		memcpy(one, text, len);
		one[len] = '\0';
		if (!add_address(g, one))
			return expected;
		text += strcspn(text, " \t");
	}
}
