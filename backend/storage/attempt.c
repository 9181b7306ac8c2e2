// SPDX-License-Identifier: MIT
#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Where a file system cannot zero a range, zeroes are written. */
static unsigned char zeroes[65536];

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void plan_transfer(const struct storage_io *io, struct attempt *a)
{
	a->call = io->op == STORAGE_READ ? ATTEMPT_READ : ATTEMPT_WRITE;
	a->nr_iov = io->nr_iov;
	a->flags = io->durable && a->call == ATTEMPT_WRITE ? RWF_DSYNC : 0;
	if (io->nr_iov == 1) {
		a->iov = NULL;
		a->buf = io->iov[0].iov_base;
		a->length = io->iov[0].iov_len;
	} else {
		a->iov = io->iov;
	}
}

static void plan_zeroes(const struct storage_io *io, struct attempt *a)
{
	if (io->fallback) {
		a->call = ATTEMPT_WRITE;
		a->flags = io->durable ? RWF_DSYNC : 0;
		a->iov = NULL;
		a->buf = zeroes;
		a->length = smaller(io->left, sizeof(zeroes));
	} else {
		a->call = ATTEMPT_FALLOCATE;
		a->mode = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
	}
}

uint64_t attempt_discard_piece(const struct storage_io *io)
{
	uint64_t offset = io->offset + (io->length - io->left);

	return smaller(io->left,
		       ENGINE_DISCARD_PIECE - offset % ENGINE_DISCARD_PIECE);
}

/* Of a device, a hole would be punched by writing zeroes. */
static void plan_discard(const struct storage_io *io, struct attempt *a)
{
	a->length = attempt_discard_piece(io);
	if (io->device) {
		a->call = ATTEMPT_DISCARD;
		a->secure = io->secure;
	} else {
		a->call = ATTEMPT_FALLOCATE;
		a->mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	}
}

void attempt_plan(const struct storage_io *io, struct attempt *a)
{
	a->offset = io->offset + (io->length - io->left);
	a->length = io->left;
	switch (io->op) {
	case STORAGE_FLUSH:
		a->call = ATTEMPT_SYNC;
		break;
	case STORAGE_DISCARD:
		plan_discard(io, a);
		break;
	case STORAGE_WRITE_ZEROES:
		plan_zeroes(io, a);
		break;
	default:
		plan_transfer(io, a);
		break;
	}
}

static ssize_t transfer(int fd, const struct attempt *a)
{
	struct iovec one = {.iov_base = a->buf, .iov_len = a->length};
	const struct iovec *iov = a->iov ? a->iov : &one;
	int n = a->iov ? (int)a->nr_iov : 1;
	off_t offset = (off_t)a->offset;

	if (a->call == ATTEMPT_READ)
		return preadv(fd, iov, n, offset);
	return pwritev2(fd, iov, n, offset, a->flags);
}

static int discard(int fd, const struct attempt *a)
{
	uint64_t range[2] = {a->offset, a->length};

	return ioctl(fd, a->secure ? BLKSECDISCARD : BLKDISCARD, range);
}

ssize_t attempt_run(int fd, const struct attempt *a)
{
	ssize_t res;

	switch (a->call) {
	case ATTEMPT_SYNC:
		res = fdatasync(fd);
		break;
	case ATTEMPT_FALLOCATE:
		res = fallocate(fd, a->mode, (off_t)a->offset,
				(off_t)a->length);
		break;
	case ATTEMPT_DISCARD:
		res = discard(fd, a);
		break;
	default:
		res = transfer(fd, a);
		break;
	}
	return res < 0 ? -errno : res;
}
