/* SPDX-License-Identifier: MIT */
/*
 * A disk as a guest will see it: an open target, and what the administrator's
 * options make of it.
 */
#ifndef XPV_DISK_H
#define XPV_DISK_H

#include "options.h"
#include "target.h"

struct disk {
	struct target target;
	enum storage_cache cache; /* not DEFAULT */
	uint32_t sector_size;
	uint32_t physical_sector_size;
	bool discard;
};

/*
 * Open what @path names as @o wants it. 0, or -errno and @why: as
 * target_open(), or an option that this target cannot have.
 */
int disk_open(const char *path, bool read_only, const struct disk_options *o,
	      struct disk *d, struct reason *why);
/* In whole sectors of the disk: units of 512 bytes. */
uint64_t disk_sectors(const struct disk *d, uint64_t bytes);

#endif
