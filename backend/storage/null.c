// SPDX-License-Identifier: MIT
/*
 * A disk without a disk, to measure everything else. A read leaves the
 * buffer as it is, so it must only ever serve a benchmark's guest.
 */
#include "storage.h"

#include <stdlib.h>

struct null {
	struct storage storage;
	uint64_t size;
	struct storage_queue queue;
};

static void null_submit(struct storage *s, struct storage_io *io)
{
	struct null *n = (struct null *)s;

	STAILQ_INSERT_TAIL(&n->queue, io, next);
}

static bool null_kick(struct storage *s)
{
	struct null *n = (struct null *)s;
	struct storage_queue queue = STAILQ_HEAD_INITIALIZER(queue);
	struct storage_io *io;

	if (STAILQ_EMPTY(&n->queue))
		return false;
	/* What done() submits is for the next kick. */
	STAILQ_CONCAT(&queue, &n->queue);
	while ((io = STAILQ_FIRST(&queue))) {
		STAILQ_REMOVE_HEAD(&queue, next);
		io->done(io, 0);
	}
	return true;
}

static bool null_arm(struct storage *s)
{
	return !STAILQ_EMPTY(&((struct null *)s)->queue);
}

static uint64_t null_size(struct storage *s)
{
	return ((struct null *)s)->size;
}

static void null_close(struct storage *s)
{
	free(s);
}

static const struct storage_ops null_ops = {
	.submit = null_submit,
	.kick = null_kick,
	.arm = null_arm,
	.size = null_size,
	.close = null_close,
};

struct storage *storage_null(uint64_t size)
{
	struct null *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->storage.ops = &null_ops;
	n->size = size;
	STAILQ_INIT(&n->queue);
	return &n->storage;
}
