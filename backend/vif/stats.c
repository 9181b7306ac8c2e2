// SPDX-License-Identifier: MIT
#include "queue.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *const port_name[] = {
	"port_sent",	  "port_received",     "port_drop_down",
	"port_drop_full", "port_drop_refused", "port_drop_long",
};
#define NR_PORT (sizeof(port_name) / sizeof(port_name[0]))

_Static_assert(sizeof(struct port_stats) == NR_PORT * sizeof(uint64_t),
	       "each counter of a port has its name");

const char *vif_stats_name(unsigned int i)
{
	if (i < VIF_NR_COUNTERS)
		return vif_counter_name((enum vif_counter)i);
	i -= VIF_NR_COUNTERS;
	if (i < NR_PORT)
		return port_name[i];
	i -= NR_PORT;
	return i < SWITCH_NR_COUNTERS
		       ? switch_counter_name((enum switch_counter)i)
		       : NULL;
}

uint64_t vif_stats_value(const struct vif_queue_stats *q, unsigned int i)
{
	const uint64_t *port = &q->port.sent;

	if (i < VIF_NR_COUNTERS)
		return q->counter[i];
	i -= VIF_NR_COUNTERS;
	return i < NR_PORT ? port[i] : q->lan[i - NR_PORT];
}

struct vif_stats *vif_stats_map(int fd)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	struct vif_stats *s;

	if (fd >= 0 && ftruncate(fd, sizeof(*s)))
		return NULL;
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, flags, fd, 0);
	if (s == MAP_FAILED)
		return NULL;
	/* A worker before us may have counted, and other things. */
	memset(s, 0, sizeof(*s));
	s->queue_bytes = sizeof(s->queue[0]);
	return s;
}

void vif_stats_unmap(struct vif_stats *s)
{
	if (s)
		munmap(s, sizeof(*s));
}

int vif_stats_read(const char *path, struct vif_stats *s)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = read(fd, s, sizeof(*s));
	close(fd);
	if (got != sizeof(*s) || s->queue_bytes != sizeof(s->queue[0]) ||
	    s->nr_queues > IPC_MAX_QUEUES)
		return -EPROTO;
	return 0;
}

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
	for (unsigned int i = 0; i < (vif->lan ? 1 : vif->nr_queues); i++) {
		const struct port_stats *p = &vif->queue[i].port->stats;

		stats->sent += p->sent;
		stats->received += p->received;
		stats->drop_down += p->drop_down;
		stats->drop_full += p->drop_full;
		stats->drop_refused += p->drop_refused;
		stats->drop_long += p->drop_long;
	}
}
