/* SPDX-License-Identifier: MIT */
/*
 * What may take long because a disk, or the server behind it, does: done by a
 * thread, so that nobody else waits. The thread sees the errand and nothing
 * else of the supervisor.
 */
#ifndef XPV_SUPERVISOR_ERRAND_H
#define XPV_SUPERVISOR_ERRAND_H

#include <sys/queue.h>

struct supervisor;

/* Embedded by its owner, who leaves it alone until done(). */
struct errand {
	void (*run)(struct errand *e); /* in the thread */
	void (*done)(struct errand *e); /* in the loop */
	/* private */
	struct errands *errands;
	STAILQ_ENTRY(errand) next;
};

int errands_init(struct supervisor *sv);
/* Those under way end with the process. */
void errands_fini(struct supervisor *sv);
void errand_start(struct supervisor *sv, struct errand *e);

#endif
