/* SPDX-License-Identifier: MIT */
/*
 * A disk in memory that answers when it is told to, and as it is told: a
 * storage whose requests wait until then. What it is asked for has to lie
 * within it.
 */
#ifndef XPV_FUZZ_SLOWDISK_H
#define XPV_FUZZ_SLOWDISK_H

#include "backend/storage/storage.h"

#define SLOWDISK_BYTES (256u * 512)

extern struct slowdisk {
	struct storage storage;
	uint8_t bytes[SLOWDISK_BYTES];
	struct storage_queue pending, ready;
	uint64_t done[STORAGE_OPS]; /* with success */
	/* Called with each request. */
	void (*submitted)(const struct storage_io *io);
} slowdisk;

void slowdisk_start(void (*submitted)(const struct storage_io *io));
/* The @n-th of those that wait comes back with the next turn. */
void slowdisk_answer(unsigned int n, int error);
void slowdisk_answer_all(void);

#endif
