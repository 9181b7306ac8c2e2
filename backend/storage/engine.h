/* SPDX-License-Identifier: MIT */
/*
 * Inside of file.c: who carries out its system calls. An engine makes one
 * attempt at a request and reports what the system call returned; what that
 * means (short transfers, latched errors) is file.c's alone.
 */
#ifndef XPV_ENGINE_H
#define XPV_ENGINE_H

#include <sys/types.h>

#include "storage.h"

#define ENGINE_THREADS 4
/* Bytes that are discarded in one call, and the boundaries where it is cut:
 * whole granules, whatever power of two the device's is. */
#define ENGINE_DISCARD_PIECE (128u << 20)

/* The system call that comes next for a request. */
struct attempt {
	enum {
		ATTEMPT_READ,
		ATTEMPT_WRITE,
		ATTEMPT_SYNC,
		ATTEMPT_FALLOCATE,
		ATTEMPT_DISCARD, /* of a device; not for io_uring */
	} call;
	int mode; /* fallocate */
	int flags; /* write: RWF_* */
	bool secure; /* discard */
	unsigned int nr_iov;
	struct iovec *iov; /* NULL: the one buffer at @buf */
	void *buf;
	uint64_t offset;
	uint64_t length;
};

void attempt_plan(const struct storage_io *io, struct attempt *a);
/* As much of a discard as its next attempt is for. */
uint64_t attempt_discard_piece(const struct storage_io *io);
/* Carry it out here and now: a result or a negative errno. */
ssize_t attempt_run(int fd, const struct attempt *a);

struct engine;

struct engine_ops {
	/* As the functions of a storage; @finished is called from kick(). */
	void (*submit)(struct engine *e, struct storage_io *io);
	bool (*kick)(struct engine *e);
	bool (*arm)(struct engine *e);
	void (*close)(struct engine *e);
};

struct engine {
	const struct engine_ops *ops;
	void (*finished)(void *owner, struct storage_io *io, ssize_t result);
	void *owner;
};

/*
 * A file on this engine; both are taken over on success. @loop NULL: there is
 * nothing to wait with, as in tests. NULL + errno.
 */
struct storage *storage_file_over(struct loop *loop, struct engine *engine,
				  int fd, const struct storage_config *config);

/*
 * NULL + errno. The descriptors stay the caller's; @hold as in struct
 * storage_config. Other engines need none: what is in their process' memory
 * map outlives the system calls of its threads.
 */
struct engine *engine_uring(struct loop *loop, int fd, int hold);
/* At most ENGINE_THREADS, and at least one. */
struct engine *engine_pool(struct loop *loop, int fd, unsigned int threads);

#endif
