// SPDX-License-Identifier: MIT
/*
 * Disks as an administrator meets them: options, sizes that change, drives
 * without a disc.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disks.h"
#include "suites.h"

static void resize_file(const char *path, off_t size)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, size), 0);
	close(fd); /* which is what is noticed */
}

static void uri(char *target, size_t size, const char *query)
{
	snprintf(target, size, "file:%s?%s", disks.host.disk, query);
}

/* ---- options ---- */

START_TEST(options_of_the_target)
{
	char target[256];
	struct attach a;
	struct vdev d;

	uri(target, sizeof(target),
	    "queues=2&ring-order=1&indirect=64&sector-size=4096&"
	    "physical-sector-size=8192&cache=writethrough");
	d = vbd_add(&disks.host, DISKS_GUEST, DISKS_XVDA, target, "w");
	wait_back(&d, XPV_STATE_INIT_WAIT);
	disks_expect(&d, XPV_KEY_MAX_RING_ORDER, "1");
	disks_expect(&d, XPV_KEY_MQ_MAX_QUEUES, "2");
	disks_expect(&d, XPV_KEY_MAX_INDIRECT, "64");
	/* No script wrote a path: the target's is taken. */
	vdev_hotplug(&d, NULL);
	disks_front(&a, &d);
	disks_expect(&d, XPV_KEY_SECTORS, "2048");
	disks_expect(&d, XPV_KEY_SECTOR_SIZE, "4096");
	disks_expect(&d, XPV_KEY_PHYSICAL_SECTOR_SIZE, "8192");
	disks_expect(&d, XPV_KEY_FEATURE_DISCARD, "1");
	disks_expect(&d, XPV_KEY_DISCARD_GRANULARITY, "4096");
	disks_expect(&d, XPV_KEY_DISCARD_ALIGNMENT, "0");
	disks_expect(&d, XPV_KEY_DISCARD_SECURE, "0");
	ck_assert_uint_eq(host_log_lines(&disks.host, "cache=writethrough"), 1);
	ck_assert_int_eq(disks_call(&a, XPV_BLKIF_WRITE, 8), XPV_BLKIF_OKAY);
	ck_assert_int_eq(disks_call(&a, XPV_BLKIF_WRITE, 1), XPV_BLKIF_ERROR);
}
END_TEST

START_TEST(more_than_offered)
{
	char target[256];
	struct vdev d;
	struct fake f;

	uri(target, sizeof(target), "ring-order=1&queues=1");
	d = vbd_add(&disks.host, DISKS_GUEST, DISKS_XVDA, target, "w");
	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, NULL);
	fake_open(&f, &d);
	fake_publish_but(&f, &d, xpv_key(XPV_KEY_RING_ORDER), "2");
	wait_error(&d, "ring-page-order = \"2\"", "0 to 1, as offered");
}
END_TEST

START_TEST(bad_options)
{
	char target[256];
	struct vdev d;
	char *left;

	uri(target, sizeof(target), "cache=none");
	d = vbd_add(&disks.host, DISKS_GUEST, DISKS_XVDA, target, "w");
	/* Not before the script had its say. */
	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, disks.host.disk);
	wait_error(&d, "params: target \"file:", "cache = \"none\": expected");
	vdev_delete(&d);
	/* Nothing is left of it, nor of its guest. */
	for (int n = 0; n < 5000; n++) {
		left = hyper_readf(disks.host.dom0, 0,
				   "/local/domain/0/error/backend/vbd/%u",
				   DISKS_GUEST);
		if (!left)
			break;
		free(left);
		pause_ms(1);
	}
	ck_assert_ptr_null(left);
}
END_TEST

static void write_config(const char *text)
{
	FILE *file = fopen(disks.host.config, "we");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

/* What a guest was offered once holds, whatever the host says later. */
START_TEST(options_of_the_host)
{
	struct vdev d, other;
	struct attach a;

	host_stop_xpvd(&disks.host, SIGTERM);
	write_config("[disk]\nindirect = 128\ndiscard = off\n");
	host_start_xpvd(&disks.host);
	d = disks_connected(&a, disks.host.disk, disks.host.disk, "w");
	disks_expect(&d, XPV_KEY_MAX_INDIRECT, "128");
	disks_expect(&d, XPV_KEY_FEATURE_DISCARD, "0");

	host_stop_xpvd(&disks.host, SIGTERM);
	write_config("[disk]\nindirect = 32\n");
	host_start_xpvd(&disks.host);
	other = vbd_add(&disks.host, DISKS_GUEST, DISKS_XVDA + 16,
			disks.host.disk, "w");
	wait_back(&other, XPV_STATE_INIT_WAIT);
	disks_expect(&other, XPV_KEY_MAX_INDIRECT, "32");
	disks_end(&a);
	front_state(&d, XPV_STATE_INITIALISING);
	wait_back(&d, XPV_STATE_INIT_WAIT);
	disks_expect(&d, XPV_KEY_MAX_INDIRECT, "128");
	disks_front(&a, &d);
	ck_assert_int_eq(disks_call(&a, XPV_BLKIF_WRITE, 8), XPV_BLKIF_OKAY);
}
END_TEST

static bool has_worker(void *arg)
{
	pid_t pid;

	(void)arg;
	return host_workers(&disks.host, &pid, 1) == 1;
}

/* A frontend takes up what was offered by a supervisor that is no more. */
START_TEST(offer_of_another_supervisor)
{
	const struct userblk_config config = {.data_pages = 1,
					      .persistent = true};
	struct vdev d = vbd_add(&disks.host, DISKS_GUEST, DISKS_XVDA,
				disks.host.disk, "w");
	struct attach a;

	wait_back(&d, XPV_STATE_INIT_WAIT);
	disks_expect(&d, XPV_KEY_FEATURE_PERSISTENT, "1");
	vdev_hotplug(&d, disks.host.disk);
	ck_assert(wait_until(has_worker, NULL, 5000));
	host_stop_xpvd(&disks.host, SIGKILL);
	/* What it would offer is not what it did. */
	write_config("[disk]\npersistent = off\n");
	host_start_xpvd(&disks.host);
	disks_front_as(&a, &d, &config);
	disks_expect(&d, XPV_KEY_FEATURE_PERSISTENT, "1");
	ck_assert_int_eq(disks_call(&a, XPV_BLKIF_WRITE, 0), XPV_BLKIF_OKAY);
	/* Its page stays mapped. */
	ck_assert_int_eq(disks.guest->ops->unshare(disks.guest, a.fe->data, 1),
			 -EBUSY);
}
END_TEST

START_TEST(bad_config_stops_xpvd)
{
	host_stop_xpvd(&disks.host, SIGTERM);
	write_config("[disk]\nfull = stop\n");
	host_start_xpvd(&disks.host);
	ck_assert_int_ne(host_stop_xpvd(&disks.host, 0), 0);
	disks.host.xpvd = 0;
	ck_assert_uint_eq(host_log_lines(&disks.host,
					 "full = \"stop\": expected "
					 "pause or error"),
			  1);
}
END_TEST

/* ---- what others write ---- */

static int discard(struct attach *a)
{
	const struct xpv_blk_request req = {.op = XPV_BLKIF_DISCARD,
					    .nr_sectors = 8};
	int status = -1;

	ck_assert_int_eq(userblk_call(a->fe, 0, &req, DISKS_WAIT, &status), 0);
	return status;
}

/* The toolstack's word on discard; absent, it is a yes. */
START_TEST(discard_enable)
{
	static const char *const said[] = {NULL, "1", "0"};
	bool yes = _i < 2;
	struct attach a;
	struct vdev d = vbd_add(&disks.host, DISKS_GUEST, DISKS_XVDA,
				disks.host.disk, "w");

	if (said[_i])
		back_write(&d, xpv_key(XPV_KEY_DISCARD_ENABLE), said[_i]);
	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, disks.host.disk);
	disks_front(&a, &d);
	disks_expect(&d, XPV_KEY_FEATURE_DISCARD, yes ? "1" : "0");
	disks_expect(&d, XPV_KEY_DISCARD_GRANULARITY, yes ? "4096" : NULL);
	ck_assert_int_eq(discard(&a),
			 yes ? XPV_BLKIF_OKAY : XPV_BLKIF_EOPNOTSUPP);
}
END_TEST

/*
 * A frontend that says no more than it must, and numbers its one page: the
 * layout of its requests is our own (libxl fills in another for PV guests).
 */
START_TEST(frontend_of_few_words)
{
	const struct userblk_config config = {.data_pages = 1};
	struct userblk *fe = userblk_new(disks.guest, &config);
	struct attach a = {.fe = fe};
	struct vdev d = vbd_add(&disks.host, DISKS_GUEST, DISKS_XVDA,
				disks.host.disk, "w");
	uint8_t page[4096];
	int fd;

	ck_assert_ptr_nonnull(fe);
	disks.fronts[0] = fe;
	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, disks.host.disk);
	front_number(&d, "ring-ref0", fe->queue[0].gref[0]);
	front_number(&d, xpv_key(XPV_KEY_EVENT_CHANNEL), fe->queue[0].port);
	front_state(&d, XPV_STATE_INITIALISED);
	wait_back(&d, XPV_STATE_CONNECTED);
	memset(fe->data, 'x', 4096);
	ck_assert_int_eq(disks_call(&a, XPV_BLKIF_WRITE, 8), XPV_BLKIF_OKAY);
	fd = open(disks.host.disk, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(pread(fd, page, 4096, 4096), 4096);
	ck_assert(!memcmp(page, fe->data, 4096));
	close(fd);
}
END_TEST

/* From scripts that write no path, MAJOR:MINOR in hexadecimal. */
START_TEST(device_by_number)
{
	static const struct {
		const char *number, *error;
	} said[] = {
		{"fe:1f", "/dev/block/254:31: No such file or directory"},
		{"fe.1f", "physical-device = \"fe.1f\": expected MAJOR:MINOR"},
	};
	struct vdev d = vbd_add(&disks.host, DISKS_GUEST, DISKS_XVDA,
				disks.host.disk, "w");

	wait_back(&d, XPV_STATE_INIT_WAIT);
	back_write(&d, xpv_key(XPV_KEY_PHYSICAL_DEVICE), said[_i].number);
	vdev_hotplug(&d, NULL);
	wait_error(&d, said[_i].error, "");
}
END_TEST

/* ---- drives ---- */

START_TEST(drive_waits_for_a_disc)
{
	struct vdev d = vbd_add(&disks.host, DISKS_GUEST, DISKS_XVDA, "", "r");
	struct attach a;

	back_write(&d, xpv_key(XPV_KEY_DEVICE_TYPE), "cdrom");
	back_write(&d, xpv_key(XPV_KEY_REMOVABLE), "1");
	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, NULL);
	pause_ms(100);
	ck_assert_int_eq(back_state(&d), XPV_STATE_INIT_WAIT);
	back_write(&d, xpv_key(XPV_KEY_PARAMS), disks.host.disk);
	disks_front(&a, &d);
	disks_expect(&d, XPV_KEY_INFO, "7");
	ck_assert_int_eq(disks_call(&a, XPV_BLKIF_READ, 0), XPV_BLKIF_OKAY);
}
END_TEST

/* 26 letters are not all there is. */
START_TEST(many_disks)
{
	static struct vdev d[60];

	for (uint32_t i = 0; i < 60; i++) {
		d[i] = vbd_add(&disks.host, DISKS_GUEST,
			       i < 16 ? DISKS_XVDA + 16 * i : 1u << 28 | i << 8,
			       disks.host.disk, "w");
		vdev_hotplug(&d[i], disks.host.disk);
	}
	for (uint32_t i = 0; i < 60; i++)
		wait_back(&d[i], XPV_STATE_INIT_WAIT);
	for (uint32_t i = 0; i < 60; i += 59) {
		struct attach a;

		disks_front(&a, &d[i]);
		ck_assert_int_eq(disks_call(&a, XPV_BLKIF_WRITE, 0),
				 XPV_BLKIF_OKAY);
		disks_end(&a);
	}
}
END_TEST

/* ---- sizes ---- */

static unsigned int events(void)
{
	struct hyper_watch_event event;
	unsigned int n = 0;

	while (!disks.host.dom0->ops->next_watch(disks.host.dom0, &event))
		n++;
	return n;
}

START_TEST(grows)
{
	char path[HOST_PATH + 16];
	struct attach a;
	struct vdev d =
		disks_connected(&a, disks.host.disk, disks.host.disk, "w");

	ck_assert_int_eq(disks_call(&a, XPV_BLKIF_READ, 2048), XPV_BLKIF_ERROR);
	snprintf(path, sizeof(path), "%s/state", d.back);
	ck_assert_int_eq(
		disks.host.dom0->ops->watch(disks.host.dom0, path, "t"), 0);
	pause_ms(50);
	events();
	resize_file(disks.host.disk, 2 * DISKS_MIB);
	disks_expect(&d, XPV_KEY_SECTORS, "4096");
	/* The frontend looks because the state was written again. */
	pause_ms(20);
	ck_assert_uint_eq(events(), 1);
	ck_assert_int_eq(back_state(&d), XPV_STATE_CONNECTED);
	ck_assert_int_eq(disks_call(&a, XPV_BLKIF_READ, 2048), XPV_BLKIF_OKAY);
	ck_assert_int_eq(disks_call(&a, XPV_BLKIF_READ, 4096), XPV_BLKIF_ERROR);
}
END_TEST

/* By path alone, which nobody notices: the tool says so. */
START_TEST(tool_resizes)
{
	struct attach a;
	struct vdev d =
		disks_connected(&a, disks.host.disk, disks.host.disk, "w");

	ck_assert_int_eq(truncate(disks.host.disk, 3 * DISKS_MIB), 0);
	pause_ms(50);
	disks_expect(&d, XPV_KEY_SECTORS, "2048");
	back_write(&d, xpv_key(XPV_KEY_RESIZE), "now");
	disks_expect(&d, XPV_KEY_RESIZE, NULL);
	/* By now, not some time later. */
	ck_assert(disks_holds(&(struct disks_expectation){
		&d, xpv_key(XPV_KEY_SECTORS), "6144", true}));
	back_write(&d, xpv_key(XPV_KEY_RESIZE), "now");
	disks_expect(&d, XPV_KEY_RESIZE, NULL);
	ck_assert_int_eq(disks_call(&a, XPV_BLKIF_READ, 6136), XPV_BLKIF_OKAY);
}
END_TEST

START_TEST(shrinks)
{
	struct attach a;
	struct vdev d =
		disks_connected(&a, disks.host.disk, disks.host.disk, "w");

	resize_file(disks.host.disk, DISKS_MIB / 2);
	disks_expect_part(&d, XPV_KEY_CONDITION,
			  "shrank from 1048576 to 524288");
	disks_expect(&d, XPV_KEY_SECTORS, "2048");
	ck_assert_uint_eq(host_log_lines(&disks.host, "shrank from 1048576"),
			  1);
	ck_assert_int_eq(disks_call(&a, XPV_BLKIF_READ, 1024), XPV_BLKIF_ERROR);
	ck_assert_int_eq(disks_call(&a, XPV_BLKIF_WRITE, 1024),
			 XPV_BLKIF_ERROR);
	ck_assert_int_eq(disks_call(&a, XPV_BLKIF_WRITE, 0), XPV_BLKIF_OKAY);
	resize_file(disks.host.disk, 2 * DISKS_MIB);
	disks_expect(&d, XPV_KEY_CONDITION, NULL);
	disks_expect(&d, XPV_KEY_SECTORS, "4096");
	resize_file(disks.host.disk, DISKS_MIB);
	disks_expect_part(&d, XPV_KEY_CONDITION, "from 2097152 to 1048576");
	/* A guest that comes anew is told what is there. */
	disks_end(&a);
	front_state(&d, XPV_STATE_INITIALISING);
	wait_back(&d, XPV_STATE_INIT_WAIT);
	resize_file(disks.host.disk, DISKS_MIB);
	disks_front(&a, &d);
	disks_expect(&d, XPV_KEY_SECTORS, "2048");
	disks_expect(&d, XPV_KEY_CONDITION, NULL);
}
END_TEST

/* It grew while nobody looked, under a worker that is new as well. */
START_TEST(grows_behind_our_back)
{
	struct attach a;
	struct vdev d =
		disks_connected(&a, disks.host.disk, disks.host.disk, "w");
	pid_t pid;

	host_stop_xpvd(&disks.host, SIGKILL);
	resize_file(disks.host.disk, 2 * DISKS_MIB);
	host_start_xpvd(&disks.host);
	disks_expect(&d, XPV_KEY_SECTORS, "4096");
	ck_assert_int_eq(disks_call(&a, XPV_BLKIF_READ, 2048), XPV_BLKIF_OKAY);
	resize_file(disks.host.disk, DISKS_MIB);
	disks_expect_part(&d, XPV_KEY_CONDITION, "from 2097152 to 1048576");
	ck_assert_uint_eq(host_workers(&disks.host, &pid, 1), 1);
	kill(pid, SIGKILL);
	ck_assert_int_eq(disks_call(&a, XPV_BLKIF_READ, 0), XPV_BLKIF_OKAY);
	ck_assert_int_eq(disks_call(&a, XPV_BLKIF_READ, 2048), XPV_BLKIF_ERROR);
	disks_expect(&d, XPV_KEY_SECTORS, "4096");
	resize_file(disks.host.disk, 3 * DISKS_MIB);
	disks_expect(&d, XPV_KEY_SECTORS, "6144");
	disks_expect(&d, XPV_KEY_CONDITION, NULL);
	ck_assert_int_eq(disks_call(&a, XPV_BLKIF_READ, 6136), XPV_BLKIF_OKAY);
}
END_TEST

Suite *disks_suite(void)
{
	Suite *s = suite_create("disks");
	TCase *c = tcase_create("disks");

	tcase_add_checked_fixture(c, disks_setup, disks_teardown);
	tcase_set_timeout(c, 120);
	tcase_add_test(c, options_of_the_target);
	tcase_add_test(c, more_than_offered);
	tcase_add_test(c, bad_options);
	tcase_add_test(c, options_of_the_host);
	tcase_add_test(c, offer_of_another_supervisor);
	tcase_add_test(c, bad_config_stops_xpvd);
	tcase_add_loop_test(c, discard_enable, 0, 3);
	tcase_add_test(c, frontend_of_few_words);
	tcase_add_loop_test(c, device_by_number, 0, 2);
	tcase_add_test(c, drive_waits_for_a_disc);
	tcase_add_test(c, many_disks);
	tcase_add_test(c, grows);
	tcase_add_test(c, tool_resizes);
	tcase_add_test(c, shrinks);
	tcase_add_test(c, grows_behind_our_back);
	suite_add_tcase(s, c);
	return s;
}
