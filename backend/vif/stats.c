// SPDX-License-Identifier: MIT
#include "queue.h"

#include <string.h>

const char *vif_counter_name(enum vif_counter counter)
{
	static const char *const name[VIF_NR_COUNTERS] = {
#define VIF_COUNTER_NAME(id, text) [VIF_##id] = text,
		VIF_COUNTERS(VIF_COUNTER_NAME)
#undef VIF_COUNTER_NAME
	};

	return (unsigned int)counter < VIF_NR_COUNTERS ? name[counter]
						       : "unknown";
}

uint64_t vif_counter(const struct vif *vif, enum vif_counter counter)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < vif->nr_queues; i++)
		sum += vif->queue[i].counter[counter];
	return sum;
}

void vif_port_stats(const struct vif *vif, struct port_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	for (unsigned int i = 0; i < vif->nr_queues; i++) {
		const struct port_stats *p = &vif->queue[i].port->stats;

		stats->sent += p->sent;
		stats->received += p->received;
		stats->drop_down += p->drop_down;
		stats->drop_full += p->drop_full;
		stats->drop_refused += p->drop_refused;
		stats->drop_long += p->drop_long;
	}
}
