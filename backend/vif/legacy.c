// SPDX-License-Identifier: MIT
#include "legacy.h"

#include <string.h>
#include <sys/mman.h>

struct vif_legacy *vif_legacy_map(int fd, unsigned int nr_queues)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	void *mem = mmap(NULL, vif_legacy_bytes(nr_queues),
			 PROT_READ | PROT_WRITE, flags, fd, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

void vif_legacy_unmap(struct vif_legacy *l, unsigned int nr_queues)
{
	if (l)
		munmap(l, vif_legacy_bytes(nr_queues));
}

void vif_legacy_begin(struct vif_legacy *l, bool resumed)
{
	if (!resumed || !multicast_valid(&l->multicast))
		multicast_clear(&l->multicast);
	if (!resumed || !hash_valid(&l->hash))
		memset(&l->hash, 0, sizeof(l->hash));
}
