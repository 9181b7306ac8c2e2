// SPDX-License-Identifier: MIT
#include "badfs.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define NODE_DISK 2
#define MAX_WRITE (1u << 17)
#define MAX_HELD  64

struct request {
	struct fuse_in_header in;
	unsigned char body[MAX_WRITE + 4096];
};

struct server {
	int fd;
	struct badfs_control *c;
	struct request rq;
	struct request *held[MAX_HELD];
};

static void answer(struct server *s, uint64_t unique, int error,
		   const void *data, size_t bytes)
{
	struct fuse_out_header out = {
		.len = (uint32_t)(sizeof(out) + (error ? 0 : bytes)),
		.error = error,
		.unique = unique,
	};
	const struct iovec iov[] = {
		{&out, sizeof(out)},
		{(void *)data, error ? 0 : bytes},
	};

	/* Who asked may be gone. */
	if (writev(s->fd, iov, 2) < 0 && errno != ENOENT)
		_exit(1);
}

static struct fuse_attr attributes(uint64_t node)
{
	bool disk = node == NODE_DISK;

	return (struct fuse_attr){
		.ino = node,
		.size = disk ? BADFS_BYTES : 0,
		.blocks = disk ? BADFS_BYTES >> 9 : 0,
		.mode = disk ? S_IFREG | 0600 : S_IFDIR | 0700,
		.nlink = 1,
		.blksize = 4096,
	};
}

static void init(struct server *s)
{
	const struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = 31,
		.flags = FUSE_ASYNC_DIO |
			 (s->c->cached ? FUSE_WRITEBACK_CACHE : 0),
		.max_background = MAX_HELD,
		.max_write = MAX_WRITE,
	};

	answer(s, s->rq.in.unique, 0, &out, sizeof(out));
}

static void lookup(struct server *s)
{
	const struct fuse_entry_out out = {
		.nodeid = NODE_DISK,
		.attr = attributes(NODE_DISK),
	};
	bool disk = !strcmp((char *)s->rq.body, "disk");

	answer(s, s->rq.in.unique, disk ? 0 : -ENOENT, &out, sizeof(out));
}

static void tell_attributes(struct server *s)
{
	const struct fuse_attr_out out = {
		.attr_valid = 3600, /* the first write is not asked for it */
		.attr = attributes(s->rq.in.nodeid),
	};

	answer(s, s->rq.in.unique, 0, &out, sizeof(out));
}

static void serve_read(struct server *s, struct request *rq)
{
	const struct fuse_read_in *in = (const void *)rq->body;

	answer(s, rq->in.unique, 0, s->c->data + in->offset, in->size);
}

static void serve_write(struct server *s, struct request *rq)
{
	const struct fuse_write_in *in = (const void *)rq->body;
	const struct fuse_write_out out = {.size = in->size};

	if (!s->c->write_error)
		memcpy(s->c->data + in->offset, in + 1, in->size);
	answer(s, rq->in.unique, s->c->write_error, &out, sizeof(out));
}

static void serve_data(struct server *s, struct request *rq)
{
	if (rq->in.opcode == FUSE_READ)
		serve_read(s, rq);
	else
		serve_write(s, rq);
}

static void hold(struct server *s)
{
	struct request *rq = malloc(sizeof(*rq));

	if (!rq || s->c->held == MAX_HELD)
		_exit(1);
	*rq = s->rq;
	s->held[s->c->held] = rq;
	__atomic_fetch_add(&s->c->held, 1, __ATOMIC_SEQ_CST);
}

static void release_held(struct server *s)
{
	while (s->c->held) {
		serve_data(s, s->held[s->c->held - 1]);
		free(s->held[s->c->held - 1]);
		__atomic_fetch_sub(&s->c->held, 1, __ATOMIC_SEQ_CST);
	}
}

static void serve_sync(struct server *s)
{
	int error = s->c->sync_error;

	s->c->sync_error = 0;
	s->c->syncs++;
	answer(s, s->rq.in.unique, error, NULL, 0);
}

static void serve(struct server *s)
{
	const struct fuse_open_out opened = {.fh = 1};

	switch (s->rq.in.opcode) {
	case FUSE_INIT:
		init(s);
		break;
	case FUSE_LOOKUP:
		lookup(s);
		break;
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		tell_attributes(s);
		break;
	case FUSE_OPEN:
		answer(s, s->rq.in.unique, 0, &opened, sizeof(opened));
		break;
	case FUSE_READ:
	case FUSE_WRITE:
		if (s->c->hold)
			hold(s);
		else
			serve_data(s, &s->rq);
		break;
	case FUSE_FSYNC:
		serve_sync(s);
		break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
		answer(s, s->rq.in.unique, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT: /* a held request is out of everyone's reach */
		break;
	default:
		answer(s, s->rq.in.unique, -ENOSYS, NULL, 0);
	}
}

static void serve_all(int fd, struct badfs_control *c)
{
	static struct server s;
	struct pollfd p = {.fd = fd, .events = POLLIN};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	s.fd = fd;
	s.c = c;
	for (;;) {
		if (!c->hold)
			release_held(&s);
		if (poll(&p, 1, 5) <= 0)
			continue;
		__atomic_store_n(&c->waiting, true, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&c->stall, __ATOMIC_SEQ_CST))
			continue;
		if (read(fd, &s.rq, sizeof(s.rq)) > 0)
			serve(&s);
		else if (errno == ENODEV) /* unmounted */
			_exit(0);
	}
}

static void start(struct badfs *fs, const char *dir, bool cached)
{
	char options[64];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "/dev/fuse: %s", strerror(errno));
	fs->c = mmap(NULL, sizeof(*fs->c), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(fs->c, MAP_FAILED);
	fs->c->cached = cached;
	snprintf(fs->dir, sizeof(fs->dir), "%.64s/badfs", dir);
	snprintf(fs->disk, sizeof(fs->disk), "%.80s/disk", fs->dir);
	ck_assert_int_eq(mkdir(fs->dir, 0700), 0);
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd);
	ck_assert_msg(!mount("xpv", fs->dir, "fuse", 0, options), "fuse: %s",
		      strerror(errno));
	fs->server = fork();
	ck_assert_int_ge(fs->server, 0);
	if (!fs->server)
		serve_all(fd, fs->c);
	close(fd);
}

void badfs_start(struct badfs *fs, const char *dir)
{
	start(fs, dir, false);
}

void badfs_start_cached(struct badfs *fs, const char *dir)
{
	start(fs, dir, true);
}

void badfs_stop(struct badfs *fs)
{
	if (!fs->server)
		return;
	fs->c->hold = false;
	fs->c->stall = false;
	umount2(fs->dir, MNT_DETACH);
	/* Whoever still waits for it gets an error. */
	kill(fs->server, SIGKILL);
	waitpid(fs->server, NULL, 0);
	munmap(fs->c, sizeof(*fs->c));
	fs->server = 0;
}
