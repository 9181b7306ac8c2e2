// SPDX-License-Identifier: MIT
#include "mac.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MAC_TEXT  17u /* "00:16:3e:12:34:56" */
#define MAC_GROUP 1u /* in the first byte: many receivers */

static bool well_formed(const char *text)
{
	if (strlen(text) != MAC_TEXT)
		return false;
	for (unsigned int i = 0; i < MAC_TEXT; i++)
		if (i % 3 == 2 ? text[i] != ':'
			       : !isxdigit((unsigned char)text[i]))
			return false;
	return true;
}

const char *mac_parse(const char *text, uint8_t mac[6])
{
	static const uint8_t none[6];

	if (!well_formed(text))
		return "a MAC address such as 00:16:3e:12:34:56";
	for (unsigned int i = 0; i < 6; i++)
		mac[i] = (uint8_t)strtoul(text + 3 * i, NULL, 16);
	if (mac[0] & MAC_GROUP)
		return "a unicast MAC address (an even first byte)";
	if (!memcmp(mac, none, sizeof(none)))
		return "a MAC address that is not zero";
	return NULL;
}
