/* SPDX-License-Identifier: MIT */
/*
 * An engine over a disk that exists on paper: a platter, and a cache whose
 * writes reach the platter when a flush says so, or by themselves, in any
 * order and in part. Requests take as long and as many attempts as chance
 * wants. Nothing but sectors is atomic.
 */
#ifndef XPV_TESTS_MODEL_DISK_H
#define XPV_TESTS_MODEL_DISK_H

#include "backend/storage/engine.h"

#define MODEL_SECTORS 128u

struct model_disk;

/* @seed of all that is left to chance. NULL: no memory. */
struct model_disk *model_disk_new(unsigned int seed);
void model_disk_free(struct model_disk *m);
/* What storage_file_over() takes; closing it frees nothing. */
struct engine *model_disk_engine(struct model_disk *m);
/* The next flush fails. */
void model_disk_break(struct model_disk *m);
/* Of all attempts one in @one_in fails. */
void model_disk_fail(struct model_disk *m, unsigned int one_in);
/*
 * Who asked is dead: what was under way is done or not, and nobody is told.
 * The engine is then free for the next one.
 */
void model_disk_orphan(struct model_disk *m);
/*
 * After a power cut now, @sector may hold: each() is called with every one of
 * its possible contents.
 */
void model_disk_cut(struct model_disk *m, uint64_t sector,
		    void (*each)(const void *content, void *arg), void *arg);
unsigned int model_disk_flushes(const struct model_disk *m);

/*
 * What to write to a sector so that it tells which one it is, which version
 * (0: never written) and that it is whole; and does it, and which?
 */
void model_disk_stamp(void *data, uint64_t sector, uint32_t version);
bool model_disk_whole(const void *data, uint64_t sector, uint32_t *version);

#endif
