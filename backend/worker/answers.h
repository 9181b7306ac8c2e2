/* SPDX-License-Identifier: MIT */
/*
 * Answers on their way into a ring, kept where a worker's death leaves them.
 *
 * A response takes the slot of a request, of which nothing is left then, and
 * the guest sees it only when the index is moved. Whoever dies in between
 * leaves slots that are neither. So what is about to be written there is put
 * on record first, and the next worker writes it again. All other requests
 * without an answer are still whole in the ring, because they are answered in
 * its order.
 */
#ifndef XPV_WORKER_ANSWERS_H
#define XPV_WORKER_ANSWERS_H

#include "../ipc.h"
#include "ring.h"

struct answers {
	struct ipc_answers *record;
	uint32_t max, size; /* answers in the record, bytes of each */
	uint32_t n; /* that the guest does not see yet */
};

static inline bool answers_full(const struct answers *a)
{
	return a->n == a->max;
}

/* Where the next one is to be written, @a->size bytes. Needs room. */
static inline void *answers_add(struct answers *a)
{
	return a->record->answer + (size_t)a->n++ * a->size;
}

/* Show the guest what was added. True: it asked to be notified. */
bool answers_push(struct answers *a, struct xpv_back *back);
/*
 * For answers of @size bytes, @max of them in @record, IPC_ANSWERS_BYTES. The
 * ring is new (@resumed false), or a worker before us had it: show what it was
 * about to show.
 */
void answers_attach(struct answers *a, void *record, uint32_t max,
		    uint32_t size, struct xpv_back *back, bool resumed);

#endif
