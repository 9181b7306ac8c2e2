// SPDX-License-Identifier: MIT
/*
 * Disks that are full or fail, and what of that outlives the processes: a
 * flush that failed, a write that is late.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "badfs.h"
#include "disks.h"
#include "suites.h"

/* ---- full ---- */

static struct {
	char dir[HOST_PATH], disk[HOST_PATH], hog[HOST_PATH];
} full;

/* A disk in a file system whose space somebody else has taken. */
static void make_full(void)
{
	int fd;

	snprintf(full.dir, sizeof(full.dir), "%.64s/full", disks.host.dir);
	snprintf(full.disk, sizeof(full.disk), "%.80s/disk", full.dir);
	snprintf(full.hog, sizeof(full.hog), "%.80s/hog", full.dir);
	ck_assert_int_eq(mkdir(full.dir, 0700), 0);
	ck_assert_int_eq(mount("xpv", full.dir, "tmpfs", 0, "size=1m"), 0);
	fd = open(full.disk, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	ck_assert_int_eq(ftruncate(fd, DISKS_MIB), 0);
	close(fd);
	fd = open(full.hog, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	ck_assert_int_eq(fallocate(fd, 0, 0, DISKS_MIB), 0);
	close(fd);
}

/* Mounts are the test's own, and of the xpvd that it starts. */
static void setup_mounts(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL),
			 0);
	disks_setup();
	host_stop_xpvd(&disks.host, SIGTERM);
}

static void teardown_full(void)
{
	umount2(full.dir, MNT_DETACH);
	disks_teardown();
}

/* Its one write finds no space, and waits. */
static struct vdev connected_and_waiting(struct attach *a)
{
	struct vdev d;

	make_full();
	host_start_xpvd(&disks.host);
	d = disks_connected(a, full.disk, full.disk, "w");
	disks_submit(a, 1, XPV_BLKIF_WRITE, 0);
	disks_expect_part(&d, XPV_KEY_CONDITION, "No space left on device");
	return d;
}

START_TEST(full_pauses)
{
	struct xpv_blk_response rsp;
	struct attach a;
	struct vdev d = connected_and_waiting(&a);

	ck_assert_int_eq(userblk_reap(a.fe, 0, &rsp, 1), 0);
	/* A new supervisor learns of it. */
	host_stop_xpvd(&disks.host, SIGKILL);
	back_rm(&d, xpv_key(XPV_KEY_CONDITION));
	host_start_xpvd(&disks.host);
	disks_expect_part(&d, XPV_KEY_CONDITION, "No space left on device");
	ck_assert_int_eq(truncate(full.hog, 0), 0);
	ck_assert_int_eq(userblk_wait(a.fe, DISKS_WAIT), 1);
	ck_assert_int_eq(userblk_reap(a.fe, 0, &rsp, 1), 1);
	ck_assert_int_eq(rsp.status, XPV_BLKIF_OKAY);
	disks_expect(&d, XPV_KEY_CONDITION, NULL);
}
END_TEST

static bool worker_changed(void *arg)
{
	pid_t pid;

	return host_workers(&disks.host, &pid, 1) && pid != *(pid_t *)arg;
}

/* A worker that is asked to go leaves what waits to the next one. */
START_TEST(full_outlives_worker)
{
	struct xpv_blk_response rsp[2];
	struct attach a;
	struct vdev d = connected_and_waiting(&a);
	pid_t pid;

	/* It holds no other one up. */
	disks_submit(&a, 2, XPV_BLKIF_READ, 0);
	ck_assert_int_eq(userblk_wait(a.fe, DISKS_WAIT), 1);
	ck_assert_int_eq(userblk_reap(a.fe, 0, rsp, 2), 1);
	ck_assert_uint_eq(rsp[0].id, 2);
	ck_assert_int_eq(rsp[0].status, XPV_BLKIF_OKAY);
	ck_assert_uint_eq(host_workers(&disks.host, &pid, 1), 1);
	kill(pid, SIGTERM);
	ck_assert(wait_until(worker_changed, &pid, 5000));
	disks_expect_part(&d, XPV_KEY_CONDITION, "No space left on device");
	ck_assert_int_eq(userblk_reap(a.fe, 0, rsp, 2), 0);
	ck_assert_int_eq(truncate(full.hog, 0), 0);
	ck_assert_int_eq(userblk_wait(a.fe, DISKS_WAIT), 1);
	ck_assert_int_eq(userblk_reap(a.fe, 0, rsp, 1), 1);
	ck_assert_int_eq(rsp[0].status, XPV_BLKIF_OKAY);
	disks_expect(&d, XPV_KEY_CONDITION, NULL);
}
END_TEST

/* Nothing waits for space that is asked to go. */
START_TEST(full_goes)
{
	struct attach a;
	struct vdev d = connected_and_waiting(&a);

	vdev_remove(&d);
	disks_let_go(a.fe);
}
END_TEST

START_TEST(full_fails)
{
	char target[HOST_PATH + 32];
	struct attach a;
	struct vdev d;

	make_full();
	host_start_xpvd(&disks.host);
	snprintf(target, sizeof(target), "file:%s?full=error", full.disk);
	d = disks_connected(&a, target, full.disk, "w");
	ck_assert_int_eq(disks_call(&a, XPV_BLKIF_WRITE, 0), XPV_BLKIF_ERROR);
	ck_assert_int_eq(disks_call(&a, XPV_BLKIF_READ, 0), XPV_BLKIF_OKAY);
	disks_expect(&d, XPV_KEY_CONDITION, NULL);
}
END_TEST

/* ---- failed ---- */

static struct badfs bad;

static void bad_disk(struct attach *a, struct vdev *d)
{
	badfs_start(&bad, disks.host.dir);
	host_start_xpvd(&disks.host);
	*d = disks_connected(a, bad.disk, bad.disk, "w");
}

static void teardown_bad(void)
{
	badfs_stop(&bad);
	disks_teardown();
}

static void expect_no_flush(struct attach *a, struct vdev *d)
{
	ck_assert_int_eq(disks_call(a, XPV_BLKIF_FLUSH, 0), XPV_BLKIF_ERROR);
	/* Not tried: it would have succeeded. */
	ck_assert_uint_eq(bad.c->syncs, 1);
	disks_expect(d, XPV_KEY_FLUSH_ERROR, "5");
	disks_expect_part(d, XPV_KEY_CONDITION,
			  "a flush failed: Input/output error");
}

/* Made anew it may try again. */
static void attach_again(struct attach *a, struct vdev *d)
{
	disks_end(a);
	vdev_remove(d);
	*d = disks_connected(a, bad.disk, bad.disk, "w");
	disks_expect(d, XPV_KEY_FLUSH_ERROR, NULL);
	ck_assert_int_eq(disks_call(a, XPV_BLKIF_FLUSH, 0), XPV_BLKIF_OKAY);
}

/*
 * What was not made durable once is not so later, whichever worker is asked,
 * and whichever supervisor asks.
 */
START_TEST(failed_flush_stays)
{
	struct attach a;
	struct vdev d;
	pid_t pid;

	bad_disk(&a, &d);
	bad.c->sync_error = -EIO;
	ck_assert_int_eq(disks_call(&a, XPV_BLKIF_FLUSH, 0), XPV_BLKIF_ERROR);
	expect_no_flush(&a, &d);
	host_stop_xpvd(&disks.host, SIGKILL);
	host_start_xpvd(&disks.host);
	ck_assert_uint_eq(host_workers(&disks.host, &pid, 1), 1);
	kill(pid, SIGKILL);
	expect_no_flush(&a, &d);
	attach_again(&a, &d);
}
END_TEST

/*
 * The same when nobody lives to tell: the supervisor does not read what the
 * worker says, and both are killed as soon as the guest has its answer.
 */
START_TEST(failed_flush_outlives_all)
{
	struct attach a;
	struct vdev d;
	pid_t pid;

	bad_disk(&a, &d);
	ck_assert_uint_eq(host_workers(&disks.host, &pid, 1), 1);
	kill(disks.host.xpvd, SIGSTOP);
	bad.c->sync_error = -EIO;
	ck_assert_int_eq(disks_call(&a, XPV_BLKIF_FLUSH, 0), XPV_BLKIF_ERROR);
	kill(pid, SIGKILL);
	host_stop_xpvd(&disks.host, SIGKILL);
	disks_expect(&d, XPV_KEY_FLUSH_ERROR, NULL);
	host_start_xpvd(&disks.host);
	expect_no_flush(&a, &d);
	attach_again(&a, &d);
}
END_TEST

static bool one_held(void *arg)
{
	(void)arg;
	return __atomic_load_n(&bad.c->held, __ATOMIC_SEQ_CST) == 1;
}

static bool dead(void *pid)
{
	return kill(*(pid_t *)pid, 0) != 0;
}

/*
 * What a worker had given to the disk lands although it is dead. Before that
 * the guest must not hear that its write is done: it may write there anew.
 */
START_TEST(late_write)
{
	static const char *const engine[] = {"uring", "uring", "threads"};
	struct xpv_blk_response rsp;
	char target[HOST_PATH + 32];
	struct attach a;
	pid_t pid;

	badfs_start(&bad, disks.host.dir);
	host_start_xpvd(&disks.host);
	snprintf(target, sizeof(target), "file:%s?cache=direct&engine=%s",
		 bad.disk, engine[_i]);
	disks_connected(&a, target, bad.disk, "w");
	ck_assert_uint_eq(host_workers(&disks.host, &pid, 1), 1);
	bad.c->hold = true;
	disks_submit(&a, 1, XPV_BLKIF_WRITE, 0);
	ck_assert(wait_until(one_held, NULL, 5000));
	if (_i == 1)
		host_stop_xpvd(&disks.host, SIGKILL);
	kill(pid, SIGKILL);
	if (_i == 1)
		host_start_xpvd(&disks.host);
	/* A ring of io_uring outlives its process, a thread does not. */
	if (_i == 0)
		ck_assert(wait_until(dead, &pid, 5000));
	/* Long enough for the next worker, which asks for the same write. */
	for (unsigned int n = 0; n < 150; n++) {
		pause_ms(10);
		ck_assert(one_held(NULL));
	}
	ck_assert_int_eq(userblk_reap(a.fe, 0, &rsp, 1), 0);
	if (_i < 2)
		ck_assert_uint_eq(
			host_log_lines(&disks.host, "has yet to finish"), 1);
	bad.c->hold = false;
	ck_assert_int_eq(userblk_wait(a.fe, DISKS_WAIT), 1);
	ck_assert_int_eq(userblk_reap(a.fe, 0, &rsp, 1), 1);
	ck_assert_int_eq(rsp.status, XPV_BLKIF_OKAY);
}
END_TEST

/*
 * A worker is killed while it flushes, and the kernel tells nobody but the
 * dead that it lost what was to be flushed. The next worker asks again.
 */
START_TEST(flush_fails_for_the_dead)
{
	struct xpv_blk_response rsp;
	char target[HOST_PATH + 32];
	struct attach a;
	struct vdev d;
	pid_t pid;

	badfs_start_cached(&bad, disks.host.dir);
	host_start_xpvd(&disks.host);
	snprintf(target, sizeof(target), "file:%s?cache=writeback", bad.disk);
	d = disks_connected(&a, target, bad.disk, "w");
	ck_assert_int_eq(disks_call(&a, XPV_BLKIF_WRITE, 0), XPV_BLKIF_OKAY);
	ck_assert_uint_eq(host_workers(&disks.host, &pid, 1), 1);
	bad.c->hold = true;
	disks_submit(&a, 1, XPV_BLKIF_FLUSH, 0);
	ck_assert(wait_until(one_held, NULL, 5000));
	kill(pid, SIGKILL);
	pause_ms(100);
	bad.c->write_error = -EIO;
	bad.c->hold = false;
	ck_assert_int_eq(userblk_wait(a.fe, DISKS_WAIT), 1);
	ck_assert_int_eq(userblk_reap(a.fe, 0, &rsp, 1), 1);
	ck_assert_int_eq(rsp.status, XPV_BLKIF_ERROR);
	bad.c->write_error = 0;
	disks_expect(&d, XPV_KEY_FLUSH_ERROR, "5");
}
END_TEST

static bool closed(void *d)
{
	return back_state(d) == XPV_STATE_CLOSED;
}

/* Nor must the toolstack, which may give the disk to another guest. */
START_TEST(late_write_of_a_disk_that_goes)
{
	struct attach a;
	struct vdev d;
	pid_t pid;

	bad_disk(&a, &d);
	ck_assert_uint_eq(host_workers(&disks.host, &pid, 1), 1);
	bad.c->hold = true;
	disks_submit(&a, 1, XPV_BLKIF_WRITE, 0);
	ck_assert(wait_until(one_held, NULL, 5000));
	back_write(&d, xpv_key(XPV_KEY_ONLINE), "0");
	back_write(&d, xpv_key(XPV_KEY_STATE), "5");
	kill(pid, SIGKILL);
	ck_assert(wait_until(dead, &pid, 5000));
	front_state(&d, XPV_STATE_CLOSED);
	ck_assert(!wait_until(closed, &d, 500));
	ck_assert(one_held(NULL));
	bad.c->hold = false;
	ck_assert(wait_until(closed, &d, 5000));
	ck_assert_uint_eq(bad.c->held, 0);
}
END_TEST

static bool open_again(void *d)
{
	return back_state(d) == XPV_STATE_INIT_WAIT;
}

/*
 * A kernel is replaced, by kexec or after a crash, while one of its reads is
 * under way. The next one is told to begin when that is over, and not before:
 * until then the data may land in what is its memory now.
 */
START_TEST(late_read_of_a_dead_kernel)
{
	struct userblk_config c = {.data_pages = 2, .persistent = _i};
	struct attach a;
	struct vdev d;

	bad_disk(&a, &d);
	disks_end(&a);
	front_state(&d, XPV_STATE_INITIALISING);
	disks_front_as(&a, &d, &c);
	memset(bad.c->data, 0xda, BADFS_BYTES);
	bad.c->hold = true;
	disks_submit(&a, 1, XPV_BLKIF_READ, 0);
	ck_assert(wait_until(one_held, NULL, 5000));
	front_state(&d, XPV_STATE_INITIALISING);
	ck_assert(!wait_until(open_again, &d, 500));
	ck_assert(one_held(NULL));
	bad.c->hold = false;
	ck_assert(wait_until(open_again, &d, 5000));
	memset(a.fe->data, 0x5a, 4096);
	pause_ms(50);
	for (unsigned int i = 0; i < 4096; i++)
		ck_assert_uint_eq(a.fe->data[i], 0x5a);
	disks_let_go(a.fe);
}
END_TEST

/* ---- direct I/O ---- */

static bool waiting(void *arg)
{
	(void)arg;
	return __atomic_load_n(&bad.c->waiting, __ATOMIC_SEQ_CST);
}

/*
 * With direct I/O a page of the guest is what the disk is given if the
 * toolstack says so, and a copy of it otherwise: that shows in a page which
 * the guest changes while its write is under way.
 */
START_TEST(direct_io_safe)
{
	static const char *const said[] = {NULL, "0", "1"};
	const struct userblk_config config = {.data_pages = 1,
					      .persistent = true};
	char target[HOST_PATH + 32];
	struct xpv_blk_response rsp;
	struct attach a;
	struct vdev d;

	badfs_start(&bad, disks.host.dir);
	host_start_xpvd(&disks.host);
	snprintf(target, sizeof(target), "file:%s?cache=direct", bad.disk);
	d = vbd_add(&disks.host, DISKS_GUEST, DISKS_XVDA, target, "w");
	if (said[_i])
		back_write(&d, xpv_key(XPV_KEY_DIRECT_IO_SAFE), said[_i]);
	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, bad.disk);
	disks_front_as(&a, &d, &config);
	memset(a.fe->data, 'a', 4096);
	__atomic_store_n(&bad.c->stall, true, __ATOMIC_SEQ_CST);
	pause_ms(20); /* longer than it waits for a request */
	__atomic_store_n(&bad.c->waiting, false, __ATOMIC_SEQ_CST);
	disks_submit(&a, 1, XPV_BLKIF_WRITE, 0);
	ck_assert(wait_until(waiting, NULL, 5000));
	memset(a.fe->data, 'b', 4096);
	__atomic_store_n(&bad.c->stall, false, __ATOMIC_SEQ_CST);
	ck_assert_int_eq(userblk_wait(a.fe, DISKS_WAIT), 1);
	ck_assert_int_eq(userblk_reap(a.fe, 0, &rsp, 1), 1);
	ck_assert_int_eq(rsp.status, XPV_BLKIF_OKAY);
	for (unsigned int i = 0; i < 4096; i += 511)
		ck_assert_int_eq(bad.c->data[i], _i == 2 ? 'b' : 'a');
}
END_TEST

Suite *disks_bad_suite(void)
{
	Suite *s = suite_create("disks_bad");
	TCase *c = tcase_create("full");
	tcase_add_checked_fixture(c, setup_mounts, teardown_full);
	tcase_set_timeout(c, 120);
	tcase_add_test(c, full_pauses);
	tcase_add_test(c, full_outlives_worker);
	tcase_add_test(c, full_goes);
	tcase_add_test(c, full_fails);
	suite_add_tcase(s, c);

	c = tcase_create("bad");
	tcase_add_checked_fixture(c, setup_mounts, teardown_bad);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, failed_flush_stays);
	tcase_add_test(c, failed_flush_outlives_all);
	tcase_add_loop_test(c, direct_io_safe, 0, 3);
	tcase_add_loop_test(c, late_write, 0, 3);
	tcase_add_test(c, flush_fails_for_the_dead);
	tcase_add_test(c, late_write_of_a_disk_that_goes);
	tcase_add_loop_test(c, late_read_of_a_dead_kernel, 0, 2);
	suite_add_tcase(s, c);
	return s;
}
