/* SPDX-License-Identifier: MIT */
/*
 * Inside of file.c: requests that found no space, and wait until there is.
 *
 * Nothing tells when space comes back. After a pause the oldest is tried
 * again, alone; if it fails the next pause is longer, if it does not all go.
 */
#ifndef XPV_SPACE_H
#define XPV_SPACE_H

#include "../worker/loop.h"
#include "storage.h"

#define SPACE_FIRST_MS 250u
#define SPACE_LAST_MS  4000u /* doubled up to here */

struct space {
	struct loop *loop;
	struct loop_timer timer; /* until the next is tried */
	unsigned int pause_ms;
	unsigned int go; /* as many may be tried now */
	unsigned int waiting; /* requests that have waited and are not done */
	struct storage_queue queue;
};

void space_init(struct space *sp, struct loop *loop);
void space_fini(struct space *sp);
void space_wait(struct space *sp, struct storage_io *io);
/* A request that has waited is done. @good: there was space for it. */
void space_done(struct space *sp, struct storage_io *io, bool good);
/* What is to be tried now, or NULL. */
struct storage_io *space_next(struct space *sp);
/* Would it give one? */
bool space_ready(const struct space *sp);
/* Nothing waits any longer: space_next() gives all of it. */
void space_give_up(struct space *sp);

#endif
