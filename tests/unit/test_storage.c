// SPDX-License-Identifier: MIT
/* Targets, and files over each engine and over one that fails to order. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "backend/reason.h"
#include "backend/storage/engine.h"
#include "backend/storage/space.h"
#include "backend/storage/storage.h"
#include "backend/storage/target.h"
#include "backend/worker/loop.h"
#include "hyper/hyper.h"
#include "suites.h"

/* ---- targets ---- */

static char dir[] = "/tmp/xpv-target-XXXXXX";
static char path[64];

static void make_dir(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/disk", dir);
}

static void remove_dir(void)
{
	unlink(path);
	rmdir(path);
	rmdir(dir);
}

static void make_file(off_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, size), 0);
	close(fd);
}

static void expect_refusal(int error, const char *what)
{
	struct target t;
	struct reason why;
	char text[128];

	snprintf(text, sizeof(text), "%s: %s", path, what);
	ck_assert_int_eq(target_open(path, false, false, &t, &why), -error);
	ck_assert_str_eq(why.text, text);
	ck_assert_int_eq(t.fd, -1);
}

START_TEST(target_refusals)
{
	expect_refusal(ENOENT, "No such file or directory");
	ck_assert_int_eq(mkdir(path, 0700), 0);
	expect_refusal(EISDIR, "is a directory");
	rmdir(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	expect_refusal(ENOTBLK, "is a FIFO, not a file or block device");
	unlink(path);
	ck_assert_int_eq(symlink("/dev/null", path), 0);
	expect_refusal(ENOTBLK, "is a character device, not a file or block "
				"device");
	unlink(path);
	make_file(0);
	expect_refusal(ENODATA, "is empty");
	make_file(1000);
	expect_refusal(EINVAL,
		       "its size, 1000 bytes, is not a multiple of 512");
}
END_TEST

START_TEST(target_permission)
{
	struct target t;
	struct reason why;
	char text[128];

	make_file(4096);
	if (!geteuid()) {
		/* Root may open anything; as nobody it may not. */
		ck_assert_int_eq(chmod(dir, 0755), 0);
		ck_assert_int_eq(seteuid(65534), 0);
	} else {
		ck_assert_int_eq(chmod(path, 0), 0);
	}
	snprintf(text, sizeof(text),
		 "%s: cannot be opened for reading and writing: "
		 "Permission denied",
		 path);
	ck_assert_int_eq(target_open(path, false, false, &t, &why), -EACCES);
	ck_assert_str_eq(why.text, text);
	ck_assert_int_eq(seteuid(getuid()), 0);
}
END_TEST

START_TEST(target_file)
{
	struct target t;
	struct reason why;

	make_file(1 << 20);
	ck_assert_int_eq(target_open(path, true, false, &t, &why), 0);
	ck_assert_uint_eq(t.size, 1 << 20);
	ck_assert(!t.is_block);
	ck_assert_uint_eq(t.logical_sector_size, 512);
	ck_assert_uint_eq(t.discard_granularity, 0);
	ck_assert_int_eq(fcntl(t.fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK),
			 O_RDONLY);
	target_close(&t);
	ck_assert_int_eq(target_open(path, false, false, &t, &why), 0);
	ck_assert_int_eq(fcntl(t.fd, F_GETFL) & O_ACCMODE, O_RDWR);
	ck_assert_int_eq(ftruncate(t.fd, 1 << 21), 0);
	ck_assert_uint_eq(target_size(&t), 1 << 21);
	target_close(&t);
}
END_TEST

/* ---- a loop and a file ---- */

static struct hyper_machine *machine;
static struct hyper *hyper;
static struct loop *loop;
static struct storage *storage;
static int file;

static struct storage_health health;
static unsigned int nr_changes;

static void changed(void *owner, const struct storage_health *now)
{
	(void)owner;
	health = *now;
	nr_changes++;
}

static struct storage_config config;

static void start(void)
{
	char spec[256];

	machine = hyper_local_create(NULL);
	ck_assert_ptr_nonnull(machine);
	hyper_local_spec(machine, 0, spec, sizeof(spec));
	hyper = hyper_open(spec, HYPER_EVTCHN);
	ck_assert_ptr_nonnull(hyper);
	loop = loop_new(hyper);
	ck_assert_ptr_nonnull(loop);
	file = memfd_create("disk", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(file, 1 << 20), 0);
	storage = NULL;
	config = (struct storage_config){.changed = changed};
	nr_changes = 0;
}

static void stop(void)
{
	storage_close(storage);
	loop_free(loop);
	hyper_close(hyper);
	hyper_local_destroy(machine);
	close(file);
}

static const enum storage_engine engines[] = {STORAGE_ENGINE_URING,
					      STORAGE_ENGINE_POOL};

static void open_storage(enum storage_engine engine, int fd)
{
	struct reason why;

	config.engine = engine;
	storage = storage_file(loop, fd, &config, &why);
	ck_assert_msg(storage, "%s", why.text);
}

/* ---- requests ---- */

static int results[512];
static unsigned int nr_results;

struct request {
	struct storage_io io;
	struct iovec iov[4];
};

static void done(struct storage_io *io, int error)
{
	results[nr_results++] = error;
	(void)io;
}

static void submit(struct request *r, enum storage_op op, uint64_t offset,
		   void *buf, uint64_t length)
{
	memset(r, 0, sizeof(*r));
	r->iov[0] = (struct iovec){.iov_base = buf, .iov_len = length};
	r->io = (struct storage_io){
		.op = op,
		.iov = r->iov,
		.nr_iov = 1,
		.offset = offset,
		.length = length,
		.done = done,
	};
	storage_submit(storage, &r->io);
}

/* Turns as the loop of a worker makes them. */
struct pump {
	struct loop_work work;
	unsigned int want;
};

static bool pump_run(struct loop_work *work)
{
	struct pump *p = (struct pump *)work;
	bool found = storage_kick(storage);

	if (nr_results >= p->want)
		loop_stop(loop);
	return found;
}

static bool pump_arm(struct loop_work *work)
{
	(void)work;
	return storage_arm(storage);
}

static void wait_for(unsigned int n)
{
	struct pump p = {
		.work = {.run = pump_run, .arm = pump_arm},
		.want = n,
	};

	loop_work_add(loop, &p.work);
	ck_assert_int_eq(loop_run(loop), 0);
	loop_work_del(loop, &p.work);
	ck_assert_uint_eq(nr_results, n);
	nr_results = 0;
}

static int call(enum storage_op op, uint64_t offset, void *buf, uint64_t length)
{
	struct request r;

	submit(&r, op, offset, buf, length);
	wait_for(1);
	return results[0];
}

static unsigned char out[1 << 16], in[1 << 16];

/* ---- both engines ---- */

START_TEST(data)
{
	struct request r;

	open_storage(engines[_i], dup(file));
	memset(out, 'x', sizeof(out));
	ck_assert_int_eq(call(STORAGE_WRITE, 4096, out, 8192), 0);
	ck_assert_int_eq(call(STORAGE_FLUSH, 0, NULL, 0), 0);
	ck_assert_int_eq(call(STORAGE_READ, 0, in, 16384), 0);
	ck_assert(!in[4095] && in[4096] == 'x' && in[12287] == 'x' &&
		  !in[12288]);

	/* Scattered, with an empty piece in between. */
	submit(&r, STORAGE_READ, 3584, in, 1024);
	r.iov[0].iov_len = 512;
	r.iov[1] = (struct iovec){.iov_base = in + 4096};
	r.iov[2] = (struct iovec){.iov_base = in + 8192, .iov_len = 512};
	r.io.nr_iov = 3;
	memset(in, 'y', sizeof(in));
	wait_for(1);
	ck_assert_int_eq(results[0], 0);
	ck_assert(!in[0] && !in[511] && in[512] == 'y' && in[8192] == 'x' &&
		  in[8703] == 'x' && in[8704] == 'y');

	ck_assert_int_eq(call(STORAGE_DISCARD, 4096, NULL, 4096), 0);
	ck_assert_int_eq(call(STORAGE_READ, 4096, in, 8192), 0);
	ck_assert(!in[0] && !in[4095] && in[4096] == 'x');
	ck_assert_uint_eq(storage_size(storage), 1 << 20);
}
END_TEST

/* tmpfs cannot zero a range: it is written. */
START_TEST(write_zeroes)
{
	open_storage(engines[_i], dup(file));
	memset(out, 'x', sizeof(out));
	ck_assert_int_eq(call(STORAGE_WRITE, 0, out, 65536), 0);
	ck_assert_int_eq(call(STORAGE_WRITE, 65536, out, 65536), 0);
	ck_assert_int_eq(call(STORAGE_WRITE_ZEROES, 512, NULL, 130048), 0);
	ck_assert_int_eq(pread(file, in, 1024, 0), 1024);
	ck_assert(in[511] == 'x' && !in[512]);
	ck_assert_int_eq(pread(file, in, 1024, 130048), 1024);
	ck_assert(!in[511] && in[512] == 'x');
}
END_TEST

START_TEST(many)
{
	static struct request r[400];
	unsigned int i;

	open_storage(engines[_i], dup(file));
	for (i = 0; i < 400; i++)
		submit(&r[i], i % 7 ? STORAGE_WRITE : STORAGE_FLUSH,
		       i % 7 ? 512 * i : 0, out, i % 7 ? 512 : 0);
	wait_for(400);
	for (i = 0; i < 400; i++)
		ck_assert_int_eq(results[i], 0);
}
END_TEST

/* What was there is not what is there: an error, and nothing grows. */
START_TEST(shrunk)
{
	open_storage(engines[_i], dup(file));
	ck_assert_int_eq(ftruncate(file, 6144), 0);
	ck_assert_int_eq(call(STORAGE_READ, 4096, in, 4096), -EIO);
	ck_assert_int_eq(call(STORAGE_READ, 8192, in, 4096), -EIO);
	ck_assert_int_eq(call(STORAGE_WRITE, 4096, out, 4096), -EIO);
	ck_assert_int_eq(call(STORAGE_WRITE_ZEROES, 4096, NULL, 4096), -EIO);
	ck_assert_int_eq(call(STORAGE_READ, 4096, in, 2048), 0);
	ck_assert_int_eq(call(STORAGE_WRITE, 4096, out, 2048), 0);
	ck_assert_int_eq(lseek(file, 0, SEEK_END), 6144);
}
END_TEST

START_TEST(read_only)
{
	char link[64];
	int fd;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
	fd = open(link, O_RDONLY | O_CLOEXEC);
	open_storage(engines[_i], fd);
	ck_assert_int_eq(call(STORAGE_READ, 0, in, 4096), 0);
	ck_assert_int_eq(call(STORAGE_WRITE, 0, out, 4096), -EBADF);
	ck_assert_int_eq(call(STORAGE_DISCARD, 0, NULL, 4096), -EBADF);
	ck_assert_int_eq(call(STORAGE_READ, 0, in, 4096), 0);
}
END_TEST

/* ---- an engine that answers what it is told ---- */

struct script {
	struct engine engine;
	const ssize_t *answers;
	struct storage_queue queue;
	/* What the attempts were. */
	struct attempt seen[16];
	unsigned int nr_seen;
};

static void script_submit(struct engine *e, struct storage_io *io)
{
	struct script *s = (struct script *)e;

	STAILQ_INSERT_TAIL(&s->queue, io, next);
}

static bool script_kick(struct engine *e)
{
	struct script *s = (struct script *)e;
	struct storage_io *io = STAILQ_FIRST(&s->queue);

	if (!io)
		return false;
	STAILQ_REMOVE_HEAD(&s->queue, next);
	attempt_plan(io, &s->seen[s->nr_seen]);
	e->finished(e->owner, io, s->answers[s->nr_seen++]);
	return true;
}

static bool script_arm(struct engine *e)
{
	(void)e;
	return false;
}

static void script_close(struct engine *e)
{
	(void)e;
}

static const struct engine_ops script_ops = {
	.submit = script_submit,
	.kick = script_kick,
	.arm = script_arm,
	.close = script_close,
};

static struct script script;

static void answer(const ssize_t *answers)
{
	memset(&script, 0, sizeof(script));
	script.engine.ops = &script_ops;
	script.answers = answers;
	STAILQ_INIT(&script.queue);
	storage = storage_file_over(loop, &script.engine, dup(file), &config);
	ck_assert_ptr_nonnull(storage);
}

START_TEST(short_transfers)
{
	static const ssize_t answers[] = {1000, -EINTR, 2000, 1096, 0, 512, 0};

	answer(answers);
	ck_assert_int_eq(call(STORAGE_READ, 8192, in, 4096), 0);
	ck_assert_uint_eq(script.nr_seen, 4);
	ck_assert_uint_eq(script.seen[2].offset, 9192);
	ck_assert_uint_eq(script.seen[2].length, 3096);
	ck_assert_ptr_eq(script.seen[2].buf, in + 1000);
	ck_assert_uint_eq(script.seen[3].offset, 11192);
	ck_assert_uint_eq(script.seen[3].length, 1096);
	/* The end of the file, at once and in the middle. */
	ck_assert_int_eq(call(STORAGE_READ, 0, in, 4096), -EIO);
	ck_assert_int_eq(call(STORAGE_WRITE, 0, out, 4096), -EIO);
}
END_TEST

START_TEST(errors_stay_alone)
{
	static const ssize_t answers[] = {-EIO, 4096,	     1024,    -ENOSPC,
					  4096, -EOPNOTSUPP, -ENODEV, -EIO};

	config.full = STORAGE_FULL_ERROR;
	answer(answers);
	ck_assert_int_eq(call(STORAGE_READ, 0, in, 4096), -EIO);
	ck_assert_int_eq(call(STORAGE_READ, 0, in, 4096), 0);
	ck_assert_int_eq(call(STORAGE_WRITE, 0, out, 4096), -ENOSPC);
	ck_assert_int_eq(call(STORAGE_WRITE, 0, out, 4096), 0);
	ck_assert_int_eq(call(STORAGE_DISCARD, 0, NULL, 4096), -EOPNOTSUPP);
	ck_assert_int_eq(call(STORAGE_DISCARD, 0, NULL, 4096), -EOPNOTSUPP);
	ck_assert_int_eq(call(STORAGE_DISCARD, 0, NULL, 4096), -EIO);
}
END_TEST

#define PIECE ((uint64_t)ENGINE_DISCARD_PIECE)

static void answer_on_large(const ssize_t *answers)
{
	ck_assert_int_eq(ftruncate(file, 8 * (off_t)PIECE), 0);
	answer(answers);
}

static void ck_seen(unsigned int n, uint64_t offset, uint64_t length)
{
	ck_assert_uint_gt(script.nr_seen, n);
	ck_assert_int_eq(script.seen[n].mode,
			 FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
	ck_assert_uint_eq(script.seen[n].offset, offset);
	ck_assert_uint_eq(script.seen[n].length, length);
}

/* In pieces, and whoever comes does not wait for the last of them. */
START_TEST(discard_in_pieces)
{
	static const ssize_t answers[] = {0, -EINTR, 4096, 0, 0, 0};
	struct request big, small, r;

	answer_on_large(answers);
	submit(&big, STORAGE_DISCARD, 4096, NULL, 2 * PIECE);
	submit(&small, STORAGE_DISCARD, 7 * PIECE, NULL, 512);
	storage_kick(storage);
	submit(&r, STORAGE_READ, 0, in, 4096);
	wait_for(3);
	ck_seen(0, 4096, PIECE - 4096);
	ck_seen(1, 7 * PIECE, 512);
	ck_assert_ptr_eq(script.seen[2].buf, in);
	ck_seen(3, 7 * PIECE, 512);
	ck_seen(4, PIECE, PIECE);
	ck_seen(5, 2 * PIECE, 4096);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(results[i], 0);
}
END_TEST

START_TEST(discard_gives_up)
{
	static const ssize_t answers[] = {0, 0, -EIO};
	struct request r[3];

	answer_on_large(answers);
	for (int i = 0; i < 3; i++)
		submit(&r[i], STORAGE_DISCARD, 0, NULL, 8 * PIECE);
	storage_kick(storage);
	ck_assert_uint_eq(script.nr_seen, 1);
	storage_give_up(storage, true);
	/* What the engine has is done; the rest does not begin. */
	wait_for(3);
	ck_assert_uint_eq(script.nr_seen, 2);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(results[i], -ECANCELED);
	storage_give_up(storage, false);
	/* One that fails is over. */
	ck_assert_int_eq(call(STORAGE_DISCARD, 0, NULL, 8 * PIECE), -EIO);
}
END_TEST

static void answer_ioctl(scmp_filter_ctx ctx, unsigned long request, int error)
{
	struct scmp_arg_cmp cmp = {
		.arg = 1, .op = SCMP_CMP_EQ, .datum_a = request};

	ck_assert_int_eq(seccomp_rule_add_array(ctx,
						SCMP_ACT_ERRNO((uint32_t)error),
						SCMP_SYS(ioctl), 1, &cmp),
			 0);
}

/* No device here can discard securely: which of the two is asked for shows
 * in what a filter of system calls answers. */
START_TEST(discard_of_a_device)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	struct storage_io io = {
		.op = STORAGE_DISCARD,
		.offset = 4096,
		.length = 3 * PIECE,
		.left = 3 * PIECE,
		.device = true,
		.secure = _i,
	};
	struct attempt a = {0};

	answer_ioctl(ctx, BLKDISCARD, ENOTNAM);
	answer_ioctl(ctx, BLKSECDISCARD, ENAVAIL);
	ck_assert_int_eq(seccomp_load(ctx), 0);
	seccomp_release(ctx);
	attempt_plan(&io, &a);
	ck_assert_uint_eq(a.offset, 4096);
	ck_assert_uint_eq(a.length, PIECE - 4096);
	ck_assert_int_eq(attempt_run(file, &a), _i ? -ENAVAIL : -ENOTNAM);
}
END_TEST

/* After one lost page no flush can ever promise anything again. */
START_TEST(failed_flush_latches)
{
	static const ssize_t answers[] = {0, -ENOSPC, 0, 4096};
	struct request r[3];

	answer(answers);
	ck_assert_int_eq(call(STORAGE_FLUSH, 0, NULL, 0), 0);
	/* The second is on its way when the first one fails. */
	submit(&r[0], STORAGE_FLUSH, 0, NULL, 0);
	submit(&r[1], STORAGE_FLUSH, 0, NULL, 0);
	wait_for(2);
	ck_assert_int_eq(results[0], -ENOSPC);
	ck_assert_int_eq(results[1], -ENOSPC);
	ck_assert_int_eq(call(STORAGE_FLUSH, 0, NULL, 0), -ENOSPC);
	ck_assert_uint_eq(script.nr_seen, 3);
	ck_assert_int_eq(call(STORAGE_READ, 0, in, 4096), 0);
	ck_assert_uint_eq(nr_changes, 1);
	ck_assert_int_eq(health.flush_error, -ENOSPC);
}
END_TEST

START_TEST(flush_failed_before)
{
	static const ssize_t answers[] = {4096};

	config.flush_error = -EIO;
	answer(answers);
	ck_assert_int_eq(call(STORAGE_FLUSH, 0, NULL, 0), -EIO);
	ck_assert_int_eq(call(STORAGE_WRITE, 0, out, 4096), 0);
	ck_assert_uint_eq(script.nr_seen, 1);
}
END_TEST

START_TEST(writethrough)
{
	static const ssize_t answers[] = {512, 3584, 4096, 4096, 0};

	config.cache = STORAGE_CACHE_WRITETHROUGH;
	answer(answers);
	ck_assert_int_eq(call(STORAGE_WRITE, 0, out, 4096), 0);
	ck_assert_int_eq(script.seen[0].flags, RWF_DSYNC);
	ck_assert_int_eq(script.seen[1].flags, RWF_DSYNC);
	ck_assert_int_eq(call(STORAGE_WRITE_ZEROES, 0, NULL, 4096), 0);
	ck_assert_int_eq(script.seen[2].call, ATTEMPT_WRITE);
	ck_assert_int_eq(script.seen[2].flags, RWF_DSYNC);
	ck_assert_int_eq(call(STORAGE_READ, 0, in, 4096), 0);
	ck_assert_int_eq(script.seen[3].flags, 0);
	ck_assert_int_eq(call(STORAGE_FLUSH, 0, NULL, 0), 0);
	ck_assert_int_eq(script.seen[4].call, ATTEMPT_SYNC);
}
END_TEST

/*
 * One of those under way fails, and another one's page may have been what was
 * lost, for the kernel says it once: that is written again, if all of it went
 * at once. What comes later is not in doubt.
 */
START_TEST(writethrough_loses)
{
	static const ssize_t answers[] = {4096, -EIO, 4096, 4096,
					  1024, 4096, 3072, 4096};
	struct request r[4];

	config.cache = STORAGE_CACHE_WRITETHROUGH;
	answer(answers);
	ck_assert_int_eq(call(STORAGE_WRITE, 0, out, 4096), 0);
	submit(&r[0], STORAGE_WRITE, 0, out, 4096);
	submit(&r[1], STORAGE_WRITE, 4096, out, 4096);
	submit(&r[2], STORAGE_READ, 8192, in, 4096);
	submit(&r[3], STORAGE_WRITE, 12288, out, 4096);
	wait_for(4);
	ck_assert_int_eq(results[0], -EIO);
	ck_assert_int_eq(results[1], 0); /* the read */
	ck_assert_uint_eq(script.seen[5].offset, 4096);
	ck_assert_uint_eq(script.seen[5].length, 4096);
	ck_assert_int_eq(script.seen[5].flags, RWF_DSYNC);
	ck_assert_int_eq(results[2], 0);
	ck_assert_int_eq(results[3], -EIO);
	ck_assert_int_eq(call(STORAGE_FLUSH, 0, NULL, 0), -EIO);
	ck_assert_int_eq(call(STORAGE_WRITE, 0, out, 4096), 0);
	ck_assert_uint_eq(script.nr_seen, 8);
	ck_assert_uint_eq(nr_changes, 1);
	ck_assert_int_eq(health.flush_error, -EIO);
}
END_TEST

/* There is no space, for one of them: then no flush has failed. */
START_TEST(writethrough_is_full)
{
	static const ssize_t answers[] = {-ENOSPC, 4096, 4096, 0};
	struct request r[2];

	config.cache = STORAGE_CACHE_WRITETHROUGH;
	config.full = STORAGE_FULL_ERROR;
	answer(answers);
	submit(&r[0], STORAGE_WRITE, 0, out, 4096);
	submit(&r[1], STORAGE_WRITE, 4096, out, 4096);
	wait_for(2);
	ck_assert_int_eq(results[0], -ENOSPC);
	ck_assert_int_eq(results[1], 0);
	ck_assert_uint_eq(script.seen[2].offset, 4096);
	ck_assert_int_eq(call(STORAGE_FLUSH, 0, NULL, 0), 0);
	ck_assert_uint_eq(script.nr_seen, 4);
}
END_TEST

/* Only who asks for it in so many words gets flushes that are none. */
START_TEST(unsafe)
{
	static const ssize_t answers[] = {4096};

	config.cache = STORAGE_CACHE_UNSAFE;
	answer(answers);
	ck_assert_int_eq(call(STORAGE_WRITE, 0, out, 4096), 0);
	ck_assert_int_eq(script.seen[0].flags, 0);
	ck_assert_int_eq(call(STORAGE_FLUSH, 0, NULL, 0), 0);
	ck_assert_uint_eq(script.nr_seen, 1);
}
END_TEST

/* ---- no space ---- */

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

START_TEST(full_waits)
{
	static const ssize_t answers[] = {2048,	   -ENOSPC, 4096, -ENOSPC,
					  -ENOSPC, 4096,    2048, 0};
	struct request r[4];
	uint64_t began = now_ms();

	answer(answers);
	submit(&r[0], STORAGE_WRITE, 0, out, 4096); /* half of it fits */
	submit(&r[1], STORAGE_WRITE, 4096, out, 4096);
	submit(&r[2], STORAGE_READ, 0, in, 4096);
	/* The read goes on; the oldest write is tried twice, then both go. */
	wait_for(3);
	ck_assert(now_ms() - began >= SPACE_FIRST_MS + 2 * SPACE_FIRST_MS);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(results[i], 0);
	ck_assert_uint_eq(script.nr_seen, 7);
	ck_assert_uint_eq(script.seen[6].offset, 2048);
	ck_assert_uint_eq(nr_changes, 2);
	ck_assert_int_eq(health.waiting, 0);
	ck_assert_int_eq(call(STORAGE_FLUSH, 0, NULL, 0), 0);
}
END_TEST

START_TEST(full_gives_up)
{
	static const ssize_t answers[] = {-EDQUOT, -ENOSPC, -ENOSPC, -ENOSPC};
	struct request r[2];

	answer(answers);
	submit(&r[0], STORAGE_WRITE, 0, out, 4096);
	submit(&r[1], STORAGE_WRITE, 0, out, 4096);
	while (storage_kick(storage))
		;
	ck_assert_uint_eq(nr_results, 0);
	ck_assert_int_eq(health.waiting, -ENOSPC);
	storage_give_up(storage, true);
	ck_assert(storage_arm(storage));
	wait_for(2);
	ck_assert_int_eq(results[0], -ECANCELED);
	ck_assert_int_eq(health.waiting, 0);
	/* And what comes then does not wait. */
	ck_assert_int_eq(call(STORAGE_WRITE, 0, out, 4096), -ECANCELED);
	storage_give_up(storage, false);
	submit(&r[0], STORAGE_WRITE, 0, out, 4096);
	storage_kick(storage);
	ck_assert_uint_eq(nr_results, 0);
	storage_give_up(storage, true);
	wait_for(1);
}
END_TEST

/* One that fails for another reason does not keep those behind it. */
START_TEST(full_then_broken)
{
	static const ssize_t answers[] = {-ENOSPC, -ENOSPC, -EIO, 4096};
	struct request r[2];

	answer(answers);
	submit(&r[0], STORAGE_WRITE, 0, out, 4096);
	submit(&r[1], STORAGE_WRITE, 0, out, 4096);
	wait_for(2);
	ck_assert_int_eq(results[0], -EIO);
	ck_assert_int_eq(results[1], 0);
	ck_assert_int_eq(health.waiting, 0);
}
END_TEST

/* What was shrunk while a write waited is not grown by it. */
START_TEST(full_then_shrunk)
{
	static const ssize_t answers[] = {-ENOSPC};
	struct request r;

	answer(answers);
	submit(&r, STORAGE_WRITE, 65536, out, 4096);
	storage_kick(storage);
	ck_assert_int_eq(ftruncate(file, 65536), 0);
	wait_for(1);
	ck_assert_int_eq(results[0], -EIO);
	ck_assert_uint_eq(script.nr_seen, 1);
	ck_assert_int_eq(health.waiting, 0);
}
END_TEST

/* A file system that is full: tmpfs of a megabyte. */
START_TEST(full_for_real)
{
	char name[96];
	struct request r;
	int fd, hog;

	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL),
			 0);
	ck_assert_int_eq(mount("xpv", dir, "tmpfs", 0, "size=1m"), 0);
	snprintf(name, sizeof(name), "%s/hog", dir);
	hog = open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	ck_assert_int_eq(fallocate(hog, 0, 0, 1 << 20), 0);
	make_file(1 << 20);
	fd = open(path, O_RDWR | O_CLOEXEC);
	open_storage(engines[_i], fd);
	submit(&r, STORAGE_WRITE, 0, out, sizeof(out));
	while (!health.waiting)
		storage_kick(storage);
	ck_assert_int_eq(health.waiting, -ENOSPC);
	ck_assert_int_eq(call(STORAGE_READ, 0, in, 4096), 0);
	ck_assert_int_eq(ftruncate(hog, 0), 0);
	wait_for(1);
	ck_assert_int_eq(results[0], 0);
	ck_assert_int_eq(health.waiting, 0);
	close(hog);
	umount2(dir, MNT_DETACH);
}
END_TEST

/* ---- null ---- */

START_TEST(null)
{
	storage = storage_null(1 << 20);
	ck_assert_int_eq(call(STORAGE_WRITE, 0, out, 4096), 0);
	ck_assert_int_eq(call(STORAGE_FLUSH, 0, NULL, 0), 0);
	ck_assert_uint_eq(storage_size(storage), 1 << 20);
}
END_TEST

Suite *storage_suite(void)
{
	Suite *s = suite_create("storage");
	TCase *c = tcase_create("target");
	const int n = sizeof(engines) / sizeof(engines[0]);

	tcase_add_checked_fixture(c, make_dir, remove_dir);
	tcase_add_test(c, target_refusals);
	tcase_add_test(c, target_permission);
	tcase_add_test(c, target_file);
	suite_add_tcase(s, c);

	c = tcase_create("engines");
	tcase_add_checked_fixture(c, start, stop);
	tcase_add_loop_test(c, data, 0, n);
	tcase_add_loop_test(c, write_zeroes, 0, n);
	tcase_add_loop_test(c, many, 0, n);
	tcase_add_loop_test(c, shrunk, 0, n);
	tcase_add_loop_test(c, read_only, 0, n);
	tcase_add_test(c, short_transfers);
	tcase_add_test(c, errors_stay_alone);
	tcase_add_test(c, discard_in_pieces);
	tcase_add_test(c, discard_gives_up);
	tcase_add_loop_test(c, discard_of_a_device, 0, 2);
	tcase_add_test(c, failed_flush_latches);
	tcase_add_test(c, flush_failed_before);
	tcase_add_test(c, writethrough);
	tcase_add_test(c, writethrough_loses);
	tcase_add_test(c, writethrough_is_full);
	tcase_add_test(c, unsafe);
	tcase_add_test(c, full_waits);
	tcase_add_test(c, full_gives_up);
	tcase_add_test(c, full_then_broken);
	tcase_add_test(c, full_then_shrunk);
	tcase_add_test(c, null);
	suite_add_tcase(s, c);

	c = tcase_create("full");
	tcase_add_checked_fixture(c, make_dir, remove_dir);
	tcase_add_checked_fixture(c, start, stop);
	tcase_add_loop_test(c, full_for_real, 0, n);
	suite_add_tcase(s, c);
	return s;
}
