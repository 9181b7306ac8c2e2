/* SPDX-License-Identifier: MIT */
/*
 * The storage seam: what a disk is made of, for the vbd above it and for the
 * filters that stack on each other.
 *
 * A storage lives in one loop, and its functions are called and call back in
 * the thread of that loop. submit() only queues; kick(), once a turn of the
 * loop, starts everything that is queued and calls back for what has
 * finished. done() is called from kick() alone, never from submit(): a caller
 * may submit from within done() without recursion.
 *
 * A request finishes with 0 only if all of it was done. Data of a read that
 * failed may be anything: it must not be handed on.
 */
#ifndef XPV_STORAGE_H
#define XPV_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <sys/uio.h>

enum storage_op {
	STORAGE_READ,
	STORAGE_WRITE,
	/* Makes durable every write that was done when this was submitted. */
	STORAGE_FLUSH,
	/* The range's content is not needed any more; may be refused with
	 * -EOPNOTSUPP. */
	STORAGE_DISCARD,
	STORAGE_WRITE_ZEROES,
	STORAGE_OPS,
};

/*
 * One request, the caller's, who leaves it and the memory it points to alone
 * until done(). @iov may be changed by the storage.
 */
struct storage_io {
	enum storage_op op;
	unsigned int nr_iov;
	struct iovec *iov; /* read and write; sums up to length */
	uint64_t offset; /* bytes */
	uint64_t length; /* bytes */
	bool secure; /* discard: nothing of it may be found again */
	/* @error: 0 or a negative errno. */
	void (*done)(struct storage_io *io, int error);
	/* private to the storage */
	uint64_t left; /* bytes still to do */
	unsigned int passed; /* of iov, behind us */
	size_t taken; /* bytes of the one that comes */
	ssize_t attempt; /* what the last system call returned */
	bool fallback; /* zero a range by writing to it */
	bool durable; /* as soon as it is done */
	unsigned int doubts; /* of the file when this was submitted */
	unsigned int period; /* see settle.h */
	bool device; /* goes to a block device */
	bool held; /* has waited for space */
	STAILQ_ENTRY(storage_io) next;
};

STAILQ_HEAD(storage_queue, storage_io);

struct storage;

struct storage_ops {
	void (*submit)(struct storage *s, struct storage_io *io);
	/* Returns true if it called back. */
	bool (*kick)(struct storage *s);
	/* Before the loop sleeps: see that what finishes wakes it up. Returns
	 * true if something has finished already: kick again. */
	bool (*arm)(struct storage *s);
	/* Bytes, as they are now: 0 if that cannot be told. */
	uint64_t (*size)(struct storage *s);
	/* While @on, nothing waits for space, and no discard goes on: what
	 * would is done with -ECANCELED, what does so with the next kick. */
	void (*give_up)(struct storage *s, bool on);
	/* Only when nothing is in flight. */
	void (*close)(struct storage *s);
};

/* Implementations embed this as their first member. */
struct storage {
	const struct storage_ops *ops;
};

static inline void storage_submit(struct storage *s, struct storage_io *io)
{
	s->ops->submit(s, io);
}

static inline bool storage_kick(struct storage *s)
{
	return s->ops->kick(s);
}

static inline bool storage_arm(struct storage *s)
{
	return s->ops->arm(s);
}

static inline uint64_t storage_size(struct storage *s)
{
	return s->ops->size(s);
}

static inline void storage_give_up(struct storage *s, bool on)
{
	if (s->ops->give_up)
		s->ops->give_up(s, on);
}

static inline void storage_close(struct storage *s)
{
	if (s)
		s->ops->close(s);
}

struct loop;
struct reason;

/* How a file is driven. */
enum storage_engine {
	STORAGE_ENGINE_AUTO, /* io_uring; threads where that is refused */
	STORAGE_ENGINE_URING,
	STORAGE_ENGINE_POOL, /* threads */
	STORAGE_ENGINES,
};

/* What the page cache is used for, and when a write is durable. */
enum storage_cache {
	/* Direct where that is possible, else writethrough. A storage that is
	 * open has one of those below. */
	STORAGE_CACHE_DEFAULT,
	STORAGE_CACHE_DIRECT, /* around it; durable with the next flush */
	STORAGE_CACHE_WRITETHROUGH, /* durable before it is done */
	STORAGE_CACHE_WRITEBACK, /* durable with the next flush */
	STORAGE_CACHE_UNSAFE, /* durable when the kernel likes: no flushes */
	STORAGE_CACHES,
};

/* What becomes of a write for which there is no space. */
enum storage_full {
	STORAGE_FULL_PAUSE, /* it waits until there is */
	STORAGE_FULL_ERROR, /* it fails */
	STORAGE_FULLS,
};

/* What cannot be told with the answer to a request. 0 or a negative errno. */
struct storage_health {
	int waiting; /* writes wait for space */
	int flush_error; /* no flush succeeds any more */
};

struct storage_config {
	enum storage_engine engine;
	enum storage_cache cache; /* DEFAULT: as WRITEBACK */
	enum storage_full full;
	int flush_error; /* of an earlier life: none succeeds any more */
	/* 0: none. A descriptor, the caller's, of what the kernel is not to let
	 * go of before the last request is through, though we be dead. */
	int hold;
	/* May be NULL. Called from within kick(). */
	void (*changed)(void *owner, const struct storage_health *health);
	void *owner;
};

/*
 * A raw file or block device, already open, which is taken over on success.
 * NULL, errno and @why.
 */
struct storage *storage_file(struct loop *loop, int fd,
			     const struct storage_config *config,
			     struct reason *why);

/* Takes writes and reads nothing, at once: @size bytes. NULL + errno. */
struct storage *storage_null(uint64_t size);

#endif
