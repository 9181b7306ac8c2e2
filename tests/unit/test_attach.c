// SPDX-License-Identifier: MIT
/*
 * The whole block path, but for the hypervisor: a frontend that shakes hands
 * in the store with a real xpvd, I/O to its worker, the bytes in the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "frontend/user/attach.h"
#include "rig.h"
#include "suites.h"
#include "toolstack.h"

#define GUEST 5
#define WAIT  10000

static struct host host;

static void setup(void)
{
	host_setup(&host);
	host_domain(&host, GUEST, "a");
}

static void teardown(void)
{
	host_teardown(&host);
}

static struct hyper *open_guest(void)
{
	char spec[256];
	struct hyper *h;

	hyper_local_spec(host.machine, GUEST, spec, sizeof(spec));
	h = hyper_open(spec, HYPER_SHARE | HYPER_EVTCHN | HYPER_STORE);
	ck_assert_ptr_nonnull(h);
	return h;
}

static void begin(struct attach *a, struct hyper *guest, const struct vdev *d,
		  const struct userblk_config *c)
{
	struct userblk *fe = userblk_new(guest, c);

	ck_assert_ptr_nonnull(fe);
	ck_assert_int_eq(attach_begin(a, fe, d->front, WAIT), 0);
}

static void end(struct attach *a)
{
	ck_assert_int_eq(attach_end(a, WAIT), 0);
	ck_assert_int_eq(userblk_free(a->fe), 0);
}

static void transfer(struct attach *a, unsigned int queue, uint8_t op,
		     unsigned int pages)
{
	struct xpv_blk_request req = {.op = op, .sector = 8 * queue};
	int status = RIG_STATUS_NONE;

	if (pages > XPV_BLKIF_DIRECT_SEGS)
		userblk_indirect(a->fe, &req, a->fe->config.data_pages - 1, 0,
				 pages);
	else
		userblk_segments(a->fe, &req, 0, pages);
	ck_assert_int_eq(userblk_call(a->fe, queue, &req, WAIT, &status), 0);
	ck_assert_int_eq(status, XPV_BLKIF_OKAY);
}

static void check_data(struct attach *a, unsigned int queue, unsigned int pages)
{
	static uint8_t disk[64 * 4096];
	size_t bytes = pages * 4096ul;
	int fd = open(host.disk, O_RDONLY | O_CLOEXEC);

	rig_stamp(a->fe->data, bytes, 8 * queue, queue + pages);
	transfer(a, queue, XPV_BLKIF_WRITE, pages);
	ck_assert_int_eq(pread(fd, disk, bytes, 4096 * queue), (ssize_t)bytes);
	ck_assert(rig_stamped(disk, bytes, 8 * queue, queue + pages));
	memset(a->fe->data, 0, bytes);
	transfer(a, queue, XPV_BLKIF_READ, pages);
	ck_assert(rig_stamped(a->fe->data, bytes, 8 * queue, queue + pages));
	transfer(a, queue, XPV_BLKIF_FLUSH, 0);
	close(fd);
}

static const struct userblk_config configs[] = {
	{.data_pages = 65},
	{.data_pages = 65, .x86_32 = true},
	{.data_pages = 65, .ring_order = 2},
	{.data_pages = 65, .nr_queues = 2},
	{.data_pages = 65, .nr_queues = 2, .ring_order = 3},
	{.data_pages = 65, .nr_queues = 2, .persistent = true},
	{.data_pages = 65, .x86_32 = true, .persistent = true},
};

/* Both sides agreed: the pages are still mapped. */
static void check_kept(struct attach *a)
{
	struct hyper *h = a->fe->hyper;

	ck_assert_uint_eq(a->disk.persistent, 1);
	if (a->fe->config.persistent)
		ck_assert_int_eq(h->ops->unshare(h, a->fe->data,
						 a->fe->config.data_pages),
				 -EBUSY);
}

/* Each of them closes before the next one connects, as at a kexec. */
START_TEST(connect_and_again)
{
	struct vdev d = vbd_add(&host, GUEST, RIG_DISK, host.disk, "w");
	struct hyper *guest = open_guest();
	struct attach a;
	unsigned int i, q;

	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, host.disk);
	for (i = 0; i < sizeof(configs) / sizeof(configs[0]); i++) {
		begin(&a, guest, &d, &configs[i]);
		ck_assert_uint_eq(a.disk.sectors, 2048);
		ck_assert_uint_eq(a.disk.info, 0);
		ck_assert_uint_ge(a.disk.max_indirect, 32);
		for (q = 0; q < a.fe->config.nr_queues; q++) {
			check_data(&a, q, 1);
			check_data(&a, q, 11);
			check_data(&a, q, 64);
		}
		check_kept(&a);
		end(&a);
		front_state(&d, XPV_STATE_INITIALISING);
		wait_back(&d, XPV_STATE_INIT_WAIT);
	}
	hyper_close(guest);
}
END_TEST

/* Not offered: whatever the frontend says, no page stays mapped. */
START_TEST(no_persistent_grants)
{
	const struct userblk_config c = {.data_pages = 65, .persistent = true};
	struct hyper *guest = open_guest();
	struct xpv_blk_request req = {.op = XPV_BLKIF_WRITE};
	int status = RIG_STATUS_NONE;
	struct attach a;
	char target[256];
	struct vdev d;
	void *page;

	snprintf(target, sizeof(target), "file:%s?persistent=off", host.disk);
	d = vbd_add(&host, GUEST, RIG_DISK, target, "w");
	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, host.disk);
	begin(&a, guest, &d, &c);
	ck_assert_uint_eq(a.disk.persistent, 0);
	check_data(&a, 0, 64);
	userblk_segments(a.fe, &req, 0, 1);
	page = guest->ops->share(guest, 0, 1, true, &req.seg[0].gref);
	ck_assert_ptr_nonnull(page);
	ck_assert_int_eq(userblk_call(a.fe, 0, &req, WAIT, &status), 0);
	ck_assert_int_eq(status, XPV_BLKIF_OKAY);
	ck_assert_int_eq(guest->ops->unshare(guest, page, 1), 0);
	end(&a);
	hyper_close(guest);
}
END_TEST

START_TEST(read_only)
{
	struct vdev d = vbd_add(&host, GUEST, RIG_DISK, host.disk, "r");
	struct hyper *guest = open_guest();
	struct xpv_blk_request req = {.op = XPV_BLKIF_WRITE};
	int status = RIG_STATUS_NONE;
	struct attach a;

	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, host.disk);
	begin(&a, guest, &d, &configs[0]);
	ck_assert_uint_eq(a.disk.info & XPV_VDISK_READONLY, XPV_VDISK_READONLY);
	userblk_segments(a.fe, &req, 0, 1);
	ck_assert_int_eq(userblk_call(a.fe, 0, &req, WAIT, &status), 0);
	ck_assert_int_eq(status, XPV_BLKIF_ERROR);
	transfer(&a, 0, XPV_BLKIF_READ, 1);
	end(&a);
	hyper_close(guest);
}
END_TEST

#define STAMP 0x5a

static void check_stamp(const uint8_t *mem, size_t bytes)
{
	ck_assert_uint_eq(mem[0], STAMP);
	ck_assert(!memcmp(mem, mem + 1, bytes - 1));
}

/* Reads into every data page, and none waited for. */
static void read_all_pages(struct userblk *fe)
{
	for (unsigned int q = 0; q < fe->config.nr_queues; q++) {
		unsigned int half =
			fe->config.data_pages / fe->config.nr_queues;

		for (unsigned int page = 0; page + 11 <= half; page += 11) {
			struct xpv_blk_request req = {.op = XPV_BLKIF_READ,
						      .id = page};

			userblk_segments(fe, &req, q * half + page, 11);
			ck_assert(userblk_submit(fe, q, &req));
		}
		userblk_push(fe, q);
	}
}

static unsigned int unanswered(struct userblk *fe)
{
	unsigned int left = 0;

	for (unsigned int q = 0; q < fe->config.nr_queues; q++) {
		const struct xpv_sring *ring = fe->queue[q].front.ring.shared;

		left += ring->req_prod - ring->rsp_prod;
	}
	return left;
}

/*
 * A kernel that is replaced under load, by kexec or after a crash, closes
 * nothing and says 1. What it had shared is ordinary memory of the next one
 * from the backend's 2 on: nothing more is written there, not an answer and
 * not the data of a read that was under way, and every page can be had back.
 */
START_TEST(memory_of_the_dead)
{
	struct userblk_config c = {.data_pages = 11 * 31 * 2, .nr_queues = 2};
	struct vdev d = vbd_add(&host, GUEST, RIG_DISK, host.disk, "w");
	size_t bytes = c.data_pages * 4096ul;
	unsigned int busy = 0;
	struct attach a;

	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, host.disk);
	for (int i = 0; i < 40; i++) {
		struct hyper *guest = open_guest();

		c.persistent = i & 1;
		begin(&a, guest, &d, &c);
		read_all_pages(a.fe);
		busy += unanswered(a.fe);
		front_state(&d, XPV_STATE_INITIALISING);
		wait_back(&d, XPV_STATE_INIT_WAIT);
		memset(a.fe->data, STAMP, bytes);
		for (unsigned int q = 0; q < c.nr_queues; q++)
			memset(a.fe->queue[q].ring, STAMP, 4096);
		pause_ms(5);
		check_stamp(a.fe->data, bytes);
		for (unsigned int q = 0; q < c.nr_queues; q++)
			check_stamp(a.fe->queue[q].ring, 4096);
		/* -EBUSY if one were still mapped. */
		ck_assert_int_eq(userblk_free(a.fe), 0);
		hyper_close(guest);
	}
	ck_assert_uint_gt(busy, 0);
}
END_TEST

Suite *attach_suite(void)
{
	Suite *s = suite_create("attach");
	TCase *c = tcase_create("attach");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 120);
	tcase_add_test(c, connect_and_again);
	tcase_add_test(c, no_persistent_grants);
	tcase_add_test(c, read_only);
	tcase_add_test(c, memory_of_the_dead);
	suite_add_tcase(s, c);
	return s;
}
