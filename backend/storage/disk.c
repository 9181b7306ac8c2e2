// SPDX-License-Identifier: MIT
#include "disk.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "../reason.h"

#define UNIT 512u

/* A file keeps sectors of 512 bytes wherever it is moved to. */
static uint32_t sector_size(const struct disk_options *o,
			    const struct target *t)
{
	if (o->sector_size)
		return o->sector_size;
	return t->is_block ? t->logical_sector_size : UNIT;
}

/* Every request is whole sectors of the guest's, and memory is page-aligned. */
static int check_direct(const char *path, const struct disk_options *o,
			const struct target *t, struct reason *why)
{
	if (t->logical_sector_size <= sector_size(o, t))
		return 0;
	reason_set(why,
		   "%s: cache=direct needs sector-size=%" PRIu32
		   " there, it is %" PRIu32,
		   path, t->logical_sector_size, sector_size(o, t));
	return -EINVAL;
}

static int open_direct(const char *path, bool read_only,
		       const struct disk_options *o, struct target *t,
		       struct reason *why)
{
	int err = target_open(path, read_only, true, t, why);

	if (err)
		return err;
	err = check_direct(path, o, t, why);
	if (err)
		target_close(t);
	return err;
}

/* Falls back to what is as durable, never to less. */
static int open_cached(const char *path, bool read_only,
		       const struct disk_options *o, struct disk *d,
		       struct reason *why)
{
	bool any = o->cache == STORAGE_CACHE_DEFAULT;
	int err;

	d->cache = any ? STORAGE_CACHE_DIRECT : o->cache;
	if (d->cache == STORAGE_CACHE_DIRECT) {
		err = open_direct(path, read_only, o, &d->target, why);
		/* What is wrong with the path is no better without. */
		if (!any || err != -EINVAL)
			return err;
		d->cache = STORAGE_CACHE_WRITETHROUGH;
	}
	return target_open(path, read_only, false, &d->target, why);
}

static int shape(const char *path, const struct disk_options *o, struct disk *d,
		 struct reason *why)
{
	const struct target *t = &d->target;

	d->sector_size = sector_size(o, t);
	d->physical_sector_size = o->physical_sector_size
					  ? o->physical_sector_size
					  : t->physical_sector_size;
	if (d->physical_sector_size < d->sector_size) {
		if (o->physical_sector_size) {
			reason_set(why,
				   "%s: physical-sector-size=%" PRIu32
				   " is less than its sector size, %" PRIu32,
				   path, o->physical_sector_size,
				   d->sector_size);
			return -EINVAL;
		}
		d->physical_sector_size = d->sector_size;
	}
	if (t->size % d->sector_size) {
		reason_set(why,
			   "%s: its size, %" PRIu64
			   " bytes, is not a multiple of sector-size=%" PRIu32,
			   path, t->size, d->sector_size);
		return -EINVAL;
	}
	d->discard = o->discard && !t->read_only && t->discard_granularity;
	return 0;
}

int disk_open(const char *path, bool read_only, const struct disk_options *o,
	      struct disk *d, struct reason *why)
{
	int err;

	memset(d, 0, sizeof(*d));
	d->target.fd = d->target.twin = -1;
	err = open_cached(path, read_only, o, d, why);
	if (err)
		return err;
	err = shape(path, o, d, why);
	if (err)
		target_close(&d->target);
	return err;
}

uint64_t disk_sectors(const struct disk *d, uint64_t bytes)
{
	return (bytes - bytes % d->sector_size) / UNIT;
}
