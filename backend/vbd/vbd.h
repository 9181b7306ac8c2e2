/* SPDX-License-Identifier: MIT */
/*
 * Inside of the block device: what its files share. The interface to the
 * worker is in worker.h.
 *
 * One turn of a device:
 *
 *	take	  requests off the rings, decode; ask for indirect descriptors
 *		  and for the data of writes
 *	copy	  one batch: what was asked for is now ours
 *	submit	  to the storage, and call it once
 *	copy	  one batch: data of finished reads goes to the guest
 *	respond	  push, notify if asked
 *
 * What lies in pages that stay mapped (kept.h) is not asked for: the storage
 * works on it where it is, or it is copied without the hypervisor.
 *
 * Everything here belongs to the loop's thread.
 */
#ifndef XPV_VBD_H
#define XPV_VBD_H

#include "../storage/storage.h"
#include "../worker/worker.h"
#include "../worker/answers.h"
#include "blkif.h"
#include "buffers.h"
#include "hyper/hyper.h"
#include "kept.h"
#include "ring.h"

/*
 * Requests taken off one ring in one turn: other rings want theirs. Of a guest
 * whose pages stay mapped fewer, so that it takes what was answered while we
 * serve the rest; else what is copied in one turn is one hypercall.
 */
#define VBD_TURN_MAPPED	  16
#define VBD_TURN_REQUESTS 64
/* Copy operations in one call. */
#define VBD_BATCH 256
/* Pages of the buffers for one disk of a guest that has several. */
#define VBD_BUFFERS_SHARE (BUFFERS_PAGES / 2)

struct vbd;
struct vbd_queue;

/* What a request has to go through, in this order. */
enum {
	STEP_FLUSH_BEFORE = 1,
	STEP_DATA = 2, /* read, write, discard */
	STEP_FLUSH_AFTER = 4,
};

/* One of a ring's, made with it; there are as many as the ring has slots. */
struct vbd_request {
	struct vbd_queue *queue;
	struct xpv_blk_request req;
	uint8_t steps; /* still to go through */
	uint32_t slot; /* of the ring that it is in, free-running */
	bool found; /* data_find() was called: it may hold mapped pages */
	int16_t status; /* of the response, so far */
	unsigned int bounce; /* bytes of data that go through @mem */
	/* Memory of its own: of an indirect request its tables first, then
	 * data that is not in mapped pages. */
	unsigned int pages;
	uint8_t *mem;
	struct storage_io io;
	STAILQ_ENTRY(vbd_request) next;
	struct iovec iov[XPV_BLKIF_DIRECT_SEGS];
	uint64_t mapped[XPV_BLKIF_MAX_SEGS / 64]; /* a bit a segment */
};

STAILQ_HEAD(vbd_requests, vbd_request);

struct vbd_queue {
	struct vbd *vbd;
	struct xpv_back back;
	void *ring;
	unsigned int ring_pages;
	struct loop_port port;
	bool bound;
	struct vbd_request *requests;
	struct vbd_requests free;
	/* By slot: unanswered, or not taken yet and meaningless. */
	struct vbd_request **taken;
	struct answers answers;
	unsigned int burst; /* taken since the guest was told last */
	bool more; /* the next turn takes some more of that burst */
	bool tell; /* the guest asked to be told of what it can see now */
	/* Taken, but there was no memory for it. Nothing is taken after it. */
	struct vbd_request *stalled;
	struct buffers_waiter waiter;
};

/* Copies between the guest's pages and our memory, carried out together. */
struct grant_batch {
	unsigned int n;
	struct hyper_copy op[VBD_BATCH];
	struct vbd_request *owner[VBD_BATCH];
};

/* What the disks of one guest share. */
struct vbd_common {
	unsigned int users;
	struct buffers buffers;
	unsigned int mapped_pages;
	struct grant_batch batch; /* empty between turns */
};

enum vbd_state {
	VBD_IDLE,
	VBD_CONNECTED,
	VBD_BROKEN, /* the worker knows; takes nothing any more */
	VBD_CLOSING, /* waits for the storage */
	VBD_LEAVING, /* the same, and another worker will go on */
};

struct vbd {
	struct worker *worker;
	struct ipc_device id;
	struct vbd_common *common;
	struct storage *storage;
	struct ipc_vbd_legacy *legacy;
	struct xpv_blk_limits limits;
	struct loop_work work;
	enum vbd_state state;
	unsigned int in_storage; /* requests that the storage works on */
	unsigned int memory; /* pages of the buffers that its requests hold */
	/* The storage may work on mapped pages themselves. */
	bool in_place;
	/* while connected */
	const struct xpv_blkif_abi *abi;
	unsigned int nr_queues;
	struct vbd_queue *queue;
	unsigned int first_queue; /* comes first in the next turn */
	struct kept kept;
	unsigned int unfinished; /* taken off any ring and not done */
	/*
	 * Waits until it is the only unfinished one of all queues; then does
	 * its steps. Nothing is taken after it, from any queue.
	 */
	struct vbd_request *barrier;
	bool barrier_started;
	/* within one turn */
	struct vbd_requests fetched; /* indirect descriptors asked for */
	struct vbd_requests copied_in;
	struct vbd_requests copied_out;
};

/* ---- vbd.c ---- */

/*
 * Whole but for its storage, which the caller gives it. @legacy: descriptor of
 * a struct ipc_vbd_legacy, -1: nobody takes over from this worker. NULL: no
 * memory.
 */
struct vbd *vbd_make(struct worker *w, struct ipc_device id,
		     const struct ipc_vbd_attach *a, int legacy);

/* ---- queue.c: one ring ---- */

int queue_connect(struct vbd *vbd, struct vbd_queue *q,
		  const struct ipc_vbd_queue *c, unsigned int ring_pages,
		  bool resumed, struct reason *why);
/* Safe on a queue that is connected in part, or not at all. */
void queue_disconnect(struct vbd_queue *q);
/* Take what is there, up to the bound. True if anything was done. */
bool queue_take(struct vbd_queue *q);
/* Let the guest see what was answered. */
void queue_push(struct vbd_queue *q);
/* Before sleeping. True if there is work after all. */
bool queue_arm(struct vbd_queue *q);
/* Forget what was taken and has not reached the storage. */
void queue_abandon(struct vbd_queue *q);
/* Finished with request->status: answered and freed. */
void queue_respond(struct vbd_request *rq);
/* It stays unanswered, for a successor. */
void queue_leave(struct vbd_request *rq);

/* ---- request.c: one request ---- */

/* Decoded: find out where its data is, and with it request_pages(). */
void request_prepare(struct vbd_request *rq);
/* Memory that it needs, in pages. */
unsigned int request_pages(const struct vbd_request *rq);
/* Has its memory: on its way. */
void request_start(struct vbd_request *rq);
/* The next of its steps, or the end. */
void request_step(struct vbd_request *rq);
/* The copies that were asked for have been carried out. */
void request_fetched(struct vbd_request *rq);
void request_copied_in(struct vbd_request *rq);
void request_copied_out(struct vbd_request *rq);

/* ---- data.c: the data of one request ---- */

/* Hold those of its pages that are mapped or can be; fills ->bounce. */
void data_find(struct vbd_request *rq);
/* Let go of them. */
void data_release(struct vbd_request *rq);
/* For the storage: the number of elements of ->io.iov. */
unsigned int data_iov(struct vbd_request *rq);
/* From the guest, to the guest. False: all of it is there already; true: a
 * part waits for grant_run(). */
bool data_gather(struct vbd_request *rq);
bool data_scatter(struct vbd_request *rq);

/* ---- grant.c: copies ---- */

enum copy_direction {
	FROM_GUEST,
	TO_GUEST,
};

/* Add to the batch. A copy that fails sets the status of its request. */
void grant_copy(struct vbd_request *rq, uint32_t gref, unsigned int offset,
		void *mem, unsigned int len, enum copy_direction direction);
/* Carry out the batch. */
void grant_run(struct vbd *vbd);

/* ---- tables of an indirect request, in its memory ---- */

/* For each segment: the descriptor as it came, decoded, and an iovec. */
#define VBD_SEG_TABLES                                                         \
	(XPV_BLKIF_SEG_SIZE + sizeof(struct xpv_blk_seg) + sizeof(struct iovec))

static inline unsigned int request_table_pages(const struct vbd_request *rq)
{
	size_t bytes = rq->req.indirect ? rq->req.nr_segs * VBD_SEG_TABLES : 0;

	return (unsigned int)((bytes + XPV_PAGE_SIZE - 1) >> XPV_PAGE_SHIFT);
}

static inline struct xpv_blk_seg *request_segs(struct vbd_request *rq)
{
	if (!rq->req.indirect)
		return rq->req.seg;
	return (struct xpv_blk_seg *)(void *)(rq->mem +
					      rq->req.nr_segs *
						      XPV_BLKIF_SEG_SIZE);
}

static inline struct iovec *request_iov(struct vbd_request *rq)
{
	if (!rq->req.indirect)
		return rq->iov;
	return (struct iovec *)(void *)(request_segs(rq) + rq->req.nr_segs);
}

static inline uint8_t *request_data(struct vbd_request *rq)
{
	/* All of its pages may be mapped: then it has none, and C adds not
	 * even nothing to NULL. */
	return rq->mem ? rq->mem +
				 (size_t)request_table_pages(rq) * XPV_PAGE_SIZE
		       : NULL;
}

_Static_assert(XPV_BLKIF_SEG_SIZE % 8 == 0 &&
		       sizeof(struct xpv_blk_seg) % 8 == 0,
	       "the tables behind the first one are aligned");
_Static_assert(XPV_BLKIF_MAX_SEGS <= XPV_BLKIF_SEGS_PER_PAGE,
	       "descriptors fill one indirect page at most");
_Static_assert(VBD_BUFFERS_SHARE > XPV_BLKIF_MAX_SEGS + XPV_BLKIF_MAX_SEGS *
								VBD_SEG_TABLES /
								XPV_PAGE_SIZE,
	       "the largest request fits into the memory of a guest");

#endif
