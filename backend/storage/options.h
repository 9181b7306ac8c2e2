/* SPDX-License-Identifier: MIT */
/*
 * What an administrator may say about a disk: in the [disk] section of
 * xpvd.conf for all of them, in the URI of one for that one.
 *
 *	file:/srv/guest.img?cache=writeback&full=error
 *
 * A target that begins with a slash is a path as it stands, whatever is in
 * it; in a URI %XX stands for a byte.
 */
#ifndef XPV_OPTIONS_H
#define XPV_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage.h"

struct reason;

/* A number that is 0: nothing was said. */
struct disk_options {
	enum storage_cache cache; /* DEFAULT: nothing was said */
	enum storage_full full;
	enum storage_engine engine;
	bool discard;
	bool persistent; /* grants */
	uint32_t sector_size; /* bytes; 0: 512, or what a device demands */
	uint32_t physical_sector_size; /* bytes; 0: the target's */
	uint32_t queues; /* offered; a frontend takes one a processor */
	uint32_t ring_order;
	uint32_t indirect; /* segments */
};

#define DISK_PATH_MAX 4096u

void disk_options_init(struct disk_options *o);
/* 0; -EINVAL and @why, which names the key, the value and what is expected. */
int disk_options_set(struct disk_options *o, const char *key, const char *value,
		     struct reason *why);
/* Not a plain path. */
bool disk_target_is_uri(const char *target);
/*
 * A target as xl hands it over: its path, and on top of what @o holds what
 * the target says. 0; -EINVAL and @why.
 */
int disk_target_parse(const char *target, char path[DISK_PATH_MAX],
		      struct disk_options *o, struct reason *why);
/* "direct" and so on. */
const char *storage_cache_name(enum storage_cache cache);
const char *storage_full_name(enum storage_full full);

#endif
