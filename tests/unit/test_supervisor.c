// SPDX-License-Identifier: MIT
/* xpvd: lives of devices, as toolstack and frontends make them. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suites.h"
#include "toolstack.h"

#define GUEST  5
#define XVDA   51712
#define DRIVER 9
#define MAC    "00:16:3e:01:02:03"

static struct host host;

static void setup(void)
{
	host_setup(&host);
	host_domain(&host, GUEST, "a");
}

/* What dom0 may, it may not: it reads and writes what is granted to it. */
static void setup_driver(void)
{
	host_setup_in(&host, DRIVER);
	host_domain(&host, GUEST, "a");
}

static void teardown(void)
{
	host_teardown(&host);
}

static void expect(struct vdev *d, enum xpv_key key, const char *value)
{
	char *text = back_read(d, xpv_key(key));

	ck_assert_msg(text && !strcmp(text, value), "%s/%s is %s, not %s",
		      d->back, xpv_key(key), text ? text : "absent", value);
	free(text);
}

static void connect_vbd(struct vdev *d, struct fake *f)
{
	wait_back(d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(d, host.disk);
	fake_open(f, d);
	fake_publish(f, d);
	wait_back(d, XPV_STATE_CONNECTED);
	front_state(d, XPV_STATE_CONNECTED);
}

static struct vdev connected_vbd(struct fake *f)
{
	struct vdev d = vbd_add(&host, GUEST, XVDA, host.disk, "w");

	connect_vbd(&d, f);
	return d;
}

static bool no_workers(void *arg)
{
	pid_t pid;

	return !host_workers(arg, &pid, 1);
}

START_TEST(vbd_lives_and_goes)
{
	struct vdev d = vbd_add(&host, GUEST, XVDA, host.disk, "w");
	struct fake f;

	/* What frontends read early is there before state 2. */
	wait_back(&d, XPV_STATE_INIT_WAIT);
	expect(&d, XPV_KEY_MAX_RING_ORDER, "4");
	expect(&d, XPV_KEY_MAX_INDIRECT, "256");
	expect(&d, XPV_KEY_MQ_MAX_QUEUES, "16");
	expect(&d, XPV_KEY_FEATURE_FLUSH, "1");
	/* libxl waits for exactly 2: no 4 before its script is through. */
	fake_open(&f, &d);
	fake_publish(&f, &d);
	pause_ms(100);
	ck_assert_int_eq(back_state(&d), XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, host.disk);
	wait_back(&d, XPV_STATE_CONNECTED);
	expect(&d, XPV_KEY_SECTORS, "2048");
	expect(&d, XPV_KEY_SECTOR_SIZE, "512");
	expect(&d, XPV_KEY_INFO, "0");
	expect(&d, XPV_KEY_FEATURE_BARRIER, "1");
	front_state(&d, XPV_STATE_CONNECTED);
	vdev_remove(&d);
	fake_close(&f);
	ck_assert(wait_until(no_workers, &host, 5000));
}
END_TEST

START_TEST(read_only_disk_says_so)
{
	struct vdev d = vbd_add(&host, GUEST, XVDA, host.disk, "r");
	struct fake f;

	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, NULL); /* no path but params */
	fake_open(&f, &d);
	fake_publish(&f, &d);
	wait_back(&d, XPV_STATE_CONNECTED);
	expect(&d, XPV_KEY_INFO, "4");
	expect(&d, XPV_KEY_FEATURE_DISCARD, "0");
}
END_TEST

/* The toolstack asks, the frontend takes its time: I/O goes on till then. */
START_TEST(unplug_waits_for_the_frontend)
{
	struct fake f;
	struct vdev d = connected_vbd(&f);

	back_write(&d, xpv_key(XPV_KEY_ONLINE), "0");
	back_write(&d, xpv_key(XPV_KEY_STATE), "5");
	pause_ms(100);
	ck_assert_int_eq(back_state(&d), XPV_STATE_CLOSING);
	ck_assert_int_eq(f.guest->ops->unshare(f.guest, f.page[0], 1), -EBUSY);
	front_state(&d, XPV_STATE_CLOSED);
	wait_back(&d, XPV_STATE_CLOSED);
	fake_close(&f);
	/* Offline: what the guest writes now begins no new life. */
	front_state(&d, XPV_STATE_INITIALISING);
	pause_ms(100);
	ck_assert_int_eq(back_state(&d), XPV_STATE_CLOSED);
}
END_TEST

START_TEST(forced_removal)
{
	struct fake f;
	struct vdev d = connected_vbd(&f);

	vdev_delete(&d);
	ck_assert(wait_until(no_workers, &host, 5000));
	fake_close(&f);
	/* And nobody has written to where it was. */
	ck_assert_int_eq(back_state(&d), -1);
}
END_TEST

START_TEST(destroyed_guest_is_let_go)
{
	struct fake f;
	struct vdev d = connected_vbd(&f);

	host_destroy_domain(&host, GUEST);
	wait_back(&d, XPV_STATE_CLOSED);
	vdev_delete(&d);
	ck_assert(wait_until(no_workers, &host, 5000));
	hyper_close(f.guest);
}
END_TEST

static bool one_other_worker(void *before)
{
	pid_t pids[2];

	return host_workers(&host, pids, 2) == 1 && pids[0] != *(pid_t *)before;
}

/* What knew the domain before does not serve the one of the same number. */
START_TEST(domid_is_used_again)
{
	pid_t before = 0;
	char vm[16];

	for (int n = 0; n < 100; n++) {
		struct vdev d = vbd_add(&host, GUEST, XVDA, host.disk, "w");
		struct fake f;

		kill(host.xpvd, SIGCONT);
		connect_vbd(&d, &f);
		ck_assert(wait_until(one_other_worker, &before, 5000));
		before = host_worker(&host);
		/* Seen as it goes, or only when the next one is there. */
		if (n & 1)
			kill(host.xpvd, SIGSTOP);
		host_destroy_domain(&host, GUEST);
		vdev_delete(&d);
		hyper_close(f.guest);
		snprintf(vm, sizeof(vm), "%d", n);
		host_domain(&host, GUEST, vm);
	}
	kill(host.xpvd, SIGCONT);
}
END_TEST

struct many {
	struct vdev dev[32];
	struct fake fake[32];
};

/* Disks are opened and closed by threads, which take their time. */
static unsigned int fds_of_old;

static bool fds_as_of_old(void *arg)
{
	return host_fds(arg) <= fds_of_old;
}

START_TEST(many_devices)
{
	static struct many m;
	struct fake first;
	struct vdev d = connected_vbd(&first);

	vdev_remove(&d);
	fake_close(&first);
	ck_assert(wait_until(no_workers, &host, 5000));
	pause_ms(200);
	fds_of_old = host_fds(&host);
	for (unsigned int i = 0; i < 32; i++) {
		uint16_t domid = (uint16_t)(10 + i / 4);

		if (i % 4 == 0)
			host_domain(&host, domid, "m");
		m.dev[i] = vbd_add(&host, domid, XVDA + 16 * (i % 4), host.disk,
				   "w");
		vdev_hotplug(&m.dev[i], host.disk);
		fake_open(&m.fake[i], &m.dev[i]);
	}
	for (unsigned int i = 0; i < 32; i++) {
		wait_back(&m.dev[i], XPV_STATE_INIT_WAIT);
		fake_publish(&m.fake[i], &m.dev[i]);
	}
	for (unsigned int i = 0; i < 32; i++)
		wait_back(&m.dev[i], XPV_STATE_CONNECTED);
	for (unsigned int i = 0; i < 32; i++) {
		vdev_remove(&m.dev[i]);
		fake_close(&m.fake[i]);
	}
	ck_assert(wait_until(no_workers, &host, 5000));
	ck_assert(wait_until(fds_as_of_old, &host, 5000));
}
END_TEST

/* In the namespace that xpvd is in. */
static bool tap_there(const char *name)
{
	char path[64], line[512];
	bool there = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/net/dev", host.xpvd);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	while (!there && fgets(line, sizeof(line), file))
		there = strstr(line, name) != NULL;
	fclose(file);
	return there;
}

static bool tap_gone(void *name)
{
	return !tap_there(name);
}

START_TEST(vif_lives_and_goes)
{
	static char tap[] = "vif5.0:";
	struct vdev d;
	struct fake f;

	if (!host_has_taps())
		return;
	d = vif_add(&host, GUEST, 0, MAC);
	wait_back(&d, XPV_STATE_INIT_WAIT);
	ck_assert(tap_there(tap));
	expect(&d, XPV_KEY_FEATURE_SG, "1");
	expect(&d, XPV_KEY_FEATURE_RX_COPY, "1");
	expect(&d, XPV_KEY_FEATURE_SPLIT_EVTCHN, "1");
	/* The frontend is at 4 while the script still runs. */
	fake_open(&f, &d);
	fake_publish(&f, &d);
	pause_ms(100);
	ck_assert_int_eq(back_state(&d), XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, NULL);
	wait_back(&d, XPV_STATE_CONNECTED);
	/* A guest that reboots without a new domain keeps its tap. */
	front_state(&d, XPV_STATE_CLOSED);
	wait_back(&d, XPV_STATE_CLOSED);
	ck_assert(tap_there(tap));
	front_state(&d, XPV_STATE_INITIALISING);
	wait_back(&d, XPV_STATE_INIT_WAIT);
	fake_publish(&f, &d);
	wait_back(&d, XPV_STATE_CONNECTED);
	vdev_remove(&d);
	fake_close(&f);
	ck_assert(wait_until(tap_gone, tap, 5000));
}
END_TEST

/* Tests of NICs are left out where none can be made: here that shows. */
START_TEST(taps_can_be_made)
{
	ck_assert(host_has_taps());
}
END_TEST

Suite *supervisor_suite(void)
{
	Suite *s = suite_create("supervisor");
	TCase *tc = tcase_create("lives");
	TCase *driver = tcase_create("driver domain");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, vbd_lives_and_goes);
	tcase_add_test(tc, read_only_disk_says_so);
	tcase_add_test(tc, unplug_waits_for_the_frontend);
	tcase_add_test(tc, forced_removal);
	tcase_add_test(tc, destroyed_guest_is_let_go);
	tcase_add_test(tc, domid_is_used_again);
	tcase_add_test(tc, many_devices);
	tcase_add_test(tc, taps_can_be_made);
	tcase_add_test(tc, vif_lives_and_goes);
	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(driver, setup_driver, teardown);
	tcase_set_timeout(driver, 120);
	tcase_add_test(driver, vbd_lives_and_goes);
	tcase_add_test(driver, unplug_waits_for_the_frontend);
	tcase_add_test(driver, forced_removal);
	tcase_add_test(driver, many_devices);
	tcase_add_test(driver, vif_lives_and_goes);
	suite_add_tcase(s, driver);
	return s;
}
