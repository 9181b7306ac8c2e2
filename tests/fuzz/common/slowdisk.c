// SPDX-License-Identifier: MIT
#include "slowdisk.h"

#include <string.h>

#include "host.h"

struct slowdisk slowdisk;

static void disk_submit(struct storage *s, struct storage_io *io)
{
	uint64_t sum = 0;

	(void)s;
	FUZZ_CHECK(io->op != STORAGE_WRITE_ZEROES);
	if (io->op != STORAGE_FLUSH) {
		FUZZ_CHECK(io->length && io->length <= SLOWDISK_BYTES &&
			   io->offset <= SLOWDISK_BYTES - io->length);
		FUZZ_CHECK(!(io->offset % 512) && !(io->length % 512));
	}
	for (unsigned int i = 0; i < io->nr_iov; i++)
		sum += io->iov[i].iov_len;
	if (io->op == STORAGE_READ || io->op == STORAGE_WRITE)
		FUZZ_CHECK(sum == io->length);
	slowdisk.submitted(io);
	STAILQ_INSERT_TAIL(&slowdisk.pending, io, next);
}

static void carry_out(struct storage_io *io)
{
	uint8_t *at = slowdisk.bytes + io->offset;

	for (unsigned int i = 0; i < io->nr_iov; i++) {
		if (io->op == STORAGE_READ)
			memcpy(io->iov[i].iov_base, at, io->iov[i].iov_len);
		else
			memcpy(at, io->iov[i].iov_base, io->iov[i].iov_len);
		at += io->iov[i].iov_len;
	}
	slowdisk.done[io->op]++;
}

static bool disk_kick(struct storage *s)
{
	struct storage_io *io;
	bool any = false;
	int error;

	(void)s;
	while ((io = STAILQ_FIRST(&slowdisk.ready))) {
		STAILQ_REMOVE_HEAD(&slowdisk.ready, next);
		error = (int)io->attempt;
		if (!error)
			carry_out(io);
		io->done(io, error);
		any = true;
	}
	return any;
}

static bool disk_arm(struct storage *s)
{
	(void)s;
	return !STAILQ_EMPTY(&slowdisk.ready);
}

static uint64_t disk_size(struct storage *s)
{
	(void)s;
	return SLOWDISK_BYTES;
}

static void disk_close(struct storage *s)
{
	(void)s;
}

static const struct storage_ops disk_ops = {
	.submit = disk_submit,
	.kick = disk_kick,
	.arm = disk_arm,
	.size = disk_size,
	.close = disk_close,
};

void slowdisk_answer(unsigned int n, int error)
{
	struct storage_io *io = STAILQ_FIRST(&slowdisk.pending);

	for (; io && n; n--)
		io = STAILQ_NEXT(io, next);
	if (!io)
		return;
	STAILQ_REMOVE(&slowdisk.pending, io, storage_io, next);
	STAILQ_INSERT_TAIL(&slowdisk.ready, io, next);
	io->attempt = error;
}

void slowdisk_answer_all(void)
{
	while (!STAILQ_EMPTY(&slowdisk.pending))
		slowdisk_answer(0, 0);
}

void slowdisk_start(void (*submitted)(const struct storage_io *io))
{
	memset(&slowdisk, 0, sizeof(slowdisk));
	memset(slowdisk.bytes, 0xd1, sizeof(slowdisk.bytes));
	slowdisk.storage.ops = &disk_ops;
	slowdisk.submitted = submitted;
	STAILQ_INIT(&slowdisk.pending);
	STAILQ_INIT(&slowdisk.ready);
}
