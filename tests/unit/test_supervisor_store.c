// SPDX-License-Identifier: MIT
/*
 * xenstored goes away, and comes back with all that it knew or with nothing:
 * the guest's disk works all the time, and the supervisor is there again for
 * what the store says from then on.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "frontend/user/userblk.h"
#include "livedisk.h"
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

static void store_stops(void)
{
	hyper_local_store_stop(host.machine);
}

static void store_starts(bool empty)
{
	char spec[HOST_PATH];

	ck_assert_int_eq(hyper_local_store_start(host.machine, empty), 0);
	hyper_close(host.dom0);
	hyper_local_spec(host.machine, 0, spec, sizeof(spec));
	host.dom0 = hyper_open(spec, HYPER_STORE);
	ck_assert_ptr_nonnull(host.dom0);
}

static bool supervisor_is_back(void *times)
{
	return host_log_lines(&host, "the store is back") ==
	       *(unsigned int *)times;
}

static void must_come_back(unsigned int times)
{
	if (wait_until(supervisor_is_back, &times, 20000))
		return;
	ck_abort_msg("xpvd %s; it lost the store %u times, not %u, and came "
		     "back %u times",
		     waitpid(host.xpvd, NULL, WNOHANG) ? "ended" : "lives",
		     host_log_lines(&host, "the store is lost"), times,
		     host_log_lines(&host, "the store is back"));
}

START_TEST(store_restarts)
{
	struct livedisk k, another;
	pid_t worker;

	livedisk_open(&k, &host, GUEST);
	livedisk_use(&k, 1);
	worker = host_worker(&host);
	for (unsigned int n = 1; n <= 2; n++) {
		store_stops();
		livedisk_use(&k, 2 * n);
		store_starts(false);
		must_come_back(n);
		stays_connected(&k.dev);
		livedisk_use(&k, 2 * n + 1);
	}
	ck_assert_int_eq(host_worker(&host), worker);
	/* Old and new devices are watched again. */
	host_domain(&host, GUEST + 1, "b");
	livedisk_open(&another, &host, GUEST + 1);
	livedisk_close(&another);
	livedisk_close(&k);
}
END_TEST

/* What workers have to say meanwhile is heard. */
START_TEST(worker_dies_without_a_store)
{
	struct livedisk k;
	pid_t worker;

	livedisk_open(&k, &host, GUEST);
	livedisk_use(&k, 1);
	worker = host_worker(&host);
	store_stops();
	kill(worker, SIGKILL);
	pause_ms(200);
	store_starts(false);
	must_come_back(1);
	ck_assert(host_next_worker(&host, worker, 5000));
	livedisk_use(&k, 2);
	stays_connected(&k.dev);
	livedisk_close(&k);
}
END_TEST

/* Its ring makes no sense: the worker says so, and nobody can be told yet. */
START_TEST(frontend_breaks_without_a_store)
{
	struct vdev d = vbd_add(&host, GUEST, XVDA, host.disk, "w");
	struct fake f;

	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, host.disk);
	fake_open(&f, &d);
	fake_publish(&f, &d);
	wait_back(&d, XPV_STATE_CONNECTED);
	store_stops();
	pause_ms(100);
	/* req_prod, the first word of the ring, far over its size */
	*(volatile uint32_t *)f.page[0] = 1000;
	f.guest->ops->evtchn_notify(f.guest, f.port);
	pause_ms(200);
	store_starts(false);
	must_come_back(1);
	wait_back(&d, XPV_STATE_CLOSING);
	vdev_remove(&d);
	fake_close(&f);
}
END_TEST

static bool no_workers(void *ignored)
{
	pid_t pid;

	(void)ignored;
	return !host_workers(&host, &pid, 1);
}

static bool stays_as_it_is(void *ignored)
{
	(void)ignored;
	return host_log_lines(&host, "going on as before: the store has") == 1;
}

static const int ends[] = {0, SIGKILL, SIGTERM};

/* The machine may hear of a worker's end a moment later than we do. */
static bool is_freed(void *fe)
{
	return !userblk_free(fe);
}

/* And supervisors that come later know no better. */
START_TEST(store_forgets)
{
	struct livedisk k, another;
	pid_t worker;

	livedisk_open(&k, &host, GUEST);
	livedisk_use(&k, 1);
	worker = host_worker(&host);
	store_stops();
	store_starts(true);
	must_come_back(1);
	for (int n = 0; ends[_i] && n < 2; n++) {
		host_stop_xpvd(&host, ends[_i]);
		livedisk_use(&k, 2);
		host_start_xpvd(&host);
	}
	/* A new guest is served, and let go of when it is removed. */
	host_domain(&host, GUEST + 1, "b");
	livedisk_open(&another, &host, GUEST + 1);
	livedisk_use(&another, 3);
	livedisk_close(&another);
	/* Workers that made way would have no successors. */
	kill(host.xpvd, SIGHUP);
	ck_assert(wait_until(stays_as_it_is, NULL, 5000));
	livedisk_use(&k, 4);
	/* Still the first one, whom nobody has to start again. */
	ck_assert_int_eq(kill(worker, 0), 0);
	kill(worker, SIGKILL);
	ck_assert(wait_until(no_workers, NULL, 5000));
	ck_assert(wait_until(is_freed, k.fe, 5000));
	hyper_close(k.guest);
}
END_TEST

Suite *supervisor_store_suite(void)
{
	Suite *s = suite_create("supervisor_store");
	TCase *tc = tcase_create("store");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, store_restarts);
	tcase_add_test(tc, worker_dies_without_a_store);
	tcase_add_test(tc, frontend_breaks_without_a_store);
	tcase_add_loop_test(tc, store_forgets, 0, 3);
	suite_add_tcase(s, tc);
	return s;
}
