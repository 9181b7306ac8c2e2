// SPDX-License-Identifier: GPL-2.0-only
#include "userblk.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

static void init_rings(struct userblk *fe)
{
	unsigned int i;

	for (i = 0; i < fe->config.nr_queues; i++)
		xpv_front_init(&fe->queue[i].front, fe->queue[i].ring,
			       (size_t)fe->ring_pages * XPV_PAGE_SIZE,
			       fe->abi->slot_size);
}

static int open_queue(struct userblk *fe, struct userblk_queue *q)
{
	struct hyper *h = fe->hyper;
	int port;

	q->ring = h->ops->share(h, fe->config.backend, fe->ring_pages, true,
				q->gref);
	if (!q->ring)
		return -errno;
	port = h->ops->evtchn_alloc(h, fe->config.backend);
	if (port < 0)
		return port;
	q->port = (uint32_t)port;
	return 0;
}

static int open_data(struct userblk *fe)
{
	unsigned int n = fe->config.data_pages;

	if (!n)
		return 0;
	fe->gref = calloc(n, sizeof(*fe->gref));
	if (!fe->gref)
		return -ENOMEM;
	fe->data = fe->hyper->ops->share(fe->hyper, fe->config.backend, n, true,
					 fe->gref);
	return fe->data ? 0 : -errno;
}

struct userblk *userblk_new(struct hyper *h, const struct userblk_config *c)
{
	struct userblk *fe = calloc(1, sizeof(*fe));
	unsigned int i;
	int err;

	if (!fe)
		return NULL;
	fe->hyper = h;
	fe->config = *c;
	if (!fe->config.nr_queues)
		fe->config.nr_queues = 1;
	fe->abi = c->x86_32 ? &xpv_blkif_x86_32 : &xpv_blkif_x86_64;
	fe->ring_pages = 1u << c->ring_order;
	err = fe->config.nr_queues > USERBLK_MAX_QUEUES ||
			      fe->ring_pages > USERBLK_MAX_RING_PAGES
		      ? -EINVAL
		      : open_data(fe);
	for (i = 0; i < fe->config.nr_queues && !err; i++)
		err = open_queue(fe, &fe->queue[i]);
	if (err) {
		userblk_free(fe);
		errno = -err;
		return NULL;
	}
	init_rings(fe);
	return fe;
}

static int close_queue(struct userblk *fe, struct userblk_queue *q)
{
	struct hyper *h = fe->hyper;
	int err;

	if (q->ring) {
		err = h->ops->unshare(h, q->ring, fe->ring_pages);
		if (err)
			return err;
		q->ring = NULL;
	}
	if (q->port)
		h->ops->evtchn_unbind(h, q->port);
	q->port = 0;
	return 0;
}

int userblk_free(struct userblk *fe)
{
	unsigned int i;
	int err;

	for (i = 0; i < fe->config.nr_queues && i < USERBLK_MAX_QUEUES; i++) {
		err = close_queue(fe, &fe->queue[i]);
		if (err)
			return err;
	}
	if (fe->data) {
		err = fe->hyper->ops->unshare(fe->hyper, fe->data,
					      fe->config.data_pages);
		if (err)
			return err;
	}
	free(fe->gref);
	free(fe);
	return 0;
}

void userblk_reset(struct userblk *fe)
{
	init_rings(fe);
}

/* ---- requests ---- */

static struct xpv_blk_seg whole_page(const struct userblk *fe,
				     unsigned int page)
{
	return (struct xpv_blk_seg){
		.gref = fe->gref[page],
		.first = 0,
		.last = XPV_SECTORS_PER_PAGE - 1,
	};
}

void userblk_segments(const struct userblk *fe, struct xpv_blk_request *req,
		      unsigned int page, unsigned int n)
{
	unsigned int i;

	req->indirect = false;
	req->nr_segs = (uint16_t)n;
	for (i = 0; i < n; i++)
		req->seg[i] = whole_page(fe, page + i);
}

void userblk_indirect(const struct userblk *fe, struct xpv_blk_request *req,
		      unsigned int indirect, unsigned int page, unsigned int n)
{
	struct xpv_blk_seg seg;
	unsigned int i;

	req->indirect = true;
	req->nr_segs = (uint16_t)n;
	memset(req->indirect_gref, 0, sizeof(req->indirect_gref));
	req->indirect_gref[0] = fe->gref[indirect];
	for (i = 0; i < n; i++) {
		seg = whole_page(fe, page + i);
		xpv_blkif_encode_seg(&seg, userblk_page(fe, indirect), i);
	}
}

void *userblk_slot(struct userblk *fe, unsigned int queue)
{
	struct xpv_front *front = &fe->queue[queue].front;

	return xpv_front_room(front) ? xpv_front_request(front) : NULL;
}

bool userblk_submit(struct userblk *fe, unsigned int queue,
		    const struct xpv_blk_request *req)
{
	void *slot = userblk_slot(fe, queue);

	if (slot)
		xpv_blkif_encode(fe->abi, req, slot);
	return slot;
}

void userblk_push(struct userblk *fe, unsigned int queue)
{
	struct userblk_queue *q = &fe->queue[queue];

	if (xpv_front_push(&q->front))
		fe->hyper->ops->evtchn_notify(fe->hyper, q->port);
}

int userblk_reap(struct userblk *fe, unsigned int queue,
		 struct xpv_blk_response *rsp, unsigned int max)
{
	struct xpv_front *front = &fe->queue[queue].front;
	uint8_t slot[XPV_BLKIF_MAX_SLOT];
	int i, n = xpv_front_pending(front);

	if (n < 0)
		return -EPROTO;
	if ((unsigned int)n > max)
		n = (int)max;
	for (i = 0; i < n; i++) {
		xpv_front_take(front, slot, fe->abi->rsp_size);
		xpv_blkif_decode_response(fe->abi, slot, &rsp[i]);
	}
	return n;
}

/* ---- sleeping ---- */

/* Events that are waiting; what they mean is looked up in the rings. */
static void drain_events(struct hyper *h)
{
	int port;

	while ((port = h->ops->evtchn_next(h)) >= 0)
		h->ops->evtchn_unmask(h, (uint32_t)port);
}

/* Asks for events on every queue. */
static bool responses_wait(struct userblk *fe)
{
	bool found = false;
	unsigned int i;

	/* A broken ring is work, too: userblk_reap() reports it. */
	for (i = 0; i < fe->config.nr_queues; i++)
		found |= xpv_front_final_check(&fe->queue[i].front) != 0;
	return found;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int userblk_wait(struct userblk *fe, int timeout_ms)
{
	struct hyper *h = fe->hyper;
	struct pollfd fd = {.fd = h->ops->evtchn_fd(h), .events = POLLIN};
	int64_t end = timeout_ms < 0 ? 0 : now_ms() + timeout_ms, left = -1;

	while (!responses_wait(fe)) {
		if (timeout_ms >= 0) {
			left = end - now_ms();
			if (left <= 0)
				return 0;
		}
		if (poll(&fd, 1, (int)left) < 0 && errno != EINTR)
			return -errno;
		if (fd.revents)
			drain_events(h);
	}
	return 1;
}

int userblk_call(struct userblk *fe, unsigned int queue,
		 const struct xpv_blk_request *req, int timeout_ms, int *status)
{
	struct xpv_blk_response rsp;
	int n;

	if (!userblk_submit(fe, queue, req))
		return -EBUSY;
	userblk_push(fe, queue);
	n = userblk_wait(fe, timeout_ms);
	if (n <= 0)
		return n ? n : -ETIMEDOUT;
	n = userblk_reap(fe, queue, &rsp, 1);
	if (n < 0)
		return n;
	if (n != 1 || rsp.id != req->id || rsp.op != req->op)
		return -EPROTO;
	*status = rsp.status;
	return 0;
}
