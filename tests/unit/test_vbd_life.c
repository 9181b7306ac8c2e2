// SPDX-License-Identifier: MIT
/*
 * A block device whose ring, storage, guest or supervisor goes bad, and its
 * coming and going.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"
#include "suites.h"

#define SECTORS	 4096u
#define BAD_GREF 30000u

static struct rig rig;

static void setup(void)
{
	static const struct rig_options o = {
		.front = {.data_pages = 300},
	};

	rig_start(&rig, &o);
}

static void teardown(void)
{
	rig_stop(&rig);
}

static int call(struct xpv_blk_request req)
{
	return rig_call(&rig, &req);
}

/* ---- the ring ---- */

/* XSA-216: what we do not mean to say, we do not say. */
START_TEST(response_padding)
{
	const uint8_t *slot = rig.fe->queue[0].front.ring.slots;
	unsigned int i;

	memset(rig.fe->queue[0].front.ring.slots, 0xff, 112);
	ck_assert_int_eq(call(rig_request(&rig, XPV_BLKIF_READ, 0, 1)),
			 XPV_BLKIF_OKAY);
	ck_assert_uint_eq(slot[9], 0);
	for (i = 12; i < 16; i++)
		ck_assert_uint_eq(slot[i], 0);
}
END_TEST

static void check_broken(uint32_t jump)
{
	struct xpv_sring *ring = rig.fe->queue[0].front.ring.shared;

	rig_check_alive(&rig);
	rig.drive.broken = false;
	__atomic_fetch_add(&ring->req_prod, jump, __ATOMIC_SEQ_CST);
	rig.guest->ops->evtchn_notify(rig.guest, rig.fe->queue[0].port);
	ck_assert_int_eq(drive_wait_broken(&rig.drive, RIG_WAIT), 0);
	ck_assert(strstr(rig.drive.broken_msg.reply.text, "request index"));

	/* It has been let go of: we can connect anew. */
	ck_assert_int_eq(userblk_free(rig.fe), 0);
	rig.fe = rig_front(&rig);
	rig_check_alive(&rig);
}

START_TEST(index_attacks)
{
	check_broken(33);
	check_broken(1u << 31);
	check_broken((uint32_t)-1);
	check_broken((uint32_t)-32);
	check_broken(0x7fffffff);
}
END_TEST

/* Two disks: one broken, the other never notices. */
START_TEST(other_disk_lives)
{
	struct ipc_vbd_attach attach = {
		.sectors = 64,
		.sector_size = 512,
		.max_queues = 1,
	};
	struct userblk *fe = rig.fe, *other;

	ck_assert_int_eq(drive_attach(&rig.drive, 51728, -1, &attach), 0);
	other = userblk_new(rig.guest, &rig.options.front);
	ck_assert_ptr_nonnull(other);
	ck_assert_int_eq(drive_connect(&rig.drive, 51728, other), 0);
	other->queue[0].front.ring.shared->req_prod = 1000;
	rig.guest->ops->evtchn_notify(rig.guest, other->queue[0].port);
	rig_check_alive(&rig);
	ck_assert_int_eq(drive_wait_broken(&rig.drive, RIG_WAIT), 0);
	ck_assert_uint_eq(rig.drive.broken_msg.dev.handle, 51728);
	rig_check_alive(&rig);
	ck_assert_int_eq(drive_simple(&rig.drive, 51728, IPC_DETACH), 0);
	ck_assert_int_eq(userblk_free(other), 0);
	rig.fe = fe;
	rig_check_alive(&rig);
}
END_TEST

/* ---- storage that fails ---- */

START_TEST(shrunk_file)
{
	ck_assert_int_eq(ftruncate(rig.fd, 4096), 0);
	ck_assert_int_eq(call(rig_request(&rig, XPV_BLKIF_READ, 4, 1)),
			 XPV_BLKIF_ERROR);
	ck_assert_int_eq(call(rig_request(&rig, XPV_BLKIF_WRITE, 4, 1)),
			 XPV_BLKIF_ERROR);
	ck_assert_int_eq(call(rig_request(&rig, XPV_BLKIF_READ, 0, 1)),
			 XPV_BLKIF_OKAY);
	ck_assert_int_eq(ftruncate(rig.fd, SECTORS * 512), 0);
	rig_check_alive(&rig);
}
END_TEST

static bool start_on(const char *path, uint64_t sectors)
{
	const struct rig_options o = {
		.path = path,
		.sectors = sectors,
		.read_only = true,
		.front = {.data_pages = 1},
	};

	if (access(path, R_OK))
		return false;
	rig_start(&rig, &o);
	return true;
}

/*
 * A file without fsync. To be told that flushing is not supported would make
 * a guest go on without.
 */
START_TEST(flush_that_fails)
{
	if (!start_on("/proc/kcore", 8))
		return;
	ck_assert_int_eq(call(rig_request(&rig, XPV_BLKIF_FLUSH, 0, 0)),
			 XPV_BLKIF_ERROR);
	ck_assert_int_eq(call(rig_request(&rig, XPV_BLKIF_WRITE_BARRIER, 0, 0)),
			 XPV_BLKIF_ERROR);
	ck_assert_int_eq(call(rig_request(&rig, XPV_BLKIF_READ, 0, 1)),
			 XPV_BLKIF_OKAY);
	rig_stop(&rig);
}
END_TEST

/* A file that ends before its size, as those of sysfs: no byte gets out. */
START_TEST(short_file)
{
	if (!start_on("/sys/kernel/mm/transparent_hugepage/enabled", 8))
		return;
	memset(rig.fe->data, 0xee, 4096);
	ck_assert_int_eq(call(rig_request(&rig, XPV_BLKIF_READ, 0, 1)),
			 XPV_BLKIF_ERROR);
	ck_assert_uint_eq(rig.fe->data[0], 0xee);
	rig_stop(&rig);
}
END_TEST

/* ---- coming and going ---- */

static void submit_some(unsigned int round)
{
	unsigned int i;

	for (i = 0; i < 32; i++) {
		struct xpv_blk_request req = rig_request(
			&rig, (uint8_t)(i % 4), 8 * i, i % 4 == 3 ? 0 : 11);

		req.id = i;
		if (round % 3 == 0 && req.op < XPV_BLKIF_WRITE_BARRIER)
			userblk_indirect(rig.fe, &req, 299, 0, 200);
		userblk_submit(rig.fe, 0, &req);
	}
	userblk_push(rig.fe, 0);
}

/*
 * A handle of the local hypervisor fetches the other end's eventfd when it has
 * to wake it for the first time, and how soon that is depends on who sleeps.
 */
static void wake_each_other(void)
{
	unsigned int fds = rig_fds(), tries = 0;

	while (rig_fds() < fds + 2) {
		ck_assert_uint_lt(tries++, 2000);
		usleep(2000); /* the worker falls asleep */
		rig_check_alive(&rig);
	}
}

START_TEST(reconnects)
{
	unsigned int fds, round;

	wake_each_other();
	fds = rig_fds();
	for (round = 0; round < 1000; round++) {
		submit_some(round);
		ck_assert_int_eq(
			drive_simple(&rig.drive, RIG_DISK, IPC_DISCONNECT), 0);
		if (round % 10 == 0) {
			/* -EBUSY if a page were still mapped. */
			ck_assert_int_eq(userblk_free(rig.fe), 0);
			rig.fe = userblk_new(rig.guest, &rig.options.front);
			ck_assert_ptr_nonnull(rig.fe);
		} else {
			userblk_reset(rig.fe);
		}
		/* As they come: with pages that stay mapped, and without. */
		rig.fe->config.persistent = round & 1;
		ck_assert_int_eq(drive_connect(&rig.drive, RIG_DISK, rig.fe),
				 0);
	}
	ck_assert_uint_eq(rig_fds(), fds);
	rig_check_alive(&rig);
}
END_TEST

/* Fails after each step of a connection; nothing of it stays. */
START_TEST(failed_connects)
{
	struct userblk *good = rig.fe;
	struct userblk_config c = {.nr_queues = 4, .ring_order = 2};
	struct userblk *bad;
	unsigned int round, q;

	for (round = 0; round < 40; round++) {
		q = round % 4;
		ck_assert_int_eq(
			drive_simple(&rig.drive, RIG_DISK, IPC_DISCONNECT), 0);
		bad = userblk_new(rig.guest, &c);
		ck_assert_ptr_nonnull(bad);
		if (round % 3 == 0)
			bad->queue[q].gref[3] = BAD_GREF;
		else if (round % 3 == 1)
			bad->queue[q].front.ring.shared->req_prod = 4096;
		else
			bad->queue[q].port += 1000;
		ck_assert_int_lt(drive_connect(&rig.drive, RIG_DISK, bad), 0);
		ck_assert_uint_ne(rig.drive.text[0], 0);
		if (round % 3 == 2)
			bad->queue[q].port -= 1000;
		ck_assert_int_eq(userblk_free(bad), 0);
		userblk_reset(good);
		ck_assert_int_eq(drive_connect(&rig.drive, RIG_DISK, good), 0);
		rig_check_alive(&rig);
	}
}
END_TEST

START_TEST(guest_destroyed)
{
	submit_some(1);
	ck_assert_int_eq(hyper_local_domain_destroy(rig.machine, RIG_GUEST), 0);
	ck_assert_int_eq(drive_simple(&rig.drive, RIG_DISK, IPC_DETACH), 0);
	rig_halt(&rig);
}
END_TEST

/* The guest does not notice; the worker stays until the disk goes. */
START_TEST(supervisor_gone)
{
	close(rig.drive.control);
	rig.drive.control = -1;
	rig_check_alive(&rig);
	usleep(20000);
	rig_check_alive(&rig);
}
END_TEST

Suite *vbd_life_suite(void)
{
	Suite *s = suite_create("vbd_life");
	TCase *c = tcase_create("one disk");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, response_padding);
	tcase_add_test(c, index_attacks);
	tcase_add_test(c, other_disk_lives);
	tcase_add_test(c, shrunk_file);
	tcase_add_test(c, reconnects);
	tcase_add_test(c, failed_connects);
	suite_add_tcase(s, c);

	c = tcase_create("endings");
	tcase_add_checked_fixture(c, setup, NULL);
	tcase_add_test(c, guest_destroyed);
	tcase_add_test(c, supervisor_gone);
	suite_add_tcase(s, c);

	c = tcase_create("bad storage");
	tcase_add_test(c, flush_that_fails);
	tcase_add_test(c, short_file);
	suite_add_tcase(s, c);
	return s;
}
