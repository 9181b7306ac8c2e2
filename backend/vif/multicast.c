// SPDX-License-Identifier: MIT
#include "multicast.h"

#include <string.h>

#define GROUP_BIT 1u /* of the first byte: the address of many */

static int find(const struct multicast *m, const uint8_t addr[6])
{
	for (int i = 0; i < m->nr; i++)
		if (!memcmp(m->addr[i], addr, sizeof(m->addr[i])))
			return i;
	return -1;
}

bool multicast_add(struct multicast *m, const uint8_t addr[6])
{
	if (find(m, addr) >= 0)
		return true;
	if (m->nr == MULTICAST_MAX)
		return false;
	memcpy(m->addr[m->nr++], addr, sizeof(m->addr[0]));
	return true;
}

void multicast_del(struct multicast *m, const uint8_t addr[6])
{
	int at = find(m, addr);

	if (at >= 0)
		memmove(m->addr[at], m->addr[--m->nr], sizeof(m->addr[0]));
}

void multicast_clear(struct multicast *m)
{
	m->nr = 0;
}

bool multicast_wanted(const struct multicast *m, const uint8_t addr[6])
{
	static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255};

	return !m->filter || !(addr[0] & GROUP_BIT) ||
	       !memcmp(addr, broadcast, sizeof(broadcast)) ||
	       find(m, addr) >= 0;
}
