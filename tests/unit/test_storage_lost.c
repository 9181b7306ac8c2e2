// SPDX-License-Identifier: MIT
/*
 * What a file makes of writes that do not become durable, and of those for
 * which there is no space.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "backend/storage/space.h"
#include "store.h"
#include "suites.h"

/* ---- durable ---- */

/* After one lost page no flush can ever promise anything again. */
START_TEST(failed_flush_latches)
{
	static const ssize_t answers[] = {0, -ENOSPC, 0, 4096};
	struct store_request r[3];

	store_answer(answers);
	ck_assert_int_eq(store_call(STORAGE_FLUSH, 0, NULL, 0), 0);
	/* The second is on its way when the first one fails. */
	store_submit(&r[0], STORAGE_FLUSH, 0, NULL, 0);
	store_submit(&r[1], STORAGE_FLUSH, 0, NULL, 0);
	store_wait(2);
	ck_assert_int_eq(store.results[0], -ENOSPC);
	ck_assert_int_eq(store.results[1], -ENOSPC);
	ck_assert_int_eq(store_call(STORAGE_FLUSH, 0, NULL, 0), -ENOSPC);
	ck_assert_uint_eq(store.script.nr_seen, 3);
	ck_assert_int_eq(store_call(STORAGE_READ, 0, store.in, 4096), 0);
	ck_assert_uint_eq(store.nr_changes, 1);
	ck_assert_int_eq(store.health.flush_error, -ENOSPC);
}
END_TEST

START_TEST(flush_failed_before)
{
	static const ssize_t answers[] = {4096};

	store.config.flush_error = -EIO;
	store_answer(answers);
	ck_assert_int_eq(store_call(STORAGE_FLUSH, 0, NULL, 0), -EIO);
	ck_assert_int_eq(store_call(STORAGE_WRITE, 0, store.out, 4096), 0);
	ck_assert_uint_eq(store.script.nr_seen, 1);
}
END_TEST

START_TEST(writethrough)
{
	static const ssize_t answers[] = {512, 3584, 4096, 4096, 0};

	store.config.cache = STORAGE_CACHE_WRITETHROUGH;
	store_answer(answers);
	ck_assert_int_eq(store_call(STORAGE_WRITE, 0, store.out, 4096), 0);
	ck_assert_int_eq(store.script.seen[0].flags, RWF_DSYNC);
	ck_assert_int_eq(store.script.seen[1].flags, RWF_DSYNC);
	ck_assert_int_eq(store_call(STORAGE_WRITE_ZEROES, 0, NULL, 4096), 0);
	ck_assert_int_eq(store.script.seen[2].call, ATTEMPT_WRITE);
	ck_assert_int_eq(store.script.seen[2].flags, RWF_DSYNC);
	ck_assert_int_eq(store_call(STORAGE_READ, 0, store.in, 4096), 0);
	ck_assert_int_eq(store.script.seen[3].flags, 0);
	ck_assert_int_eq(store_call(STORAGE_FLUSH, 0, NULL, 0), 0);
	ck_assert_int_eq(store.script.seen[4].call, ATTEMPT_SYNC);
}
END_TEST

/*
 * One of those under way fails, and another one's page may have been what was
 * lost, for the kernel says it once: that is written again, all of it. What
 * comes later is not in doubt.
 */
START_TEST(writethrough_loses)
{
	static const ssize_t answers[] = {4096, -EIO, 4096, 4096, 1024,
					  3072, 4096, 4096, 4096};
	struct store_request r[4];

	store.config.cache = STORAGE_CACHE_WRITETHROUGH;
	store_answer(answers);
	ck_assert_int_eq(store_call(STORAGE_WRITE, 0, store.out, 4096), 0);
	store_submit(&r[0], STORAGE_WRITE, 0, store.out, 4096);
	store_submit(&r[1], STORAGE_WRITE, 4096, store.out, 4096);
	store_submit(&r[2], STORAGE_READ, 8192, store.in, 4096);
	store_submit(&r[3], STORAGE_WRITE, 12288, store.out, 4096);
	store_wait(4);
	ck_assert_int_eq(store.results[0], -EIO);
	ck_assert_int_eq(store.results[1], 0); /* the read */
	ck_assert_uint_eq(store.script.seen[6].offset, 4096);
	ck_assert_uint_eq(store.script.seen[6].length, 4096);
	ck_assert_int_eq(store.script.seen[6].flags, RWF_DSYNC);
	ck_assert_int_eq(store.results[2], 0);
	ck_assert_uint_eq(store.script.seen[7].offset, 12288);
	ck_assert_uint_eq(store.script.seen[7].length, 4096);
	ck_assert_int_eq(store.results[3], 0);
	ck_assert_int_eq(store_call(STORAGE_FLUSH, 0, NULL, 0), -EIO);
	ck_assert_int_eq(store_call(STORAGE_WRITE, 0, store.out, 4096), 0);
	ck_assert_uint_eq(store.script.nr_seen, 9);
	ck_assert_uint_eq(store.nr_changes, 1);
	ck_assert_int_eq(store.health.flush_error, -EIO);
}
END_TEST

/* The one whose page it was is heard of before the one that was told. */
START_TEST(good_before_bad)
{
	static const ssize_t answers[] = {4096, -EIO, 4096, 4096, 4096};
	struct store_request r[2];

	store.config.cache = STORAGE_CACHE_WRITETHROUGH;
	store_answer(answers);
	store_submit(&r[0], STORAGE_WRITE, 0, store.out, 4096);
	store_submit(&r[1], STORAGE_WRITE, 4096, store.out, 4096);
	store_wait(2);
	ck_assert_int_eq(store.results[0], -EIO);
	ck_assert_int_eq(store.results[1], 0);
	ck_assert_uint_eq(store.script.seen[2].offset, 0);
	ck_assert_uint_eq(store.script.nr_seen, 3);
	/* Nothing is in doubt any more: no other has failed since. */
	store_submit(&r[0], STORAGE_WRITE, 0, store.out, 4096);
	store_submit(&r[1], STORAGE_WRITE, 4096, store.out, 4096);
	store_wait(2);
	ck_assert_uint_eq(store.script.nr_seen, 5);
}
END_TEST

START_TEST(good_flush_before_bad)
{
	static const ssize_t answers[] = {0, -EIO};
	struct store_request r[2];

	store_answer(answers);
	store_submit(&r[0], STORAGE_FLUSH, 0, NULL, 0);
	store_submit(&r[1], STORAGE_FLUSH, 0, NULL, 0);
	store_wait(2);
	ck_assert_int_eq(store.results[0], -EIO);
	ck_assert_int_eq(store.results[1], -EIO);
}
END_TEST

/* There is no space, for one of them: then no flush has failed. */
START_TEST(writethrough_is_full)
{
	static const ssize_t answers[] = {-ENOSPC, 4096, 4096, 0};
	struct store_request r[2];

	store.config.cache = STORAGE_CACHE_WRITETHROUGH;
	store.config.full = STORAGE_FULL_ERROR;
	store_answer(answers);
	store_submit(&r[0], STORAGE_WRITE, 0, store.out, 4096);
	store_submit(&r[1], STORAGE_WRITE, 4096, store.out, 4096);
	store_wait(2);
	ck_assert_int_eq(store.results[0], -ENOSPC);
	ck_assert_int_eq(store.results[1], 0);
	ck_assert_uint_eq(store.script.seen[2].offset, 4096);
	ck_assert_int_eq(store_call(STORAGE_FLUSH, 0, NULL, 0), 0);
	ck_assert_uint_eq(store.script.nr_seen, 4);
}
END_TEST

/* Half of a write fits, and the rest does later: nothing of it was lost. */
START_TEST(writethrough_waits)
{
	static const ssize_t answers[] = {4096, -ENOSPC, 4096};

	store.config.cache = STORAGE_CACHE_WRITETHROUGH;
	store_answer(answers);
	ck_assert_int_eq(store_call(STORAGE_WRITE, 0, store.out, 8192), 0);
	ck_assert_uint_eq(store.script.nr_seen, 3);
	ck_assert_uint_eq(store.script.seen[2].offset, 4096);
	ck_assert_int_eq(store.health.flush_error, 0);
}
END_TEST

/* Three pieces in place of one. */
static void split(struct store_request *r)
{
	char *buf = r->iov[0].iov_base;
	size_t length = r->iov[0].iov_len;

	r->iov[0].iov_len = 2000;
	r->iov[1] = (struct iovec){buf + 2000, 4000};
	r->iov[2] = (struct iovec){buf + 6000, length - 6000};
	r->io.nr_iov = 3;
}

/*
 * Two of them, and each may have been told of the other's page: both are
 * written again, from wherever in their memory they had come to.
 */
START_TEST(writethrough_waits_for_two)
{
	static const ssize_t answers[] = {5000, 4096, -ENOSPC, -ENOSPC, 3192,
					  8192, 4096, 8192,    0};
	struct store_request r[2];
	struct iovec before[4];

	store.config.cache = STORAGE_CACHE_WRITETHROUGH;
	store_answer(answers);
	store_submit(&r[0], STORAGE_WRITE, 0, store.out, 8192);
	store_submit(&r[1], STORAGE_WRITE, 8192, store.out, 8192);
	split(&r[0]);
	memcpy(before, r[0].iov, sizeof(before));
	store_wait(2);
	ck_assert_int_eq(store.results[0], 0);
	ck_assert_int_eq(store.results[1], 0);
	ck_assert_uint_eq(store.script.nr_seen, 8);
	for (int i = 5; i < 8; i += 2) {
		ck_assert_uint_eq(store.script.seen[i].offset,
				  i == 5 ? 0 : 8192);
		ck_assert_uint_eq(store.script.seen[i].length, 8192);
		ck_assert_uint_eq(store.script.seen[i].nr_iov, i == 5 ? 3 : 1);
	}
	/* Each piece as it was given. */
	ck_assert_mem_eq(before, r[0].iov, 3 * sizeof(before[0]));
	ck_assert_int_eq(store_call(STORAGE_FLUSH, 0, NULL, 0), 0);
}
END_TEST

/* Only who asks for it in so many words gets flushes that are none. */
START_TEST(unsafe)
{
	static const ssize_t answers[] = {4096};

	store.config.cache = STORAGE_CACHE_UNSAFE;
	store_answer(answers);
	ck_assert_int_eq(store_call(STORAGE_WRITE, 0, store.out, 4096), 0);
	ck_assert_int_eq(store.script.seen[0].flags, 0);
	ck_assert_int_eq(store_call(STORAGE_FLUSH, 0, NULL, 0), 0);
	ck_assert_uint_eq(store.script.nr_seen, 1);
}
END_TEST

/* ---- no space ---- */

START_TEST(full_waits)
{
	static const ssize_t answers[] = {2048,	   -ENOSPC, 4096, -ENOSPC,
					  -ENOSPC, 4096,    2048, 0};
	struct store_request r[4];
	uint64_t began = loop_now();

	store_answer(answers);
	store_submit(&r[0], STORAGE_WRITE, 0, store.out,
		     4096); /* half of it fits */
	store_submit(&r[1], STORAGE_WRITE, 4096, store.out, 4096);
	store_submit(&r[2], STORAGE_READ, 0, store.in, 4096);
	/* The read goes on; the oldest write is tried twice, then both go. */
	store_wait(3);
	ck_assert(loop_now() - began >= SPACE_FIRST_MS + 2 * SPACE_FIRST_MS);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(store.results[i], 0);
	ck_assert_uint_eq(store.script.nr_seen, 7);
	ck_assert_uint_eq(store.script.seen[6].offset, 2048);
	ck_assert_uint_eq(store.nr_changes, 2);
	ck_assert_int_eq(store.health.waiting, 0);
	ck_assert_int_eq(store_call(STORAGE_FLUSH, 0, NULL, 0), 0);
}
END_TEST

START_TEST(full_gives_up)
{
	static const ssize_t answers[] = {-EDQUOT, -ENOSPC, -ENOSPC, -ENOSPC};
	struct store_request r[2];

	store_answer(answers);
	store_submit(&r[0], STORAGE_WRITE, 0, store.out, 4096);
	store_submit(&r[1], STORAGE_WRITE, 0, store.out, 4096);
	while (storage_kick(store.storage))
		;
	ck_assert_uint_eq(store.nr_results, 0);
	ck_assert_int_eq(store.health.waiting, -ENOSPC);
	storage_give_up(store.storage, true);
	ck_assert(storage_arm(store.storage));
	store_wait(2);
	ck_assert_int_eq(store.results[0], -ECANCELED);
	ck_assert_int_eq(store.health.waiting, 0);
	/* And what comes then does not wait. */
	ck_assert_int_eq(store_call(STORAGE_WRITE, 0, store.out, 4096),
			 -ECANCELED);
	storage_give_up(store.storage, false);
	store_submit(&r[0], STORAGE_WRITE, 0, store.out, 4096);
	storage_kick(store.storage);
	ck_assert_uint_eq(store.nr_results, 0);
	storage_give_up(store.storage, true);
	store_wait(1);
}
END_TEST

/* One that fails for another reason does not keep those behind it. */
START_TEST(full_then_broken)
{
	static const ssize_t answers[] = {-ENOSPC, -ENOSPC, -EIO, 4096};
	struct store_request r[2];

	store_answer(answers);
	store_submit(&r[0], STORAGE_WRITE, 0, store.out, 4096);
	store_submit(&r[1], STORAGE_WRITE, 0, store.out, 4096);
	store_wait(2);
	ck_assert_int_eq(store.results[0], -EIO);
	ck_assert_int_eq(store.results[1], 0);
	ck_assert_int_eq(store.health.waiting, 0);
}
END_TEST

/* What was shrunk while a write waited is not grown by it. */
START_TEST(full_then_shrunk)
{
	static const ssize_t answers[] = {-ENOSPC};
	struct store_request r;

	store_answer(answers);
	store_submit(&r, STORAGE_WRITE, 65536, store.out, 4096);
	storage_kick(store.storage);
	ck_assert_int_eq(ftruncate(store.file, 65536), 0);
	store_wait(1);
	ck_assert_int_eq(store.results[0], -EIO);
	ck_assert_uint_eq(store.script.nr_seen, 1);
	ck_assert_int_eq(store.health.waiting, 0);
}
END_TEST

/* A file system that is full: tmpfs of a megabyte. */
START_TEST(full_for_real)
{
	char name[96];
	struct store_request r;
	int fd, hog;

	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL),
			 0);
	ck_assert_int_eq(mount("xpv", store.dir, "tmpfs", 0, "size=1m"), 0);
	snprintf(name, sizeof(name), "%s/hog", store.dir);
	hog = open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	ck_assert_int_eq(fallocate(hog, 0, 0, 1 << 20), 0);
	store_make_file(1 << 20);
	fd = open(store.path, O_RDWR | O_CLOEXEC);
	store_open(store_engines[_i], fd);
	store_submit(&r, STORAGE_WRITE, 0, store.out, sizeof(store.out));
	while (!store.health.waiting)
		storage_kick(store.storage);
	ck_assert_int_eq(store.health.waiting, -ENOSPC);
	ck_assert_int_eq(store_call(STORAGE_READ, 0, store.in, 4096), 0);
	ck_assert_int_eq(ftruncate(hog, 0), 0);
	store_wait(1);
	ck_assert_int_eq(store.results[0], 0);
	ck_assert_int_eq(store.health.waiting, 0);
	close(hog);
	umount2(store.dir, MNT_DETACH);
}
END_TEST

Suite *storage_lost_suite(void)
{
	Suite *s = suite_create("storage_lost");
	TCase *c = tcase_create("answers");

	tcase_add_checked_fixture(c, store_start, store_stop);
	tcase_add_test(c, failed_flush_latches);
	tcase_add_test(c, flush_failed_before);
	tcase_add_test(c, writethrough);
	tcase_add_test(c, writethrough_loses);
	tcase_add_test(c, good_before_bad);
	tcase_add_test(c, good_flush_before_bad);
	tcase_add_test(c, writethrough_is_full);
	tcase_add_test(c, writethrough_waits);
	tcase_add_test(c, writethrough_waits_for_two);
	tcase_add_test(c, unsafe);
	tcase_add_test(c, full_waits);
	tcase_add_test(c, full_gives_up);
	tcase_add_test(c, full_then_broken);
	tcase_add_test(c, full_then_shrunk);
	suite_add_tcase(s, c);

	c = tcase_create("full");
	tcase_add_checked_fixture(c, store_make_dir, store_remove_dir);
	tcase_add_checked_fixture(c, store_start, store_stop);
	tcase_add_loop_test(c, full_for_real, 0, STORE_ENGINES);
	suite_add_tcase(s, c);
	return s;
}
