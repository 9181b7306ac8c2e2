/* SPDX-License-Identifier: MIT */
/*
 * Source guards: a guest speaks as itself. Frames here have no VLAN tag, and
 * of their bytes those that the switch copied once and forwards as they are.
 */
#ifndef XPV_PORT_GUARD_H
#define XPV_PORT_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#define GUARD_ADDRESSES 16u

struct guard_address {
	uint8_t family; /* 4 or 6 */
	uint8_t bytes[16];
};

struct guard {
	bool check_mac; /* the source is mac */
	/*
	 * Addresses that the guest may use; 0: any. Otherwise only IPv4, ARP
	 * and IPv6 pass: from a listed address; before it has one, from
	 * 0.0.0.0 to ask DHCP, and ARP for a listed one, and from :: to look
	 * for a duplicate of its own or for a router, or to report what it
	 * listens to; and from the link-local address that its MAC makes (RFC 4291). It
	 * announces no address but these and is no router.
	 */
	uint8_t nr_addresses;
	uint8_t mac[6];
	struct guard_address address[GUARD_ADDRESSES];
};

enum guard_verdict {
	GUARD_PASS,
	GUARD_MAC,
	GUARD_ADDRESS,
};

enum guard_verdict guard_check(const struct guard *guard, const uint8_t *frame,
			       uint32_t len);

/*
 * Of a vif's `ip`: addresses with blanks between them, a prefix length behind
 * each is ignored. NULL, or what was expected of @text.
 */
const char *guard_parse(const char *text, struct guard *guard);

#endif
