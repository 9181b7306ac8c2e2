// SPDX-License-Identifier: MIT
/*
 * xpvd and its workers die, guests flood and toggle: what is connected stays
 * connected, what is held stays bounded.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "livedisk.h"
#include "soak.h"
#include "suites.h"
#include "toolstack.h"

#define GUEST 5
#define XVDA  51712

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

static void connect_disk(struct vdev *d, struct fake *f)
{
	wait_back(d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(d, host.disk);
	fake_open(f, d);
	fake_publish(f, d);
	wait_back(d, XPV_STATE_CONNECTED);
}

static const int ends[] = {SIGKILL, SIGTERM};

START_TEST(supervisor_is_replaced)
{
	struct livedisk k;
	pid_t worker;

	livedisk_open(&k, &host, GUEST);
	livedisk_use(&k, 1);
	worker = host_worker(&host);
	host_stop_xpvd(&host, ends[_i]);
	/* Nobody minds. */
	livedisk_use(&k, 2);
	host_start_xpvd(&host);
	stays_connected(&k.dev);
	ck_assert_int_eq(host_worker(&host), worker);
	livedisk_use(&k, 3);
	/* And it answers to the new one. */
	livedisk_close(&k);
}
END_TEST

START_TEST(worker_is_replaced)
{
	struct livedisk k;
	pid_t worker;

	livedisk_open(&k, &host, GUEST);
	livedisk_use(&k, 1);
	for (unsigned char n = 2; n < 5; n++) {
		worker = host_worker(&host);
		kill(worker, SIGKILL);
		ck_assert(host_next_worker(&host, worker, 5000));
		stays_connected(&k.dev);
		livedisk_use(&k, n);
	}
	livedisk_close(&k);
}
END_TEST

START_TEST(both_are_replaced)
{
	struct livedisk k;
	pid_t worker;

	livedisk_open(&k, &host, GUEST);
	livedisk_use(&k, 1);
	worker = host_worker(&host);
	host_stop_xpvd(&host, SIGKILL);
	kill(worker, SIGKILL);
	host_start_xpvd(&host);
	ck_assert(host_next_worker(&host, worker, 5000));
	stays_connected(&k.dev);
	livedisk_use(&k, 2);
	livedisk_close(&k);
}
END_TEST

/*
 * What a supervisor asked for just before it died the next one asks for again,
 * and hears of both.
 */
START_TEST(worker_is_asked_twice)
{
	struct vdev d = vbd_add(&host, GUEST, XVDA, host.disk, "w");
	struct fake f;
	pid_t worker;

	connect_disk(&d, &f);
	front_state(&d, XPV_STATE_CLOSED);
	wait_back(&d, XPV_STATE_CLOSED);
	front_state(&d, XPV_STATE_INITIALISING);
	wait_back(&d, XPV_STATE_INIT_WAIT);
	worker = host_worker(&host);
	kill(worker, SIGSTOP);
	fake_publish(&f, &d);
	pause_ms(300);
	host_stop_xpvd(&host, SIGKILL);
	host_start_xpvd(&host);
	pause_ms(500);
	kill(worker, SIGCONT);
	wait_back(&d, XPV_STATE_CONNECTED);
	stays_connected(&d);
	ck_assert_int_eq(host_worker(&host), worker);
	vdev_remove(&d);
	fake_close(&f);
}
END_TEST

static bool let_go(void *arg)
{
	struct fake *f = arg;

	return !f->guest->ops->unshare(f->guest, f->page[0], 1);
}

/* What changed while nobody was looking. */
START_TEST(supervisor_missed_things)
{
	struct vdev closing, waiting, gone, fresh;
	struct fake f[3];

	closing = vbd_add(&host, GUEST, XVDA, host.disk, "w");
	gone = vbd_add(&host, GUEST, XVDA + 16, host.disk, "w");
	waiting = vbd_add(&host, GUEST, XVDA + 32, host.disk, "w");
	wait_back(&waiting, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&closing, host.disk);
	vdev_hotplug(&gone, host.disk);
	fake_open(&f[0], &closing);
	fake_open(&f[1], &gone);
	fake_open(&f[2], &waiting);
	fake_publish(&f[0], &closing);
	fake_publish(&f[1], &gone);
	wait_back(&closing, XPV_STATE_CONNECTED);
	wait_back(&gone, XPV_STATE_CONNECTED);
	host_stop_xpvd(&host, SIGKILL);
	front_state(&closing, XPV_STATE_CLOSED);
	vdev_delete(&gone);
	vdev_hotplug(&waiting, host.disk);
	fake_publish(&f[2], &waiting);
	fresh = vbd_add(&host, GUEST, XVDA + 48, host.disk, "w");
	host_start_xpvd(&host);
	wait_back(&closing, XPV_STATE_CLOSED);
	wait_back(&waiting, XPV_STATE_CONNECTED);
	wait_back(&fresh, XPV_STATE_INIT_WAIT);
	fake_close(&f[0]);
	/* No directory tells of it any more, and yet it lets go. */
	ck_assert(wait_until(let_go, &f[1], 5000));
}
END_TEST

static bool is_gone(void *pid)
{
	return kill(*(pid_t *)pid, 0) != 0;
}

/* The worker of a domain that went meanwhile is not the next one's. */
START_TEST(domid_is_another_domains)
{
	struct vdev d = vbd_add(&host, GUEST, XVDA, host.disk, "w");
	struct livedisk k;
	struct fake f;
	pid_t worker;

	connect_disk(&d, &f);
	worker = host_worker(&host);
	host_stop_xpvd(&host, SIGKILL);
	host_destroy_domain(&host, GUEST);
	vdev_delete(&d);
	hyper_close(f.guest);
	host_domain(&host, GUEST, "b");
	d = vbd_add(&host, GUEST, XVDA, host.disk, "w");
	host_start_xpvd(&host);
	ck_assert(wait_until(is_gone, &worker, 5000));
	vdev_delete(&d);
	livedisk_open(&k, &host, GUEST);
	livedisk_use(&k, 1);
	livedisk_close(&k);
}
END_TEST

START_TEST(only_one_supervisor)
{
	pid_t first = host.xpvd;
	int status;

	/* Until it is there. */
	vbd_add(&host, GUEST, XVDA, host.disk, "w");
	pause_ms(100);
	host_start_xpvd(&host);
	ck_assert_int_eq(waitpid(host.xpvd, &status, 0), host.xpvd);
	ck_assert_int_ne(status, 0);
	ck_assert_uint_eq(host_log_lines(&host, "another xpvd"), 1);
	host.xpvd = first;
}
END_TEST

/* A tap that nobody is left to hold is made anew, and bridged anew. */
START_TEST(tap_comes_back)
{
	struct vdev d;
	struct fake f;
	pid_t worker;

	if (!host_has_taps())
		return;
	d = vif_add_scripted(&host, GUEST, 0, "00:16:3e:01:02:03");
	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, NULL);
	fake_open(&f, &d);
	fake_publish(&f, &d);
	wait_back(&d, XPV_STATE_CONNECTED);
	worker = host_worker(&host);
	host_stop_xpvd(&host, SIGTERM);
	kill(worker, SIGKILL);
	host_start_xpvd(&host);
	ck_assert(host_next_worker(&host, worker, 5000));
	ck_assert(wait_until(vif_script_ran, &d, 5000));
	stays_connected(&d);
	vdev_remove(&d);
	fake_close(&f);
}
END_TEST

/* ---- guests that do not behave ---- */

/* A worker that dies at once and always is given up, and says so. */
START_TEST(worker_cannot_live)
{
	struct livedisk k;
	pid_t worker;

	livedisk_open(&k, &host, GUEST);
	for (int n = 0; n < 6 && back_state(&k.dev) == XPV_STATE_CONNECTED;
	     n++) {
		worker = host_worker(&host);
		kill(worker, SIGKILL);
		host_next_worker(&host, worker, 4000);
	}
	wait_error(&k.dev, "died", "in a row");
	wait_back(&k.dev, XPV_STATE_CLOSING);
	livedisk_close(&k);
}
END_TEST

#define TOGGLES 10000

START_TEST(states_toggle_at_random)
{
	struct vdev d[2];
	struct fake f[2];
	struct livedisk k;
	unsigned int fds;

	srand(soak_seed());
	livedisk_open(&k, &host, GUEST);
	for (int i = 0; i < 2; i++) {
		host_domain(&host, (uint16_t)(10 + i), "t");
		d[i] = vbd_add(&host, (uint16_t)(10 + i), XVDA, host.disk, "w");
		vdev_hotplug(&d[i], host.disk);
		fake_open(&f[i], &d[i]);
		fake_publish(&f[i], &d[i]);
		wait_back(&d[i], XPV_STATE_CONNECTED);
	}
	fds = host_fds(&host);
	for (int n = 0; n < TOGGLES; n++) {
		front_state(&d[n & 1], (enum xpv_state)(rand() % 6 + 1));
		if (n % 500 == 0)
			livedisk_use(&k, (unsigned char)n);
		if (n % 7 == 0)
			pause_ms(1);
	}
	for (int i = 0; i < 2; i++) {
		front_state(&d[i], XPV_STATE_CLOSED);
		pause_ms(100);
		front_state(&d[i], XPV_STATE_INITIALISING);
		wait_back(&d[i], XPV_STATE_INIT_WAIT);
		fake_publish(&f[i], &d[i]);
		wait_back(&d[i], XPV_STATE_CONNECTED);
	}
	ck_assert_uint_le(host_fds(&host), fds + 2);
	ck_assert_uint_lt(host_log_lines(&host, ""), 200);
	for (int i = 0; i < 2; i++) {
		vdev_remove(&d[i]);
		fake_close(&f[i]);
	}
	livedisk_use(&k, 99);
	livedisk_close(&k);
	soak_count(TOGGLES, "states of a guest");
}
END_TEST

/* Devices come and go as fast as a toolstack can write. */
#define CONNECTIONS 300

START_TEST(connect_and_disconnect_fast)
{
	struct vdev d;
	struct fake f;

	srand(soak_seed());
	for (int n = 0; n < CONNECTIONS; n++) {
		d = vbd_add(&host, GUEST, XVDA, host.disk, "w");
		vdev_hotplug(&d, host.disk);
		fake_open(&f, &d);
		fake_publish(&f, &d);
		if (n % 3 == 0)
			wait_back(&d, XPV_STATE_CONNECTED);
		else if (n % 3 == 1)
			pause_ms((unsigned int)rand() % 4);
		vdev_delete(&d);
		if (n % 3 == 0)
			/* Its rings may still be mapped for a moment. */
			pause_ms(5);
		hyper_close(f.guest);
	}
	d = vbd_add(&host, GUEST, XVDA, host.disk, "w");
	wait_back(&d, XPV_STATE_INIT_WAIT);
	pause_ms(200);
	ck_assert_uint_lt(host_fds(&host), 32);
	soak_count(CONNECTIONS, "connections");
}
END_TEST

/* Each connection has lines of its own to say, and a guest makes hundreds. */
START_TEST(log_is_bounded)
{
	struct vdev d = vbd_add(&host, GUEST, XVDA, host.disk, "w");
	struct fake f;

	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, host.disk);
	fake_open(&f, &d);
	for (int n = 0; n < 200; n++) {
		fake_publish(&f, &d);
		wait_back(&d, XPV_STATE_CONNECTED);
		front_state(&d, XPV_STATE_CLOSED);
		wait_back(&d, XPV_STATE_CLOSED);
		front_state(&d, XPV_STATE_INITIALISING);
		wait_back(&d, XPV_STATE_INIT_WAIT);
	}
	ck_assert_uint_lt(host_log_lines(&host, "vbd 5/51712: "), 100);
	vdev_remove(&d);
	fake_close(&f);
}
END_TEST

/* KiB that xpvd may grow by; ASan keeps freed memory back for a while. */
#ifdef __SANITIZE_ADDRESS__
#define FLOOD_KIB 16384
#else
#define FLOOD_KIB 2048
#endif

START_TEST(flood_of_states)
{
	unsigned long before, after;
	struct livedisk k;
	char spec[HOST_PATH];
	struct hyper *guest;

	livedisk_open(&k, &host, GUEST);
	hyper_local_spec(host.machine, GUEST, spec, sizeof(spec));
	guest = hyper_open(spec, HYPER_STORE);
	ck_assert_ptr_nonnull(guest);
	before = host_rss(&host);
	/* Beside its state also junk that nobody asked for. */
	for (int n = 0; n < 100000; n++) {
		hyper_writef(guest, 0, k.dev.front, "state", "4");
		if (n % 100 == 0)
			hyper_writef(guest, 0, k.dev.front, "junk", "%d", n);
	}
	after = host_rss(&host);
	ck_assert_uint_lt(after, before + FLOOD_KIB);
	livedisk_use(&k, 7);
	ck_assert_uint_lt(host_log_lines(&host, ""), 20);
	hyper_close(guest);
	livedisk_close(&k);
}
END_TEST

Suite *supervisor_faults_suite(void)
{
	Suite *s = suite_create("supervisor_faults");
	TCase *tc = tcase_create("faults");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 180);
	tcase_add_loop_test(tc, supervisor_is_replaced, 0, 2);
	tcase_add_test(tc, worker_is_replaced);
	tcase_add_test(tc, both_are_replaced);
	tcase_add_test(tc, worker_is_asked_twice);
	tcase_add_test(tc, supervisor_missed_things);
	tcase_add_test(tc, domid_is_another_domains);
	tcase_add_test(tc, only_one_supervisor);
	tcase_add_test(tc, tap_comes_back);
	tcase_add_test(tc, worker_cannot_live);
	tcase_add_test(tc, states_toggle_at_random);
	tcase_add_test(tc, connect_and_disconnect_fast);
	tcase_add_test(tc, log_is_bounded);
	tcase_add_test(tc, flood_of_states);
	suite_add_tcase(s, tc);
	return s;
}
