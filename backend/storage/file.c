// SPDX-License-Identifier: MIT
/*
 * A raw file or block device: what the results of the system calls mean.
 *
 * - A short transfer is continued; one that comes to an unexpected end fails,
 *   so that nobody is given the bytes that were in the buffer before.
 * - After a failed fsync the kernel forgets which pages were lost: from then
 *   on every flush fails, for as long as the file is open.
 * - So it is with a write that is to be durable at once. Whose page was lost
 *   the kernel says to whoever asks first, and to nobody else: what was under
 *   way at that time is written once more, see settle.h.
 * - A write for which there is no space waits for it, unless it is to fail.
 * - A discard may be of the whole disk, and is done in pieces, one at a time:
 *   nobody has to wait for all of it, nor the end of the disk.
 * - A file that somebody shrank is not grown again by our writes, or what was
 *   cut off would read as zeroes without an error.
 */
#include "engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../reason.h"
#include "../worker/log.h"
#include "settle.h"
#include "space.h"

struct file {
	struct storage storage;
	struct engine *engine;
	int fd;
	bool is_block;
	struct storage_config config;
	struct storage_health health; /* flush_error: latched */
	unsigned int doubts; /* flushes and durable writes that failed */
	struct settle settle;
	bool giving_up; /* nothing waits for space */
	struct space space;
	struct storage_queue discards; /* that have pieces to be done */
	bool discarding; /* one is */
	unsigned int writes; /* in the queue below */
	struct storage_queue queue; /* submitted, not kicked yet */
};

static void tell(struct file *f)
{
	if (f->config.changed)
		f->config.changed(f->config.owner, &f->health);
}

static void set_waiting(struct file *f, int error)
{
	if (f->health.waiting == error)
		return;
	f->health.waiting = error;
	if (error)
		log_line("no space: %s; writes wait for it", strerror(-error));
	else
		log_line("no write waits for space any more");
	tell(f);
}

static void finish(struct file *f, struct storage_io *io, int error)
{
	if (io->held) {
		space_done(&f->space, io, !error);
		if (!f->space.waiting)
			set_waiting(f, 0);
	}
	io->done(io, error);
}

/* Bytes of the next piece are dropped, or given back to it. */
static void take(struct storage_io *io, ssize_t bytes)
{
	io->iov->iov_base = (char *)io->iov->iov_base + bytes;
	io->iov->iov_len -= (size_t)bytes;
	io->taken += (size_t)bytes;
}

/* Drop the first @bytes bytes of what is still to be transferred. */
static void advance(struct storage_io *io, uint64_t bytes)
{
	while (bytes && bytes >= io->iov->iov_len) {
		bytes -= io->iov->iov_len;
		take(io, -(ssize_t)io->taken);
		io->iov++;
		io->nr_iov--;
		io->passed++;
	}
	if (bytes)
		take(io, (ssize_t)bytes);
}

/* All of it is still to be transferred. */
static void rewind_to_start(struct storage_io *io)
{
	io->left = io->length;
	if (io->taken)
		take(io, -(ssize_t)io->taken);
	io->iov -= io->passed;
	io->nr_iov += io->passed;
	io->passed = 0;
}

/* Something that was to become durable did not. */
static void lost(struct file *f, int error)
{
	f->doubts++;
	if (f->health.flush_error)
		return;
	f->health.flush_error = error;
	log_line("flush failed: %s; every flush will, until the disk is "
		 "attached again",
		 strerror(-error));
	tell(f);
}

static bool grows(const struct storage_io *io)
{
	return io->op == STORAGE_WRITE || io->op == STORAGE_WRITE_ZEROES;
}

/* Might it be told of a page that was lost? */
static bool may_hear(const struct storage_io *io)
{
	return io->op == STORAGE_FLUSH || (io->durable && grows(io));
}

static void start(struct file *f, struct storage_io *io)
{
	if (may_hear(io))
		settle_begin(&f->settle, io);
	f->engine->ops->submit(f->engine, io);
}

/* Whatever it says of others has been counted. */
static void fail(struct file *f, struct storage_io *io, int error)
{
	if (may_hear(io))
		settle_bad(&f->settle, io);
	finish(f, io, error);
}

static void succeed(struct file *f, struct storage_io *io)
{
	if (may_hear(io))
		settle_good(&f->settle, io);
	else
		finish(f, io, 0);
}

static void settled(void *owner, struct storage_io *io)
{
	struct file *f = owner;

	if (io->op == STORAGE_FLUSH) {
		finish(f, io, f->health.flush_error);
	} else if (io->doubts == f->doubts) {
		finish(f, io, 0);
	} else {
		rewind_to_start(io);
		io->doubts = f->doubts;
		start(f, io);
	}
}

static void transferred(struct file *f, struct storage_io *io, ssize_t result)
{
	if (result <= 0) {
		if (result && may_hear(io))
			lost(f, (int)result);
		/* 0: the end of the file, where there should be data. */
		fail(f, io, result ? (int)result : -EIO);
		return;
	}
	io->left -= (uint64_t)result;
	if (io->op != STORAGE_WRITE_ZEROES)
		advance(io, (uint64_t)result);
	if (io->left)
		f->engine->ops->submit(f->engine, io);
	else
		succeed(f, io);
}

static void flushed(struct file *f, struct storage_io *io, ssize_t result)
{
	if (result < 0) {
		lost(f, (int)result);
		fail(f, io, f->health.flush_error);
	} else {
		succeed(f, io);
	}
}

static void zeroed(struct file *f, struct storage_io *io, ssize_t result)
{
	if (io->fallback) {
		transferred(f, io, result);
	} else if (result == -EOPNOTSUPP || result == -ENODEV) {
		io->fallback = true;
		f->engine->ops->submit(f->engine, io);
	} else {
		finish(f, io, (int)result);
	}
}

static void next_discard(struct file *f)
{
	struct storage_io *io = STAILQ_FIRST(&f->discards);

	if (!io || f->discarding || f->giving_up)
		return;
	STAILQ_REMOVE_HEAD(&f->discards, next);
	f->discarding = true;
	f->engine->ops->submit(f->engine, io);
}

static void discarded(struct file *f, struct storage_io *io, ssize_t result)
{
	f->discarding = false;
	if (!result)
		io->left -= attempt_discard_piece(io);
	if (!result && io->left)
		STAILQ_INSERT_TAIL(&f->discards, io, next);
	else if (result == -ENODEV || result == -ENOTTY)
		finish(f, io, -EOPNOTSUPP);
	else
		finish(f, io, (int)result);
	next_discard(f);
}

static bool drop_discards(struct file *f)
{
	struct storage_io *io;
	bool found = false;

	while ((io = STAILQ_FIRST(&f->discards))) {
		STAILQ_REMOVE_HEAD(&f->discards, next);
		finish(f, io, -ECANCELED);
		found = true;
	}
	return found;
}

static bool is_full(ssize_t result)
{
	return result == -ENOSPC || result == -EDQUOT;
}

static void found_no_space(struct file *f, struct storage_io *io, int error)
{
	/* That may have been another one's page, but nothing of its own. */
	if (may_hear(io)) {
		f->doubts++;
		io->doubts++;
	}
	if (f->config.full != STORAGE_FULL_PAUSE) {
		fail(f, io, error);
	} else if (f->giving_up) {
		fail(f, io, -ECANCELED);
	} else {
		if (may_hear(io))
			settle_bad(&f->settle, io);
		space_wait(&f->space, io);
		set_waiting(f, error);
	}
}

static void file_finished(void *owner, struct storage_io *io, ssize_t result)
{
	struct file *f = owner;

	if (result == -EINTR || result == -EAGAIN) {
		f->engine->ops->submit(f->engine, io);
		return;
	}
	if (is_full(result) && grows(io)) {
		found_no_space(f, io, (int)result);
		return;
	}
	switch (io->op) {
	case STORAGE_FLUSH:
		flushed(f, io, result);
		break;
	case STORAGE_WRITE_ZEROES:
		zeroed(f, io, result);
		break;
	case STORAGE_DISCARD:
		discarded(f, io, result);
		break;
	default:
		transferred(f, io, result);
		break;
	}
}

/* What must not happen behind the end of a file that was shrunk. */
static bool alters(const struct storage_io *io)
{
	return grows(io) || io->op == STORAGE_DISCARD;
}

static void file_submit(struct storage *s, struct storage_io *io)
{
	struct file *f = (struct file *)s;

	io->left = io->length;
	io->passed = 0;
	io->taken = 0;
	io->device = f->is_block;
	io->durable = f->config.cache == STORAGE_CACHE_WRITETHROUGH;
	/* Zeroing by a call would need a flush of its own. */
	io->fallback = io->durable;
	io->doubts = f->doubts;
	io->held = false;
	f->writes += alters(io);
	STAILQ_INSERT_TAIL(&f->queue, io, next);
}

static uint64_t file_size(struct storage *s)
{
	struct file *f = (struct file *)s;
	off_t end = lseek(f->fd, 0, SEEK_END); /* block devices, too */

	return end > 0 ? (uint64_t)end : 0;
}

static bool flushes(const struct file *f)
{
	return !f->health.flush_error &&
	       f->config.cache != STORAGE_CACHE_UNSAFE;
}

/* The size is looked at anew: much may have happened since. */
static void retry(struct file *f)
{
	struct storage_io *io;

	while ((io = space_next(&f->space))) {
		STAILQ_INSERT_TAIL(&f->queue, io, next);
		f->writes++;
	}
}

static bool file_kick(struct storage *s)
{
	struct file *f = (struct file *)s;
	struct storage_queue queue = STAILQ_HEAD_INITIALIZER(queue);
	struct storage_io *io;
	uint64_t end = UINT64_MAX;
	bool refused = false;

	retry(f);
	STAILQ_CONCAT(&queue, &f->queue);
	/* One look at the size covers a whole batch of writes. */
	if (f->writes && !f->is_block)
		end = file_size(s);
	f->writes = 0;
	while ((io = STAILQ_FIRST(&queue))) {
		STAILQ_REMOVE_HEAD(&queue, next);
		if (alters(io) &&
		    (io->length > end || io->offset > end - io->length)) {
			finish(f, io, -EIO);
			refused = true;
		} else if (io->held && f->giving_up) {
			finish(f, io, -ECANCELED);
			refused = true;
		} else if (io->op == STORAGE_FLUSH && !flushes(f)) {
			finish(f, io, f->health.flush_error);
			refused = true;
		} else if (io->op == STORAGE_DISCARD) {
			STAILQ_INSERT_TAIL(&f->discards, io, next);
		} else {
			start(f, io);
		}
	}
	if (f->giving_up)
		refused |= drop_discards(f);
	next_discard(f);
	return f->engine->ops->kick(f->engine) || refused;
}

static bool file_arm(struct storage *s)
{
	struct file *f = (struct file *)s;

	return f->engine->ops->arm(f->engine) || space_ready(&f->space) ||
	       (f->giving_up && !STAILQ_EMPTY(&f->discards));
}

static void file_give_up(struct storage *s, bool on)
{
	struct file *f = (struct file *)s;

	f->giving_up = on;
	if (on)
		space_give_up(&f->space);
}

static void file_close(struct storage *s)
{
	struct file *f = (struct file *)s;

	space_fini(&f->space);
	f->engine->ops->close(f->engine);
	close(f->fd);
	free(f);
}

static const struct storage_ops file_ops = {
	.submit = file_submit,
	.kick = file_kick,
	.arm = file_arm,
	.size = file_size,
	.give_up = file_give_up,
	.close = file_close,
};

static struct engine *open_engine(struct loop *loop, int fd,
				  const struct storage_config *config)
{
	struct engine *e;

	if (config->engine == STORAGE_ENGINE_POOL)
		return engine_pool(loop, fd, ENGINE_THREADS);
	e = engine_uring(loop, fd, config->hold);
	if (e || config->engine == STORAGE_ENGINE_URING)
		return e;
	/* Refused by sysctl or for want of memory, or there are no more. */
	log_line("io_uring: %s; using threads", strerror(errno));
	return engine_pool(loop, fd, ENGINE_THREADS);
}

struct storage *storage_file_over(struct loop *loop, struct engine *engine,
				  int fd, const struct storage_config *config)
{
	struct file *f = calloc(1, sizeof(*f));
	struct stat st;

	if (!f || fstat(fd, &st)) {
		free(f);
		return NULL;
	}
	engine->finished = file_finished;
	engine->owner = f;
	f->engine = engine;
	f->storage.ops = &file_ops;
	f->fd = fd;
	f->config = *config;
	f->health.flush_error = config->flush_error;
	space_init(&f->space, loop);
	settle_init(&f->settle, settled, f);
	f->is_block = S_ISBLK(st.st_mode);
	STAILQ_INIT(&f->discards);
	STAILQ_INIT(&f->queue);
	return &f->storage;
}

struct storage *storage_file(struct loop *loop, int fd,
			     const struct storage_config *config,
			     struct reason *why)
{
	struct engine *e = open_engine(loop, fd, config);
	struct storage *s = e ? storage_file_over(loop, e, fd, config) : NULL;
	int err = errno;

	if (s)
		return s;
	if (e)
		e->ops->close(e);
	reason_set(why, "storage: %s", strerror(err));
	errno = err;
	return NULL;
}
