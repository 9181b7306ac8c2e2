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
#ifndef XPV_VBD_ANSWERS_H
#define XPV_VBD_ANSWERS_H

#include "../ipc.h"
#include "blkif.h"
#include "ring.h"

struct answers {
	struct ipc_vbd_answers *record;
	unsigned int n;
};

static inline bool answers_full(const struct answers *a)
{
	return a->n == IPC_VBD_ANSWERS;
}

/* Needs room. The guest does not see it yet. */
void answers_add(struct answers *a, const struct xpv_blkif_abi *abi,
		 const struct xpv_blk_response *rsp);
/* Show the guest what was added. True: it asked to be notified. */
bool answers_push(struct answers *a, const struct xpv_blkif_abi *abi,
		  struct xpv_back *back);
/*
 * The ring is new (@resumed false), or a worker before us had it: show what it
 * was about to show.
 */
void answers_attach(struct answers *a, struct ipc_vbd_answers *record,
		    const struct xpv_blkif_abi *abi, struct xpv_back *back,
		    bool resumed);

#endif
