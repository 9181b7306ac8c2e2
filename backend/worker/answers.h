/* SPDX-License-Identifier: MIT */
/*
 * Answers on their way into a ring, kept where a worker's death leaves them.
 *
 * A response takes the slot of the oldest request without one. If it answers
 * another request, the oldest one moves into the slot of that, so that all
 * slots from there on hold what is still to be done: whoever takes the ring
 * over finds it there, and a request that takes long holds no answer up. The
 * frontend has no use for its requests once it has shown them, in any slot.
 *
 * The guest sees an answer only when the index is moved. Whoever dies in
 * between leaves slots that are neither. So what is about to be moved and
 * written there is put on record first, and the next worker does it again.
 */
#ifndef XPV_WORKER_ANSWERS_H
#define XPV_WORKER_ANSWERS_H

#include "../ipc.h"
#include "ring.h"

struct answers {
	struct ipc_answers *record;
	uint32_t *move; /* NULL: all is answered in the order of the ring */
	uint32_t max, size; /* answers in the record, bytes of each */
	uint32_t n; /* that the guest does not see yet */
};

static inline bool answers_full(const struct answers *a)
{
	return a->n == a->max;
}

/* The slot that the next one takes, as a free-running index. */
static inline uint32_t answers_slot(const struct answers *a,
				    const struct xpv_back *back)
{
	return back->rsp_prod + a->n;
}

/* Where the next one is to be written, @a->size bytes. Needs room. */
static inline void *answers_add(struct answers *a)
{
	return a->record->answer + (size_t)a->n++ * a->size;
}

/*
 * The same, for the request in @slot, taken and not answered: the one in
 * answers_slot() is in @slot from now on.
 */
static inline void *answers_add_for(struct answers *a, uint32_t slot)
{
	a->move[a->n] = slot;
	return answers_add(a);
}

/* Show the guest what was added. True: it asked to be notified. */
bool answers_push(struct answers *a, struct xpv_back *back);
/*
 * For answers of @size bytes, @max of them in @record, IPC_ANSWERS_BYTES, and
 * in @move, or NULL. The ring is new (@resumed false), or a worker before us
 * had it: show what it was about to show.
 */
void answers_attach(struct answers *a, void *record, uint32_t *move,
		    uint32_t max, uint32_t size, struct xpv_back *back,
		    bool resumed);

#endif
