// SPDX-License-Identifier: MIT
/*
 * xpvd: every way in which a frontend ends one connection and begins the next.
 * Each test runs for a disk and for a NIC, and each connection comes with
 * rings of its own: those of the one before must have been let go by then,
 * which fake_close() asserts.
 */
#include <signal.h>
#include <string.h>

#include "suites.h"
#include "toolstack.h"

#define GUEST  5
#define XVDA   51712
#define MAC    "00:16:3e:01:02:03"
#define ROUNDS 8

static struct host host;
static struct vdev d;
static struct fake f;

static void setup(void)
{
	host_setup(&host);
	host_domain(&host, GUEST, "a");
}

static void teardown(void)
{
	host_teardown(&host);
}

/* Class 0 is a disk, 1 a NIC. False: no NIC can be had here. */
static bool add(int class)
{
	if (class && !host_has_taps())
		return false;
	d = class ? vif_add(&host, GUEST, 0, MAC)
		  : vbd_add(&host, GUEST, XVDA, host.disk, "w");
	return true;
}

static void hotplug(void)
{
	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, strcmp(d.class, XPV_CLASS_VIF) ? host.disk : NULL);
}

static void connect_anew(void)
{
	wait_back(&d, XPV_STATE_INIT_WAIT);
	fake_open(&f, &d);
	fake_publish(&f, &d);
	wait_back(&d, XPV_STATE_CONNECTED);
	front_state(&d, XPV_STATE_CONNECTED);
}

/* A frontend that answers, and waits for, each of the backend's steps. */
static void close_cycle(void)
{
	front_state(&d, XPV_STATE_CLOSING);
	wait_back(&d, XPV_STATE_CLOSING);
	front_state(&d, XPV_STATE_CLOSED);
	wait_back(&d, XPV_STATE_CLOSED);
	front_state(&d, XPV_STATE_INITIALISING);
	wait_back(&d, XPV_STATE_INIT_WAIT);
}

/*
 * One life after the other: each ends in that way, at a point where its rings
 * must have been let go of.
 */
static void live(int class, void (*end)(void))
{
	if (!add(class))
		return;
	hotplug();
	for (int n = 0; n < ROUNDS; n++) {
		connect_anew();
		end();
		fake_close(&f);
		front_state(&d, XPV_STATE_INITIALISING);
	}
	connect_anew();
	vdev_remove(&d);
	fake_close(&f);
}

/*
 * Windows frontends go through it whenever they are disabled and enabled, and
 * before they first connect, for which see below. The new kernel of a kexec in
 * an HVM or PVH guest does it to what the old one left
 * (xenbus_probe_frontend.c of Linux).
 */
START_TEST(close_cycles)
{
	live(_i, close_cycle);
}
END_TEST

/* It never connects, and closes as often as it likes. */
START_TEST(closes_without_an_open)
{
	if (!add(_i))
		return;
	hotplug();
	for (int n = 0; n < ROUNDS; n++)
		close_cycle();
	connect_anew();
	vdev_remove(&d);
	fake_close(&f);
}
END_TEST

/* Linux frontends that are unbound, or whose module goes. */
static void close_at_once(void)
{
	front_state(&d, XPV_STATE_CLOSED);
	wait_back(&d, XPV_STATE_CLOSED);
}

START_TEST(closed_at_once)
{
	live(_i, close_at_once);
}
END_TEST

/* A crash kernel, and the restore of a saved guest: no close, the rings are
 * forgotten. */
static void start_over(void)
{
	front_state(&d, XPV_STATE_INITIALISING);
	wait_back(&d, XPV_STATE_INIT_WAIT);
}

START_TEST(starts_over)
{
	live(_i, start_over);
}
END_TEST

/*
 * It dies while the backend waits for its 6: a new kernel starts from 1. The
 * backend is not to wait for the dead one.
 */
static void die_while_closing(void)
{
	front_state(&d, XPV_STATE_CLOSING);
	wait_back(&d, XPV_STATE_CLOSING);
	start_over();
}

START_TEST(dies_while_closing)
{
	live(_i, die_while_closing);
}
END_TEST

/*
 * The same states, but without a look at the backend: how many of them it
 * comes to see is chance, and the last one counts.
 */
START_TEST(waits_for_nothing)
{
	static const enum xpv_state hasty[][4] = {
		{XPV_STATE_CLOSING, XPV_STATE_CLOSED, XPV_STATE_INITIALISING},
		{XPV_STATE_CLOSED, XPV_STATE_INITIALISING},
		{XPV_STATE_CLOSING, XPV_STATE_INITIALISING},
		{XPV_STATE_INITIALISING, XPV_STATE_CLOSED,
		 XPV_STATE_INITIALISING},
	};

	if (!add(_i))
		return;
	hotplug();
	for (unsigned int n = 0; n < 2 * ROUNDS; n++) {
		connect_anew();
		for (const enum xpv_state *s = hasty[n % 4]; *s; s++)
			front_state(&d, *s);
		/* Not the 4 of before: see the old rings let go. */
		wait_back(&d, XPV_STATE_INIT_WAIT);
		fake_close(&f);
	}
	connect_anew();
	vdev_remove(&d);
	fake_close(&f);
}
END_TEST

/* Between its rings and the backend's 4: what it published is no more. */
START_TEST(dies_while_connecting)
{
	if (!add(_i))
		return;
	hotplug();
	for (int n = 0; n < ROUNDS; n++) {
		wait_back(&d, XPV_STATE_INIT_WAIT);
		fake_open(&f, &d);
		fake_publish(&f, &d);
		front_state(&d, XPV_STATE_CLOSED);
		wait_back(&d, XPV_STATE_CLOSED);
		fake_close(&f);
		front_state(&d, XPV_STATE_INITIALISING);
	}
	connect_anew();
}
END_TEST

/*
 * xl's soft reset, for a kexec in an HVM guest: the domain lives on, its
 * directories are deleted and made anew. Every other time faster than the
 * supervisor can look, which then finds a device that is fresh, and its own.
 */
START_TEST(devices_made_anew)
{
	if (!add(_i))
		return;
	hotplug();
	for (int n = 0; n < ROUNDS; n++) {
		connect_anew();
		if (n & 1)
			kill(host.xpvd, SIGSTOP);
		vdev_delete(&d);
		ck_assert(add(_i));
		kill(host.xpvd, SIGCONT);
		hotplug();
		fake_close(&f);
	}
	connect_anew();
}
END_TEST

Suite *supervisor_close_suite(void)
{
	Suite *s = suite_create("supervisor_close");
	TCase *tc = tcase_create("closes");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, close_cycles, 0, 2);
	tcase_add_loop_test(tc, closes_without_an_open, 0, 2);
	tcase_add_loop_test(tc, closed_at_once, 0, 2);
	tcase_add_loop_test(tc, starts_over, 0, 2);
	tcase_add_loop_test(tc, waits_for_nothing, 0, 2);
	tcase_add_loop_test(tc, dies_while_closing, 0, 2);
	tcase_add_loop_test(tc, dies_while_connecting, 0, 2);
	tcase_add_loop_test(tc, devices_made_anew, 0, 2);
	suite_add_tcase(s, tc);
	return s;
}
