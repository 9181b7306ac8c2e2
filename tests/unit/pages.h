/* SPDX-License-Identifier: MIT */
/*
 * The data pages of a frontend, over the storage of script.h: which of them the
 * device keeps mapped, and requests from them that are checked to the byte.
 * There is one device at a time, as in script.h.
 */
#ifndef XPV_TESTS_PAGES_H
#define XPV_TESTS_PAGES_H

#include "script.h"

#define PAGES 300u

/* script_start() with so many pages. */
void pages_start(bool persistent, bool direct);
/* Persistent, and in place. */
void pages_setup(void);
void *pages_at(unsigned int n);
uint32_t pages_gref(unsigned int n);
/* What the device keeps, and whether that has page @n. */
struct kept *pages_kept(void);
bool pages_mapped(unsigned int n);

/* One write from each page, until it is answered. */
void pages_use(unsigned int first, unsigned int n);
/* The storage reads: every sector its number. Has it been written those? */
void pages_stamp(struct storage_io *io);
bool pages_stamped(const struct storage_io *io, uint32_t salt);
/* A request of these pages, its data checked at the other end. */
void pages_read(uint64_t id, unsigned int first, unsigned int n);
void pages_write(uint64_t id, unsigned int first, unsigned int n);
void pages_round_trip(unsigned int first, unsigned int n);

#endif
