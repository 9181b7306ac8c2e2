// SPDX-License-Identifier: MIT
/* One ring of a block device. */
#include "vbd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

/* Nothing to do: the rings are looked at in every turn that an event starts. */
static void event(struct loop_port *port)
{
	(void)port;
}

static int map_ring(struct vbd_queue *q, const struct ipc_vbd_queue *c,
		    unsigned int ring_pages, struct reason *why)
{
	struct worker *w = q->vbd->worker;
	size_t bytes = (size_t)ring_pages * XPV_PAGE_SIZE;
	int err;

	q->ring = w->hyper->ops->map(w->hyper, w->domid, c->gref, ring_pages,
				     HYPER_READ | HYPER_WRITE);
	if (!q->ring) {
		err = errno;
		reason_set(why, "ring-ref %" PRIu32 " (%u pages): %s",
			   c->gref[0], ring_pages, strerror(err));
		return -err;
	}
	q->ring_pages = ring_pages;
	if (xpv_back_attach(&q->back, q->ring, bytes, q->vbd->abi->slot_size)) {
		reason_set(why,
			   "ring-ref %" PRIu32
			   ": more requests than the ring has slots",
			   c->gref[0]);
		return -EPROTO;
	}
	return 0;
}

static int make_requests(struct vbd_queue *q, struct reason *why)
{
	uint32_t i, n = q->back.ring.entries;

	q->requests = calloc(n, sizeof(*q->requests));
	q->taken = calloc(n, sizeof(struct vbd_request *));
	if (!q->requests || !q->taken) {
		reason_set(why, "out of memory for %" PRIu32 " requests", n);
		return -ENOMEM;
	}
	for (i = 0; i < n; i++) {
		q->requests[i].queue = q;
		STAILQ_INSERT_TAIL(&q->free, &q->requests[i], next);
	}
	return 0;
}

int queue_connect(struct vbd *vbd, struct vbd_queue *q,
		  const struct ipc_vbd_queue *c, unsigned int ring_pages,
		  bool resumed, struct reason *why)
{
	struct ipc_vbd_answers *kept;
	int err;

	q->vbd = vbd;
	STAILQ_INIT(&q->free);
	err = map_ring(q, c, ring_pages, why);
	if (!err)
		err = make_requests(q, why);
	if (err)
		return err;
	kept = &vbd->legacy->answers[q - vbd->queue];
	answers_attach(&q->answers, kept->record, kept->move, IPC_VBD_ANSWERS,
		       vbd->abi->rsp_size, &q->back, resumed);
	q->port.event = event;
	err = loop_bind(vbd->worker->loop, &q->port, vbd->worker->domid,
			c->port);
	if (err)
		reason_set(why, "event-channel %" PRIu32 ": %s", c->port,
			   strerror(-err));
	q->bound = !err;
	/* The one before us may have died with an answer shown and not told. */
	if (q->bound && resumed)
		loop_notify(vbd->worker->loop, &q->port);
	return err;
}

void queue_disconnect(struct vbd_queue *q)
{
	struct worker *w;

	if (!q->vbd)
		return; /* was never reached */
	w = q->vbd->worker;
	if (q->bound)
		loop_unbind(w->loop, &q->port);
	if (q->ring)
		w->hyper->ops->unmap(w->hyper, q->ring, q->ring_pages);
	free(q->requests);
	free(q->taken);
	memset(q, 0, sizeof(*q));
}

/* ---- requests ---- */

/* It needs its pages and its memory no more, and holds nobody up. */
static void let_go(struct vbd_request *rq)
{
	struct vbd *vbd = rq->queue->vbd;

	data_release(rq);
	if (rq->mem) {
		buffers_put(&vbd->common->buffers, rq->mem, rq->pages);
		vbd->memory -= rq->pages;
	}
	rq->mem = NULL;
	if (vbd->barrier == rq) {
		vbd->barrier = NULL;
		vbd->barrier_started = false;
	}
}

void queue_leave(struct vbd_request *rq)
{
	let_go(rq);
	rq->queue->vbd->unfinished--;
}

static struct vbd_request **in_slot(const struct vbd_queue *q, uint32_t slot)
{
	return &q->taken[slot & (q->back.ring.entries - 1)];
}

/* The request whose slot the response takes goes into this one's. */
static void put_response(struct vbd_request *rq)
{
	struct vbd_queue *q = rq->queue;
	struct vbd_request *other;
	struct xpv_blk_response rsp = {
		.id = rq->req.id,
		.op = rq->req.op,
		.status = rq->status,
	};

	if (answers_full(&q->answers))
		queue_push(q);
	other = *in_slot(q, answers_slot(&q->answers, &q->back));
	xpv_blkif_encode_response(q->vbd->abi, &rsp,
				  answers_add_for(&q->answers, rq->slot));
	other->slot = rq->slot;
	*in_slot(q, rq->slot) = other;
}

void queue_respond(struct vbd_request *rq)
{
	let_go(rq);
	rq->queue->vbd->unfinished--;
	put_response(rq);
	STAILQ_INSERT_HEAD(&rq->queue->free, rq, next);
}

static bool blocked(const struct vbd_queue *q)
{
	return q->stalled || q->vbd->barrier;
}

/*
 * A disk whose writes wait, for space or for a device that hangs, leaves half
 * of the memory to the others of its guest. It does not stand in line for
 * what it may not have.
 */
static bool has_its_share(const struct vbd *vbd, unsigned int pages)
{
	return vbd->common->users > 1 &&
	       vbd->memory + pages > VBD_BUFFERS_SHARE;
}

static bool give_memory(struct vbd_request *rq)
{
	struct vbd_queue *q = rq->queue;
	struct buffers *b = &q->vbd->common->buffers;

	rq->pages = request_pages(rq);
	if (!rq->pages)
		return true;
	if (has_its_share(q->vbd, rq->pages)) {
		buffers_forget(b, &q->waiter);
		return false;
	}
	rq->mem = buffers_get(b, rq->pages, &q->waiter);
	if (rq->mem)
		q->vbd->memory += rq->pages;
	return rq->mem;
}

static void begin(struct vbd_request *rq)
{
	/* From now on, even if it has to wait for memory: it has its place
	 * in the order. */
	if (rq->req.op == XPV_BLKIF_WRITE_BARRIER)
		rq->queue->vbd->barrier = rq;
	request_prepare(rq);
	if (give_memory(rq))
		request_start(rq);
	else
		rq->queue->stalled = rq;
}

static void take_one(struct vbd_queue *q)
{
	const struct xpv_blkif_abi *abi = q->vbd->abi;
	struct vbd_request *rq = STAILQ_FIRST(&q->free);
	uint8_t slot[XPV_BLKIF_MAX_SLOT];
	enum xpv_blk_verdict verdict;

	STAILQ_REMOVE_HEAD(&q->free, next);
	rq->slot = q->back.req_cons;
	*in_slot(q, rq->slot) = rq;
	q->vbd->unfinished++;
	xpv_back_take(&q->back, slot, abi->slot_size);
	verdict = xpv_blkif_decode(abi, &q->vbd->limits, slot, &rq->req);
	rq->status = (int16_t)xpv_blk_verdict_status(verdict);
	if (verdict)
		queue_respond(rq);
	else
		begin(rq);
}

/* The memory that held the ring up may be there now. */
static bool resume(struct vbd_queue *q)
{
	struct vbd_request *rq = q->stalled;

	if (!rq || !give_memory(rq))
		return false;
	q->stalled = NULL;
	request_start(rq);
	return true;
}

static void broken(struct vbd_queue *q)
{
	struct vbd *vbd = q->vbd;
	uint32_t claimed = xpv_load_once(&q->back.ring.shared->req_prod);
	struct reason why;

	vbd->state = VBD_BROKEN;
	reason_set(&why,
		   "queue %u: request index %" PRIu32 " is impossible: %" PRIu32
		   " taken, %" PRIu32 " answered, %" PRIu32 " slots",
		   (unsigned int)(q - vbd->queue), claimed, q->back.req_cons,
		   q->back.rsp_prod, q->back.ring.entries);
	worker_broken(vbd->worker, vbd->id, &why);
}

/* How many of @n requests this turn takes. */
static int share_of(struct vbd_queue *q, int n)
{
	int most = q->vbd->kept.limit ? VBD_TURN_MAPPED : VBD_TURN_REQUESTS;
	int share = n < most ? n : most;

	q->burst += (unsigned int)share;
	q->more = n > share && q->burst < VBD_TURN_REQUESTS;
	if (!q->more)
		q->burst = 0;
	return share;
}

bool queue_take(struct vbd_queue *q)
{
	bool found = resume(q);
	int i, n;

	q->more = false;
	if (blocked(q))
		return found;
	n = xpv_back_pending(&q->back);
	if (n < 0) {
		broken(q);
		return true;
	}
	n = share_of(q, n);
	for (i = 0; i < n && !blocked(q); i++)
		take_one(q);
	return found || n > 0;
}

/* Answers are shown in every turn; one event is for VBD_TURN_REQUESTS of them,
 * or as many as there are. */
void queue_push(struct vbd_queue *q)
{
	q->tell |= answers_push(&q->answers, &q->back);
	if (!q->tell || q->more)
		return;
	q->tell = false;
	loop_notify(q->vbd->worker->loop, &q->port);
}

bool queue_arm(struct vbd_queue *q)
{
	int n;

	/* What unblocks it is an event of the storage, and a turn follows. */
	if (blocked(q))
		return false;
	n = xpv_back_final_check(&q->back);
	if (n < 0)
		broken(q);
	return n != 0;
}

void queue_abandon(struct vbd_queue *q)
{
	struct vbd *vbd = q->vbd;

	/* The guest asks again on its next ring. */
	buffers_forget(&vbd->common->buffers, &q->waiter);
	if (q->stalled)
		let_go(q->stalled);
	q->stalled = NULL;
	q->more = false;
	queue_push(q);
	if (vbd->barrier && vbd->barrier->queue == q && !vbd->barrier_started)
		let_go(vbd->barrier);
}
