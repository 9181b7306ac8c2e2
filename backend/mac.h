/* SPDX-License-Identifier: MIT */
#ifndef XPV_MAC_H
#define XPV_MAC_H

#include <stdint.h>

/*
 * Six bytes in hex with colons, of one station: neither a group's address nor
 * zero. NULL, or what was expected of @text.
 */
const char *mac_parse(const char *text, uint8_t mac[6]);

#endif
