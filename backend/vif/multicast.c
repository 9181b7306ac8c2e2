// SPDX-License-Identifier: MIT
#include "multicast.h"

#include <string.h>

#include "barrier.h"

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
	memcpy(m->addr[m->nr], addr, sizeof(m->addr[0]));
	xpv_compiler_barrier();
	m->nr++;
	return true;
}

void multicast_del(struct multicast *m, const uint8_t addr[6])
{
	int at;

	/* One that is there twice was moved by a worker that died of it. */
	while ((at = find(m, addr)) >= 0) {
		memmove(m->addr[at], m->addr[m->nr - 1], sizeof(m->addr[0]));
		xpv_compiler_barrier();
		m->nr--;
	}
}

void multicast_clear(struct multicast *m)
{
	m->nr = 0;
}

bool multicast_valid(const struct multicast *m)
{
	return m->nr <= MULTICAST_MAX;
}

bool multicast_wanted(const struct multicast *m, const uint8_t addr[6])
{
	static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255};

	return !m->filter || !(addr[0] & GROUP_BIT) ||
	       !memcmp(addr, broadcast, sizeof(broadcast)) ||
	       find(m, addr) >= 0;
}
