// SPDX-License-Identifier: MIT
/*
 * The io_uring engine. One system call a turn of the loop both submits what
 * is queued and collects what has finished; none is made when the shared
 * ring shows that there is neither.
 *
 * With deferred task work the ring's own descriptor does not become readable
 * when a request finishes, but a registered eventfd does. It is switched on
 * for the time of sleep only, by a flag in shared memory, and watched
 * edge-triggered, so that it costs no system call of its own.
 *
 * Linux 6.1 has no request for the discard of a device, an ioctl: a thread
 * beside the ring makes these.
 */
#include "engine.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "../worker/loop.h"
#include "barrier.h"
#include "uring_stock.h"

/* Completions called back for in one turn: other rings want theirs. */
#define TURN_COMPLETIONS 128

struct uring {
	struct engine engine;
	struct uring_ring *own;
	struct io_uring *ring; /* own's */
	struct loop *loop;
	struct loop_source wake; /* the eventfd */
	bool armed;
	struct storage_queue backlog; /* waits for a submission entry */
	struct engine *thread; /* of a device, else NULL */
};

static void prepare(struct io_uring_sqe *sqe, struct storage_io *io)
{
	struct attempt a;

	attempt_plan(io, &a);
	switch (a.call) {
	case ATTEMPT_SYNC:
		io_uring_prep_fsync(sqe, 0, IORING_FSYNC_DATASYNC);
		break;
	case ATTEMPT_FALLOCATE:
		io_uring_prep_fallocate(sqe, 0, a.mode, (off_t)a.offset,
					(off_t)a.length);
		break;
	case ATTEMPT_DISCARD:
		abort(); /* uring_submit() sees to that */
	case ATTEMPT_READ:
		if (a.iov)
			io_uring_prep_readv(sqe, 0, a.iov, a.nr_iov, a.offset);
		else
			io_uring_prep_read(sqe, 0, a.buf,
					   (unsigned int)a.length, a.offset);
		break;
	case ATTEMPT_WRITE:
		if (a.iov)
			io_uring_prep_writev(sqe, 0, a.iov, a.nr_iov, a.offset);
		else
			io_uring_prep_write(sqe, 0, a.buf,
					    (unsigned int)a.length, a.offset);
		sqe->rw_flags = a.flags;
		break;
	}
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE); /* 0: the disk */
	io_uring_sqe_set_data(sqe, io);
}

static void uring_submit(struct engine *e, struct storage_io *io)
{
	struct uring *u = (struct uring *)e;

	if (io->device && io->op == STORAGE_DISCARD)
		u->thread->ops->submit(u->thread, io);
	else
		STAILQ_INSERT_TAIL(&u->backlog, io, next);
}

static void fill(struct uring *u)
{
	struct io_uring_sqe *sqe;
	struct storage_io *io;

	while ((io = STAILQ_FIRST(&u->backlog))) {
		sqe = io_uring_get_sqe(u->ring);
		if (!sqe)
			return;
		STAILQ_REMOVE_HEAD(&u->backlog, next);
		prepare(sqe, io);
	}
}

/* Deferred task work is run, and an overflow flushed, by entering only. */
static bool kernel_wants_us(struct uring *u)
{
	return *u->ring->sq.kflags &
	       (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

static bool reap(struct uring *u)
{
	struct io_uring_cqe *cqe[TURN_COMPLETIONS];
	unsigned int n, i;

	n = io_uring_peek_batch_cqe(u->ring, cqe, TURN_COMPLETIONS);
	for (i = 0; i < n; i++)
		u->engine.finished(u->engine.owner,
				   io_uring_cqe_get_data(cqe[i]), cqe[i]->res);
	io_uring_cq_advance(u->ring, n);
	return n > 0;
}

static bool uring_kick(struct engine *e)
{
	struct uring *u = (struct uring *)e;
	bool found = u->thread && u->thread->ops->kick(u->thread);

	if (u->armed)
		io_uring_cq_eventfd_toggle(u->ring, false);
	u->armed = false;
	fill(u);
	/*
	 * A failure here (EBUSY, EAGAIN: out of memory for the moment) leaves
	 * the entries in the submission ring for the next turn.
	 */
	if (io_uring_sq_ready(u->ring) || kernel_wants_us(u))
		io_uring_submit_and_get_events(u->ring);
	found |= reap(u);
	return found || io_uring_sq_ready(u->ring) ||
	       !STAILQ_EMPTY(&u->backlog);
}

static bool uring_arm(struct engine *e)
{
	struct uring *u = (struct uring *)e;

	io_uring_cq_eventfd_toggle(u->ring, true);
	u->armed = true;
	/* The kernel sees the flag before we look for what came meanwhile. */
	xpv_mb();
	return io_uring_cq_ready(u->ring) || kernel_wants_us(u);
}

static void uring_close(struct engine *e)
{
	struct uring *u = (struct uring *)e;

	if (u->thread)
		u->thread->ops->close(u->thread);
	loop_del(u->loop, &u->wake);
	uring_return(u->own);
	free(u);
}

static const struct engine_ops uring_ops = {
	.submit = uring_submit,
	.kick = uring_kick,
	.arm = uring_arm,
	.close = uring_close,
};

/* Completions are looked for in every turn: waking up is all it takes. */
static void woken(struct loop_source *src, uint32_t events)
{
	(void)src;
	(void)events;
}

static void thread_finished(void *owner, struct storage_io *io, ssize_t result)
{
	struct uring *u = owner;

	u->engine.finished(u->engine.owner, io, result);
}

static int start_thread(struct uring *u, int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISBLK(st.st_mode))
		return 0;
	u->thread = engine_pool(u->loop, fd, 1);
	if (!u->thread)
		return -errno;
	u->thread->finished = thread_finished;
	u->thread->owner = u;
	return 0;
}

static int setup(struct uring *u, int fd, int hold)
{
	const int files[] = {fd, hold};
	int err = io_uring_register_files(u->ring, files, hold ? 2 : 1);

	if (!err)
		err = loop_add(u->loop, &u->wake, EPOLLIN | EPOLLET);
	if (err)
		return err;
	err = start_thread(u, fd);
	if (err)
		loop_del(u->loop, &u->wake);
	return err;
}

struct engine *engine_uring(struct loop *loop, int fd, int hold)
{
	struct uring *u = calloc(1, sizeof(*u));
	int err;

	if (!u)
		return NULL;
	STAILQ_INIT(&u->backlog);
	u->engine.ops = &uring_ops;
	u->loop = loop;
	u->own = uring_take();
	if (!u->own) {
		err = errno;
		free(u);
		errno = err;
		return NULL;
	}
	u->ring = &u->own->ring;
	u->wake.ready = woken;
	u->wake.fd = u->own->wake;
	err = setup(u, fd, hold);
	if (!err)
		return &u->engine;
	uring_return(u->own);
	free(u);
	errno = -err;
	return NULL;
}
