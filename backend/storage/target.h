/* SPDX-License-Identifier: MIT */
/*
 * What a disk is opened from: done by the supervisor and by tools, which hand
 * the descriptor to a worker that may open nothing.
 */
#ifndef XPV_TARGET_H
#define XPV_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct reason;

struct target {
	int fd;
	/*
	 * The same, opened once more. The kernel tells of data that it lost
	 * once an open file: what a process heard on the one and died of, the
	 * next one hears on the other.
	 */
	int twin;
	uint64_t size; /* bytes, a multiple of 512 */
	uint32_t logical_sector_size; /* what the descriptor demands, bytes */
	uint32_t physical_sector_size;
	uint32_t discard_granularity; /* bytes; 0: cannot discard */
	uint32_t discard_alignment; /* bytes: where the first granule begins */
	bool discard_secure; /* so that nothing of it can be found again */
	bool is_block;
	dev_t device; /* of a block device, its number */
	bool read_only;
	bool direct;
};

/*
 * Open a raw file or a block device; @direct bypasses the page cache. Not
 * exclusive. 0, or -errno and @why, which names the path and what is wrong
 * with it: missing, not permitted, a directory, empty, not whole sectors,
 * neither file nor block device, no direct I/O there.
 */
int target_open(const char *path, bool read_only, bool direct, struct target *t,
		struct reason *why);
void target_close(struct target *t);
/* Look at the size again: bytes, 0 if it cannot be told. */
uint64_t target_size(const struct target *t);

#endif
