/* SPDX-License-Identifier: MIT */
/*
 * Inside of file.c: good results that are not believed yet.
 *
 * That it lost a page the kernel says once an open file, to whichever flush or
 * durable write asks first. If that is not the one whose page it was, the
 * owner's own result is good, and may be seen before the other's bad one. So a
 * good result waits until all that were under way when it came have reported;
 * then it is known whether there is anything to doubt.
 *
 * Who comes later is not waited for: those under way are counted in two
 * periods, and a new one begins when results have to wait.
 */
#ifndef XPV_SETTLE_H
#define XPV_SETTLE_H

#include "storage.h"

struct settle {
	unsigned int now; /* the period, 0 or 1 */
	unsigned int under_way[2]; /* that began in it */
	struct storage_queue held; /* until all of the other period are done */
	struct storage_queue next; /* until those of this one are, too */
	void (*settled)(void *owner, struct storage_io *io);
	void *owner;
};

void settle_init(struct settle *s,
		 void (*settled)(void *owner, struct storage_io *io),
		 void *owner);
/* It goes to the kernel. */
void settle_begin(struct settle *s, struct storage_io *io);
/* It came back: it is settled now or later, or it needs no settling. */
void settle_good(struct settle *s, struct storage_io *io);
void settle_bad(struct settle *s, struct storage_io *io);

#endif
