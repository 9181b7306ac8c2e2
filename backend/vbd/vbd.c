// SPDX-License-Identifier: MIT
/* A block device: its life, and its turn in the loop. */
#include "vbd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- what the disks of a guest share ---- */

static struct vbd_common *common_get(struct worker *w)
{
	struct vbd_common *c = w->vbd_common;
	int err;

	if (!c) {
		c = calloc(1, sizeof(*c));
		if (!c)
			return NULL;
		err = buffers_init(&c->buffers, w->loop);
		if (err) {
			free(c);
			errno = -err;
			return NULL;
		}
		w->vbd_common = c;
	}
	c->users++;
	return c;
}

static void common_put(struct worker *w)
{
	struct vbd_common *c = w->vbd_common;

	if (--c->users)
		return;
	buffers_fini(&c->buffers);
	free(c);
	w->vbd_common = NULL;
}

/* ---- a turn ---- */

static void drain(struct vbd_requests *list,
		  void (*each)(struct vbd_request *rq))
{
	struct vbd_request *rq;

	while ((rq = STAILQ_FIRST(list))) {
		STAILQ_REMOVE_HEAD(list, next);
		each(rq);
	}
}

static void teardown(struct vbd *vbd)
{
	unsigned int i;

	for (i = 0; i < vbd->nr_queues; i++)
		queue_disconnect(&vbd->queue[i]);
	kept_fini(&vbd->kept);
	free(vbd->queue);
	vbd->queue = NULL;
	vbd->nr_queues = 0;
	vbd->first_queue = 0;
	vbd->unfinished = 0;
	vbd->state = VBD_IDLE;
}

/* All queues, each turn from another one on: none is always the last. */
static bool take_all(struct vbd *vbd)
{
	bool found = false;
	unsigned int i, q = vbd->first_queue;

	for (i = 0; i < vbd->nr_queues && vbd->state == VBD_CONNECTED; i++) {
		found |= queue_take(&vbd->queue[q]);
		q = q + 1 < vbd->nr_queues ? q + 1 : 0;
	}
	/* One further than in the turn before. */
	if (vbd->nr_queues)
		vbd->first_queue = (vbd->first_queue + 1) % vbd->nr_queues;
	return found;
}

/* Everything before it is done, and its own data has come. */
static bool start_barrier(struct vbd *vbd)
{
	struct vbd_request *rq = vbd->barrier;

	if (!rq || vbd->barrier_started || vbd->unfinished > 1 ||
	    rq->queue->stalled == rq || vbd->state != VBD_CONNECTED)
		return false;
	vbd->barrier_started = true;
	request_step(rq);
	return true;
}

static bool take(struct vbd *vbd)
{
	bool found;

	kept_turn(&vbd->kept);
	found = take_all(vbd);
	grant_run(vbd);
	drain(&vbd->fetched, request_fetched);
	grant_run(vbd);
	drain(&vbd->copied_in, request_copied_in);
	return start_barrier(vbd) || found;
}

static bool is_closing(const struct vbd *vbd)
{
	return vbd->state == VBD_CLOSING || vbd->state == VBD_LEAVING;
}

static bool vbd_run(struct loop_work *work)
{
	struct vbd *vbd = work->owner;
	bool found = take(vbd);
	unsigned int i;

	found |= storage_kick(vbd->storage);
	grant_run(vbd);
	drain(&vbd->copied_out, request_copied_out);
	for (i = 0; i < vbd->nr_queues; i++)
		queue_push(&vbd->queue[i]);

	if (is_closing(vbd) && !vbd->in_storage) {
		teardown(vbd);
		worker_disconnected(vbd->worker, vbd->id);
		found = true;
	}
	return found;
}

static bool vbd_arm(struct loop_work *work)
{
	struct vbd *vbd = work->owner;
	bool found = false;
	unsigned int i;

	for (i = 0; i < vbd->nr_queues && vbd->state == VBD_CONNECTED; i++)
		found |= queue_arm(&vbd->queue[i]);
	found |= storage_arm(vbd->storage);
	return found;
}

/* ---- life ---- */

static int check_attach(const struct ipc_vbd_attach *a, struct reason *why)
{
	if (a->sector_size != 512 && a->sector_size != 4096) {
		reason_set(why, "sector-size %" PRIu32 " is not 512 or 4096",
			   a->sector_size);
		return -EINVAL;
	}
	if (a->max_indirect > XPV_BLKIF_MAX_SEGS) {
		reason_set(why, "feature-max-indirect-segments %u is over %u",
			   a->max_indirect, XPV_BLKIF_MAX_SEGS);
		return -EINVAL;
	}
	/* Bytes have to fit in off_t. */
	if (!a->sectors || a->sectors > INT64_MAX >> XPV_SECTOR_SHIFT ||
	    a->sectors % (a->sector_size >> XPV_SECTOR_SHIFT)) {
		reason_set(why,
			   "sectors %" PRIu64 " is 0, too large, or not whole "
			   "sectors of %" PRIu32 " bytes",
			   a->sectors, a->sector_size);
		return -EINVAL;
	}
	if (a->engine >= STORAGE_ENGINES || a->cache >= STORAGE_CACHES ||
	    a->full >= STORAGE_FULLS) {
		reason_set(why, "engine %u, cache %u or full %u is unknown",
			   a->engine, a->cache, a->full);
		return -EINVAL;
	}
	return 0;
}

static int check_size(uint64_t sectors, uint64_t bytes, struct reason *why)
{
	if (sectors <= bytes >> XPV_SECTOR_SHIFT)
		return 0;
	reason_set(why, "sectors %" PRIu64 ", but the target has %" PRIu64,
		   sectors, bytes >> XPV_SECTOR_SHIFT);
	return -ENOSPC;
}

/* "null", which comes without a descriptor, is for benchmarks. */
static bool is_null(const struct ipc_vbd_attach *a, unsigned int nr_fds)
{
	return !nr_fds && !strncmp(a->target, "null", sizeof(a->target));
}

/* Before the descriptor becomes the storage's. */
static int check_target(const struct ipc_vbd_attach *a, const int *fds,
			unsigned int nr_fds, struct reason *why)
{
	off_t end;

	if (is_null(a, nr_fds))
		return 0;
	if (nr_fds != 1u + a->legacy) {
		reason_set(why, "%u descriptors for one disk", nr_fds);
		return -EINVAL;
	}
	end = lseek(fds[0], 0, SEEK_END);
	return check_size(a->sectors, end > 0 ? (uint64_t)end : 0, why);
}

/*
 * Called before what failed is answered. Whoever is killed from here on,
 * worker, supervisor or both: the disk's next worker flushes nothing.
 */
static void storage_changed(void *owner, const struct storage_health *health)
{
	struct vbd *vbd = owner;
	union ipc_notice notice = {
		.vbd = {.waiting = health->waiting,
			.flush_error = health->flush_error},
	};

	if (health->flush_error)
		vbd->legacy->flush_error = health->flush_error;
	worker_notice(vbd->worker, vbd->id, &notice);
}

static struct storage *open_storage(struct vbd *vbd,
				    const struct ipc_vbd_attach *a,
				    const int *fds, unsigned int nr_fds,
				    struct reason *why)
{
	const struct storage_config config = {
		.engine = (enum storage_engine)a->engine,
		.cache = (enum storage_cache)a->cache,
		.full = (enum storage_full)a->full,
		.flush_error = a->flush_error,
		.hold = a->legacy ? fds[1] : 0,
		.changed = storage_changed,
		.owner = vbd,
	};
	struct storage *s;

	if (!is_null(a, nr_fds))
		return storage_file(vbd->worker->loop, fds[0], &config, why);
	s = storage_null(a->sectors << XPV_SECTOR_SHIFT);
	if (!s)
		reason_set(why, "out of memory for a null disk");
	return s;
}

static void set_limits(struct vbd *vbd, const struct ipc_vbd_attach *a)
{
	vbd->limits = (struct xpv_blk_limits){
		.sectors = a->sectors,
		.align = a->sector_size >> XPV_SECTOR_SHIFT,
		.max_indirect = a->max_indirect,
		.read_only = a->read_only,
		.discard = a->discard && !a->read_only,
		.discard_secure = a->discard_secure && !a->read_only,
	};
	vbd->in_place = !a->direct || a->direct_io_safe;
}

static int map_legacy(struct vbd *vbd, int fd)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	void *mem = mmap(NULL, sizeof(*vbd->legacy), PROT_READ | PROT_WRITE,
			 flags, fd, 0);

	if (mem == MAP_FAILED)
		return -errno;
	vbd->legacy = mem;
	return 0;
}

struct vbd *vbd_make(struct worker *w, struct ipc_device id,
		     const struct ipc_vbd_attach *a, int legacy)
{
	struct vbd *vbd = calloc(1, sizeof(*vbd));

	if (!vbd)
		return NULL;
	vbd->worker = w;
	vbd->id = id;
	vbd->common = common_get(w);
	if (!vbd->common) {
		free(vbd);
		return NULL;
	}
	if (map_legacy(vbd, legacy)) {
		common_put(w);
		free(vbd);
		return NULL;
	}
	STAILQ_INIT(&vbd->fetched);
	STAILQ_INIT(&vbd->copied_in);
	STAILQ_INIT(&vbd->copied_out);
	vbd->work.run = vbd_run;
	vbd->work.arm = vbd_arm;
	vbd->work.owner = vbd;
	set_limits(vbd, a);
	loop_work_add(w->loop, &vbd->work);
	return vbd;
}

struct vbd *vbd_attach(struct worker *w, const struct ipc_msg *msg,
		       const int *fds, unsigned int nr_fds, struct reason *why)
{
	const struct ipc_vbd_attach *a = &msg->vbd_attach;
	struct vbd *vbd;
	int err;

	if (check_attach(a, why) || check_target(a, fds, nr_fds, why)) {
		errno = EINVAL;
		return NULL;
	}
	vbd = vbd_make(w, msg->dev, a, a->legacy ? fds[1] : -1);
	if (!vbd) {
		reason_set(why, "out of memory for a disk");
		errno = ENOMEM;
		return NULL;
	}
	vbd->storage = open_storage(vbd, a, fds, nr_fds, why);
	if (!vbd->storage) {
		err = errno;
		vbd_detach(vbd);
		errno = err;
		return NULL;
	}
	/* It is mapped, and the storage holds it. */
	if (a->legacy)
		close(fds[1]);
	return vbd;
}

static int check_connect(const struct ipc_vbd_connect *c, struct reason *why)
{
	if (c->abi > 1) {
		reason_set(why, "ring layout %u is unknown", c->abi);
		return -EINVAL;
	}
	if (c->ring_order > XPV_BLKIF_MAX_RING_ORDER) {
		reason_set(why, "ring-page-order %u is over %u", c->ring_order,
			   XPV_BLKIF_MAX_RING_ORDER);
		return -EINVAL;
	}
	if (!c->nr_queues || c->nr_queues > IPC_MAX_QUEUES) {
		reason_set(why, "multi-queue-num-queues %u is not in 1-%u",
			   c->nr_queues, IPC_MAX_QUEUES);
		return -EINVAL;
	}
	return 0;
}

/* What was made by halves is torn down by the caller. */
static int connect_queues(struct vbd *vbd, const struct ipc_vbd_connect *c,
			  struct reason *why)
{
	unsigned int i, pages = 1u << c->ring_order;
	int err = 0;

	vbd->queue = calloc(c->nr_queues, sizeof(*vbd->queue));
	if (!vbd->queue) {
		reason_set(why, "out of memory for %u queues", c->nr_queues);
		return -ENOMEM;
	}
	vbd->nr_queues = c->nr_queues;
	for (i = 0; i < vbd->nr_queues && !err; i++)
		err = queue_connect(vbd, &vbd->queue[i], &c->queue[i], pages,
				    c->resumed, why);
	return err;
}

static int keep_grants(struct vbd *vbd, struct reason *why)
{
	int err = kept_init(&vbd->kept, vbd->worker->loop, vbd->worker->domid,
			    vbd->nr_queues * KEPT_PER_QUEUE,
			    &vbd->common->mapped_pages);

	if (err)
		reason_set(why, "out of memory for persistent grants");
	return err;
}

int vbd_connect(struct vbd *vbd, const struct ipc_vbd_connect *c,
		struct reason *why)
{
	int err = check_connect(c, why);

	if (err)
		return err;
	vbd->abi = c->abi ? &xpv_blkif_x86_32 : &xpv_blkif_x86_64;
	err = connect_queues(vbd, c, why);
	if (!err && c->persistent)
		err = keep_grants(vbd, why);
	if (err)
		teardown(vbd);
	else
		vbd->state = VBD_CONNECTED;
	storage_give_up(vbd->storage, err != 0);
	return err;
}

void vbd_disconnect(struct vbd *vbd, bool leave)
{
	unsigned int i;

	for (i = 0; i < vbd->nr_queues; i++)
		queue_abandon(&vbd->queue[i]);
	storage_give_up(vbd->storage, true);
	if (vbd->in_storage) {
		/* Its memory is theirs until they are done: vbd_run() waits. */
		vbd->state = leave ? VBD_LEAVING : VBD_CLOSING;
		return;
	}
	teardown(vbd);
	worker_disconnected(vbd->worker, vbd->id);
}

int vbd_resize(struct vbd *vbd, uint64_t sectors, struct reason *why)
{
	int err = check_size(sectors, storage_size(vbd->storage), why);

	/* Requests in flight were checked against the size they were made
	 * for; the storage finds out what lies behind a new end. */
	if (!err)
		vbd->limits.sectors = sectors;
	return err;
}

void vbd_detach(struct vbd *vbd)
{
	struct worker *w = vbd->worker;

	loop_work_del(w->loop, &vbd->work);
	storage_close(vbd->storage);
	munmap(vbd->legacy, sizeof(*vbd->legacy));
	free(vbd);
	common_put(w);
}
