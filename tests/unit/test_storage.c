// SPDX-License-Identifier: MIT
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/storage/target.h"
#include "store.h"
#include "suites.h"

/* ---- targets ---- */

static void expect_refusal(int error, const char *what)
{
	struct target t;
	struct reason why;
	char text[128];

	snprintf(text, sizeof(text), "%s: %s", store.path, what);
	ck_assert_int_eq(target_open(store.path, false, false, &t, &why),
			 -error);
	ck_assert_str_eq(why.text, text);
	ck_assert_int_eq(t.fd, -1);
}

START_TEST(target_refusals)
{
	expect_refusal(ENOENT, "No such file or directory");
	ck_assert_int_eq(mkdir(store.path, 0700), 0);
	expect_refusal(EISDIR, "is a directory");
	rmdir(store.path);
	ck_assert_int_eq(mkfifo(store.path, 0600), 0);
	expect_refusal(ENOTBLK, "is a FIFO, not a file or block device");
	unlink(store.path);
	ck_assert_int_eq(symlink("/dev/null", store.path), 0);
	expect_refusal(ENOTBLK, "is a character device, not a file or block "
				"device");
	unlink(store.path);
	store_make_file(0);
	expect_refusal(ENODATA, "is empty");
	store_make_file(1000);
	expect_refusal(EINVAL,
		       "its size, 1000 bytes, is not a multiple of 512");
}
END_TEST

START_TEST(target_permission)
{
	struct target t;
	struct reason why;
	char text[128];

	store_make_file(4096);
	if (!geteuid()) {
		/* Root may open anything; as nobody it may not. */
		ck_assert_int_eq(chmod(store.dir, 0755), 0);
		ck_assert_int_eq(seteuid(65534), 0);
	} else {
		ck_assert_int_eq(chmod(store.path, 0), 0);
	}
	snprintf(text, sizeof(text),
		 "%s: cannot be opened for reading and writing: "
		 "Permission denied",
		 store.path);
	ck_assert_int_eq(target_open(store.path, false, false, &t, &why),
			 -EACCES);
	ck_assert_str_eq(why.text, text);
	ck_assert_int_eq(seteuid(getuid()), 0);
}
END_TEST

START_TEST(target_file)
{
	struct target t;
	struct reason why;

	store_make_file(1 << 20);
	ck_assert_int_eq(target_open(store.path, true, false, &t, &why), 0);
	ck_assert_uint_eq(t.size, 1 << 20);
	ck_assert(!t.is_block);
	ck_assert_uint_eq(t.logical_sector_size, 512);
	ck_assert_uint_eq(t.discard_granularity, 0);
	ck_assert_int_eq(fcntl(t.fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK),
			 O_RDONLY);
	target_close(&t);
	ck_assert_int_eq(target_open(store.path, false, false, &t, &why), 0);
	ck_assert_int_eq(fcntl(t.fd, F_GETFL) & O_ACCMODE, O_RDWR);
	ck_assert_int_eq(ftruncate(t.fd, 1 << 21), 0);
	ck_assert_uint_eq(target_size(&t), 1 << 21);
	target_close(&t);
}
END_TEST

/* What a guest writes never makes its disk another one (CVE-2026-27211). */
START_TEST(format_is_never_guessed)
{
	static const char *const magic[] = {
		"QFI\xfb\0\0\0\3",
		"conectix",
		"KDMV\1\0\0\0",
	};
	struct target t;
	struct reason why;
	char text[8];

	store_make_file(1 << 20);
	for (unsigned int i = 0; i < sizeof(magic) / sizeof(magic[0]); i++) {
		ck_assert_int_eq(
			target_open(store.path, false, false, &t, &why), 0);
		ck_assert_int_eq(pwrite(t.fd, magic[i], 8, 0), 8);
		target_close(&t);
		ck_assert_int_eq(
			target_open(store.path, false, false, &t, &why), 0);
		ck_assert_uint_eq(t.size, 1 << 20);
		ck_assert_int_eq(pread(t.fd, text, 8, 0), 8);
		ck_assert_mem_eq(text, magic[i], 8);
		target_close(&t);
	}
}
END_TEST

/* ---- both engines ---- */

START_TEST(data)
{
	struct store_request r;

	store_open(store_engines[_i], dup(store.file));
	memset(store.out, 'x', sizeof(store.out));
	ck_assert_int_eq(store_call(STORAGE_WRITE, 4096, store.out, 8192), 0);
	ck_assert_int_eq(store_call(STORAGE_FLUSH, 0, NULL, 0), 0);
	ck_assert_int_eq(store_call(STORAGE_READ, 0, store.in, 16384), 0);
	ck_assert(!store.in[4095] && store.in[4096] == 'x' &&
		  store.in[12287] == 'x' && !store.in[12288]);

	/* Scattered, with an empty piece in between. */
	store_submit(&r, STORAGE_READ, 3584, store.in, 1024);
	r.iov[0].iov_len = 512;
	r.iov[1] = (struct iovec){.iov_base = store.in + 4096};
	r.iov[2] = (struct iovec){.iov_base = store.in + 8192, .iov_len = 512};
	r.io.nr_iov = 3;
	memset(store.in, 'y', sizeof(store.in));
	store_wait(1);
	ck_assert_int_eq(store.results[0], 0);
	ck_assert(!store.in[0] && !store.in[511] && store.in[512] == 'y' &&
		  store.in[8192] == 'x' && store.in[8703] == 'x' &&
		  store.in[8704] == 'y');

	ck_assert_int_eq(store_call(STORAGE_DISCARD, 4096, NULL, 4096), 0);
	ck_assert_int_eq(store_call(STORAGE_READ, 4096, store.in, 8192), 0);
	ck_assert(!store.in[0] && !store.in[4095] && store.in[4096] == 'x');
	ck_assert_uint_eq(storage_size(store.storage), 1 << 20);
}
END_TEST

/* tmpfs cannot zero a range: it is written. */
START_TEST(write_zeroes)
{
	store_open(store_engines[_i], dup(store.file));
	memset(store.out, 'x', sizeof(store.out));
	ck_assert_int_eq(store_call(STORAGE_WRITE, 0, store.out, 65536), 0);
	ck_assert_int_eq(store_call(STORAGE_WRITE, 65536, store.out, 65536), 0);
	ck_assert_int_eq(store_call(STORAGE_WRITE_ZEROES, 512, NULL, 130048),
			 0);
	ck_assert_int_eq(pread(store.file, store.in, 1024, 0), 1024);
	ck_assert(store.in[511] == 'x' && !store.in[512]);
	ck_assert_int_eq(pread(store.file, store.in, 1024, 130048), 1024);
	ck_assert(!store.in[511] && store.in[512] == 'x');
}
END_TEST

START_TEST(many)
{
	static struct store_request r[400];
	unsigned int i;

	store_open(store_engines[_i], dup(store.file));
	for (i = 0; i < 400; i++)
		store_submit(&r[i], i % 7 ? STORAGE_WRITE : STORAGE_FLUSH,
			     i % 7 ? 512 * i : 0, store.out, i % 7 ? 512 : 0);
	store_wait(400);
	for (i = 0; i < 400; i++)
		ck_assert_int_eq(store.results[i], 0);
}
END_TEST

/* What was there is not what is there: an error, and nothing grows. */
START_TEST(shrunk)
{
	store_open(store_engines[_i], dup(store.file));
	ck_assert_int_eq(ftruncate(store.file, 6144), 0);
	ck_assert_int_eq(store_call(STORAGE_READ, 4096, store.in, 4096), -EIO);
	ck_assert_int_eq(store_call(STORAGE_READ, 8192, store.in, 4096), -EIO);
	ck_assert_int_eq(store_call(STORAGE_WRITE, 4096, store.out, 4096),
			 -EIO);
	ck_assert_int_eq(store_call(STORAGE_WRITE_ZEROES, 4096, NULL, 4096),
			 -EIO);
	ck_assert_int_eq(store_call(STORAGE_READ, 4096, store.in, 2048), 0);
	ck_assert_int_eq(store_call(STORAGE_WRITE, 4096, store.out, 2048), 0);
	ck_assert_int_eq(lseek(store.file, 0, SEEK_END), 6144);
}
END_TEST

START_TEST(read_only)
{
	char link[64];
	int fd;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", store.file);
	fd = open(link, O_RDONLY | O_CLOEXEC);
	store_open(store_engines[_i], fd);
	ck_assert_int_eq(store_call(STORAGE_READ, 0, store.in, 4096), 0);
	ck_assert_int_eq(store_call(STORAGE_WRITE, 0, store.out, 4096), -EBADF);
	ck_assert_int_eq(store_call(STORAGE_DISCARD, 0, NULL, 4096), -EBADF);
	ck_assert_int_eq(store_call(STORAGE_READ, 0, store.in, 4096), 0);
}
END_TEST

/* ---- an engine that answers what it is told ---- */

START_TEST(short_transfers)
{
	static const ssize_t answers[] = {1000, -EINTR, 2000, 1096, 0, 512, 0};

	store_answer(answers);
	ck_assert_int_eq(store_call(STORAGE_READ, 8192, store.in, 4096), 0);
	ck_assert_uint_eq(store.script.nr_seen, 4);
	ck_assert_uint_eq(store.script.seen[2].offset, 9192);
	ck_assert_uint_eq(store.script.seen[2].length, 3096);
	ck_assert_ptr_eq(store.script.seen[2].buf, store.in + 1000);
	ck_assert_uint_eq(store.script.seen[3].offset, 11192);
	ck_assert_uint_eq(store.script.seen[3].length, 1096);
	/* The end of the file, at once and in the middle. */
	ck_assert_int_eq(store_call(STORAGE_READ, 0, store.in, 4096), -EIO);
	ck_assert_int_eq(store_call(STORAGE_WRITE, 0, store.out, 4096), -EIO);
}
END_TEST

START_TEST(errors_stay_alone)
{
	static const ssize_t answers[] = {-EIO, 4096,	     1024,    -ENOSPC,
					  4096, -EOPNOTSUPP, -ENODEV, -EIO};

	store.config.full = STORAGE_FULL_ERROR;
	store_answer(answers);
	ck_assert_int_eq(store_call(STORAGE_READ, 0, store.in, 4096), -EIO);
	ck_assert_int_eq(store_call(STORAGE_READ, 0, store.in, 4096), 0);
	ck_assert_int_eq(store_call(STORAGE_WRITE, 0, store.out, 4096),
			 -ENOSPC);
	ck_assert_int_eq(store_call(STORAGE_WRITE, 0, store.out, 4096), 0);
	ck_assert_int_eq(store_call(STORAGE_DISCARD, 0, NULL, 4096),
			 -EOPNOTSUPP);
	ck_assert_int_eq(store_call(STORAGE_DISCARD, 0, NULL, 4096),
			 -EOPNOTSUPP);
	ck_assert_int_eq(store_call(STORAGE_DISCARD, 0, NULL, 4096), -EIO);
}
END_TEST

#define PIECE ((uint64_t)ENGINE_DISCARD_PIECE)

static void answer_on_large(const ssize_t *answers)
{
	ck_assert_int_eq(ftruncate(store.file, 8 * (off_t)PIECE), 0);
	store_answer(answers);
}

static void ck_seen(unsigned int n, uint64_t offset, uint64_t length)
{
	ck_assert_uint_gt(store.script.nr_seen, n);
	ck_assert_int_eq(store.script.seen[n].mode,
			 FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
	ck_assert_uint_eq(store.script.seen[n].offset, offset);
	ck_assert_uint_eq(store.script.seen[n].length, length);
}

/* In pieces, and whoever comes does not wait for the last of them. */
START_TEST(discard_in_pieces)
{
	static const ssize_t answers[] = {0, -EINTR, 4096, 0, 0, 0};
	struct store_request big, small, r;

	answer_on_large(answers);
	store_submit(&big, STORAGE_DISCARD, 4096, NULL, 2 * PIECE);
	store_submit(&small, STORAGE_DISCARD, 7 * PIECE, NULL, 512);
	storage_kick(store.storage);
	store_submit(&r, STORAGE_READ, 0, store.in, 4096);
	store_wait(3);
	ck_seen(0, 4096, PIECE - 4096);
	ck_seen(1, 7 * PIECE, 512);
	ck_assert_ptr_eq(store.script.seen[2].buf, store.in);
	ck_seen(3, 7 * PIECE, 512);
	ck_seen(4, PIECE, PIECE);
	ck_seen(5, 2 * PIECE, 4096);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(store.results[i], 0);
}
END_TEST

START_TEST(discard_gives_up)
{
	static const ssize_t answers[] = {0, 0, -EIO};
	struct store_request r[3];

	answer_on_large(answers);
	for (int i = 0; i < 3; i++)
		store_submit(&r[i], STORAGE_DISCARD, 0, NULL, 8 * PIECE);
	storage_kick(store.storage);
	ck_assert_uint_eq(store.script.nr_seen, 1);
	storage_give_up(store.storage, true);
	/* What the engine has is done; the rest does not begin. */
	store_wait(3);
	ck_assert_uint_eq(store.script.nr_seen, 2);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(store.results[i], -ECANCELED);
	storage_give_up(store.storage, false);
	/* One that fails is over. */
	ck_assert_int_eq(store_call(STORAGE_DISCARD, 0, NULL, 8 * PIECE), -EIO);
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
	ck_assert_int_eq(attempt_run(store.file, &a), _i ? -ENAVAIL : -ENOTNAM);
}
END_TEST

/* ---- null ---- */

START_TEST(null)
{
	store.storage = storage_null(1 << 20);
	ck_assert_int_eq(store_call(STORAGE_WRITE, 0, store.out, 4096), 0);
	ck_assert_int_eq(store_call(STORAGE_FLUSH, 0, NULL, 0), 0);
	ck_assert_uint_eq(storage_size(store.storage), 1 << 20);
}
END_TEST

Suite *storage_suite(void)
{
	Suite *s = suite_create("storage");
	TCase *c = tcase_create("target");

	tcase_add_checked_fixture(c, store_make_dir, store_remove_dir);
	tcase_add_test(c, target_refusals);
	tcase_add_test(c, target_permission);
	tcase_add_test(c, target_file);
	tcase_add_test(c, format_is_never_guessed);
	suite_add_tcase(s, c);

	c = tcase_create("engines");
	tcase_add_checked_fixture(c, store_start, store_stop);
	tcase_add_loop_test(c, data, 0, STORE_ENGINES);
	tcase_add_loop_test(c, write_zeroes, 0, STORE_ENGINES);
	tcase_add_loop_test(c, many, 0, STORE_ENGINES);
	tcase_add_loop_test(c, shrunk, 0, STORE_ENGINES);
	tcase_add_loop_test(c, read_only, 0, STORE_ENGINES);
	tcase_add_test(c, short_transfers);
	tcase_add_test(c, errors_stay_alone);
	tcase_add_test(c, discard_in_pieces);
	tcase_add_test(c, discard_gives_up);
	tcase_add_loop_test(c, discard_of_a_device, 0, 2);
	tcase_add_test(c, null);
	suite_add_tcase(s, c);

	return s;
}
