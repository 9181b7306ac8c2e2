// SPDX-License-Identifier: MIT
/*
 * Rubbish in the store, from guests and from toolstacks: the `error` node
 * names key and value, the one device closes, and its neighbour goes on.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suites.h"
#include "toolstack.h"

#define GUEST	 5
#define OTHER	 6
#define DRIVER	 9
#define XVDA	 51712
#define GOOD_MAC "00:16:3e:01:02:03"

static struct host host;
static struct vdev neighbour;
static struct fake neighbour_rings;

static void setup(void)
{
	host_setup(&host);
	host_domain(&host, GUEST, "a");
	host_domain(&host, OTHER, "b");
	neighbour = vbd_add(&host, OTHER, XVDA, host.disk, "w");
	vdev_hotplug(&neighbour, host.disk);
	fake_open(&neighbour_rings, &neighbour);
	wait_back(&neighbour, XPV_STATE_INIT_WAIT);
	fake_publish(&neighbour_rings, &neighbour);
	wait_back(&neighbour, XPV_STATE_CONNECTED);
}

static void setup_driver(void)
{
	host_setup_in(&host, DRIVER);
	host_domain(&host, GUEST, "a");
}

static void teardown_driver(void)
{
	host_teardown(&host);
}

static void teardown(void)
{
	ck_assert_int_eq(back_state(&neighbour), XPV_STATE_CONNECTED);
	vdev_remove(&neighbour);
	fake_close(&neighbour_rings);
	host_teardown(&host);
}

#define LONG_50 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee"

/* @value NULL: the key is taken away. @shown: what the error must quote. */
static const struct row {
	const char *key, *value, *shown;
} vbd_rows[] = {
	{"ring-ref", "8x", "8x"},
	{"ring-ref", "0", "0"},
	{"ring-ref", "-1", "-1"},
	{"ring-ref", "4294967296", "4294967296"},
	{"ring-ref", "", "expected"},
	{"ring-ref", LONG_50 LONG_50, "aaaaaaaaaabbbbbbbbbb"},
	{"ring-ref", "a\x1b[2J\n<0>b", "a?[2J?<0>b"},
	{"event-channel", NULL, "missing"},
	{"event-channel", "0", "0"},
	{"event-channel", "99999999", "99999999"},
	{"multi-queue-num-queues", "0", "0"},
	{"multi-queue-num-queues", "-1", "-1"},
	{"multi-queue-num-queues", "18446744073709551616", "18446744"},
	{"multi-queue-num-queues", "8x", "8x"},
	{"multi-queue-num-queues", "999", "as offered"},
	{"ring-page-order", "5", "5"},
	{"ring-page-order", "4294967297", "4294967297"},
	{"protocol", "arm-abi", "arm-abi"},
	{"backend", "/local/domain/0/backend/vbd/6/51712", "vbd/5/51712"},
	{"backend-id", "6", "6"},
	{"state", "7", "Reconfiguring"},
};

/* Puts right what a row has spoilt. */
static void mend(struct vdev *d)
{
	front_rm(d, "multi-queue-num-queues");
	front_rm(d, "ring-page-order");
	front_write(d, "backend", d->back);
	front_write(d, "backend-id", "0");
}

START_TEST(vbd_frontend_publishes_rubbish)
{
	const struct row *row = &vbd_rows[_i];
	struct vdev d = vbd_add(&host, GUEST, XVDA, host.disk, "w");
	struct fake f;

	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, host.disk);
	fake_open(&f, &d);
	fake_publish_but(&f, &d, row->key, row->value);
	wait_error(&d, row->key, row->shown);
	wait_back(&d, XPV_STATE_CLOSING);
	ck_assert_uint_eq(host_log_lines(&host, row->key), 1);
	/* Its own fault, and its own to mend. */
	front_state(&d, XPV_STATE_CLOSED);
	wait_back(&d, XPV_STATE_CLOSED);
	mend(&d);
	front_state(&d, XPV_STATE_INITIALISING);
	wait_back(&d, XPV_STATE_INIT_WAIT);
	ck_assert_ptr_null(back_read(&d, "error"));
	fake_publish(&f, &d);
	wait_back(&d, XPV_STATE_CONNECTED);
	vdev_remove(&d);
	fake_close(&f);
}
END_TEST

/*
 * What the toolstack has to say a guest cannot: keys of that name in its own
 * folder mean nothing (XSA-57, 178), and the backend's folder is not its own.
 */
START_TEST(guest_has_no_say)
{
	static const char *const keys[][2] = {
		{"mode", "w"},
		{"params", "/etc/passwd"},
		{"physical-device", "1:3"},
		{"physical-device-path", "/etc"},
		{"device-type", "cdrom"},
		{"discard-enable", "1"},
		{"hotplug-status", "no"},
		{"online", "0"},
	};
	struct vdev d = vbd_add(&host, GUEST, XVDA, host.disk, "r");
	char spec[HOST_PATH], *text;
	struct hyper *guest;
	struct fake f;

	hyper_local_spec(host.machine, GUEST, spec, sizeof(spec));
	guest = hyper_open(spec, HYPER_STORE);
	ck_assert_ptr_nonnull(guest);
	wait_back(&d, XPV_STATE_INIT_WAIT);
	for (unsigned int i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		front_write(&d, keys[i][0], keys[i][1]);
		ck_assert_int_eq(hyper_writef(guest, 0, d.back, keys[i][0],
					      "%s", keys[i][1]),
				 -EACCES);
	}
	hyper_close(guest);
	vdev_hotplug(&d, host.disk);
	fake_open(&f, &d);
	fake_publish(&f, &d);
	wait_back(&d, XPV_STATE_CONNECTED);
	text = back_read(&d, xpv_key(XPV_KEY_INFO));
	ck_assert_str_eq(text, "4");
	free(text);
	text = back_read(&d, xpv_key(XPV_KEY_SECTORS));
	ck_assert_str_eq(text, "2048");
	free(text);
	vdev_remove(&d);
	fake_close(&f);
}
END_TEST

/*
 * A guest may keep a key of its own from a driver domain, which is no Dom0
 * that reads all: the error says so, whichever key it is.
 */
static const char *const hidden[] = {"ring-ref", "event-channel", "protocol"};

START_TEST(key_is_hidden)
{
	struct vdev d = vbd_add(&host, GUEST, XVDA, host.disk, "w");
	struct hyper *h = host.dom0;
	char path[HOST_PATH + 32];
	struct fake f;

	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, host.disk);
	fake_open(&f, &d);
	front_write(&d, hidden[_i], "x86_64-abi");
	snprintf(path, sizeof(path), "%s/%s", d.front, hidden[_i]);
	ck_assert_int_eq(h->ops->set_perms(h, 0, path, GUEST, DRIVER, ""), 0);
	fake_publish(&f, &d);
	wait_error(&d, hidden[_i], "cannot be read");
	wait_back(&d, XPV_STATE_CLOSING);
	vdev_remove(&d);
	fake_close(&f);
}
END_TEST

/* More than one queue, and one of them not there. */
START_TEST(vbd_queue_is_missing)
{
	struct vdev d = vbd_add(&host, GUEST, XVDA, host.disk, "w");
	char *max;
	struct fake f;

	wait_back(&d, XPV_STATE_INIT_WAIT);
	max = back_read(&d, "multi-queue-max-queues");
	if (atoi(max) < 2)
		return;
	free(max);
	fake_open(&f, &d);
	fake_publish(&f, &d);
	front_write(&d, "multi-queue-num-queues", "2");
	front_number(&d, "queue-0/ring-ref", f.gref[0]);
	front_number(&d, "queue-0/event-channel", f.port);
	vdev_hotplug(&d, host.disk);
	wait_error(&d, "queue-1/ring-ref", "missing");
	wait_back(&d, XPV_STATE_CLOSING);
}
END_TEST

/* An offer that another backend left: no reason to take as many. */
START_TEST(offer_of_another_backend)
{
	struct vdev d;
	struct fake f;
	char key[64];

	host_stop_xpvd(&host, SIGTERM);
	d = vbd_add(&host, GUEST, XVDA, host.disk, "w");
	back_write(&d, "multi-queue-max-queues", "64");
	host_start_xpvd(&host);
	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, host.disk);
	fake_open(&f, &d);
	for (unsigned int i = 0; i < 64; i++) {
		snprintf(key, sizeof(key), "queue-%u/ring-ref", i);
		front_number(&d, key, f.gref[0]);
		snprintf(key, sizeof(key), "queue-%u/event-channel", i);
		front_number(&d, key, f.port);
	}
	fake_publish_but(&f, &d, "multi-queue-num-queues", "64");
	wait_error(&d, "multi-queue-num-queues", "64");
	wait_back(&d, XPV_STATE_CLOSING);
}
END_TEST

/* Well-formed, and false: the worker finds out. */
START_TEST(vbd_grant_is_no_grant)
{
	struct vdev d = vbd_add(&host, GUEST, XVDA, host.disk, "w");
	struct fake f;

	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, host.disk);
	fake_open(&f, &d);
	f.gref[0] += 1000000;
	fake_publish(&f, &d);
	wait_error(&d, "", "");
	wait_back(&d, XPV_STATE_CLOSING);
	front_state(&d, XPV_STATE_CLOSED);
	wait_back(&d, XPV_STATE_CLOSED);
}
END_TEST

/* Connected, and then rubbish on the ring: the worker tells. */
START_TEST(ring_is_broken)
{
	struct vdev d = vbd_add(&host, GUEST, XVDA, host.disk, "w");
	struct fake f;

	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, host.disk);
	fake_open(&f, &d);
	fake_publish(&f, &d);
	wait_back(&d, XPV_STATE_CONNECTED);
	front_state(&d, XPV_STATE_CONNECTED);
	/* req_prod, the first word of the ring, far over its size */
	*(volatile uint32_t *)f.page[0] = 100000;
	f.guest->ops->evtchn_notify(f.guest, f.port);
	wait_error(&d, "", "");
	wait_back(&d, XPV_STATE_CLOSING);
	/* Nothing is mapped any more, whatever the guest does now. */
	fake_close(&f);
	front_state(&d, XPV_STATE_CLOSED);
	wait_back(&d, XPV_STATE_CLOSED);
	front_state(&d, XPV_STATE_INITIALISING);
	wait_back(&d, XPV_STATE_INIT_WAIT);
	fake_open(&f, &d);
	fake_publish(&f, &d);
	wait_back(&d, XPV_STATE_CONNECTED);
}
END_TEST

static const struct row vbd_back_rows[] = {
	{"mode", "x", "\"x\""},
	{"mode", NULL, "missing"},
	{"frontend", "/local/domain/6/device/vbd/51712", "domain/6"},
	{"frontend", "/local/domain/5/data", "/data"},
	{"frontend-id", "6", "6"},
	{"frontend-id", "x", "x"},
};

START_TEST(vbd_toolstack_writes_rubbish)
{
	const struct row *row = &vbd_back_rows[_i];
	struct vdev d = vdev_of(&host, XPV_CLASS_VBD, GUEST, XVDA);

	/* Without its state it is not a device yet. */
	host_stop_xpvd(&host, SIGKILL);
	d = vbd_add(&host, GUEST, XVDA, host.disk, "w");
	if (row->value)
		back_write(&d, row->key, row->value);
	else
		back_rm(&d, row->key);
	host_start_xpvd(&host);
	wait_error(&d, row->key, row->shown);
	wait_back(&d, XPV_STATE_CLOSED);
	pause_ms(50);
	ck_assert_uint_eq(host_log_lines(&host, "vbd 5/51712: "), 1);
	/* What the toolstack mends and starts anew, works. */
	vdev_delete(&d);
	d = vbd_add(&host, GUEST, XVDA, host.disk, "w");
	wait_back(&d, XPV_STATE_INIT_WAIT);
}
END_TEST

/* Its words are in the log, once. */
START_TEST(script_gives_up)
{
	struct vdev d = vbd_add(&host, GUEST, XVDA, "/missing", "w");

	wait_back(&d, XPV_STATE_INIT_WAIT);
	back_write(&d, xpv_key(XPV_KEY_HOTPLUG_ERROR), "/missing: no");
	for (unsigned int n = 0; n < 3; n++) {
		back_write(&d, xpv_key(XPV_KEY_HOTPLUG_STATUS), "error");
		pause_ms(100);
	}
	ck_assert_uint_eq(host_log_lines(&host, "vbd 5/51712: "), 1);
	ck_assert_uint_eq(host_log_lines(&host, "script failed: /missing: no"),
			  1);
	ck_assert_int_eq(back_state(&d), XPV_STATE_INIT_WAIT);
	/* And it may be run again. */
	vdev_hotplug(&d, host.disk);
	pause_ms(50);
	vdev_remove(&d);
}
END_TEST

static const struct row target_rows[] = {
	{"physical-device-path", "/nonexistent", "/nonexistent"},
	{"physical-device-path", "/tmp", "directory"},
	{"physical-device-path", "/dev/null", "/dev/null"},
	{"physical-device", "zz", "zz"},
	{"physical-device", "ffff:ffff", "65535:65535"},
};

START_TEST(vbd_target_cannot_be_had)
{
	const struct row *row = &target_rows[_i];
	struct vdev d = vbd_add(&host, GUEST, XVDA, "", "w");

	wait_back(&d, XPV_STATE_INIT_WAIT);
	back_write(&d, row->key, row->value);
	vdev_hotplug(&d, NULL);
	wait_error(&d, row->shown, "");
	wait_back(&d, XPV_STATE_CLOSED);
}
END_TEST

static const struct row mac_rows[] = {
	{"mac", "01:16:3e:00:00:01", "unicast"},
	{"mac", "00:16:3e:00:00", "00:16:3e:00:00"},
	{"mac", "00:16:3e:00:00:0g", "00:16:3e:00:00:0g"},
	{"mac", "00-16-3e-00-00-01", "00-16-3e-00-00-01"},
	{"mac", "00:00:00:00:00:00", "not zero"},
	{"mac", "ff:ff:ff:ff:ff:ff", "unicast"},
	{"mac", "", "\"\""},
};

START_TEST(vif_mac_is_none)
{
	const struct row *row = &mac_rows[_i];
	struct vdev d = vif_add(&host, GUEST, 0, row->value);

	wait_error(&d, row->key, row->shown);
	wait_back(&d, XPV_STATE_CLOSED);
	ck_assert_uint_eq(host_log_lines(&host, "vif 5/0: "), 1);
}
END_TEST

static const struct row vif_rows[] = {
	{"tx-ring-ref", "junk", "junk"},
	{"rx-ring-ref", NULL, "missing"},
	{"event-channel", "0", "0"},
	{"event-channel-tx", "1", "event-channel-rx"},
	{"multi-queue-num-queues", "77", "77"},
	{"request-rx-copy", NULL, "flip"},
	{"feature-sg", "2", "\"2\""},
	{"feature-gso-tcpv4", "yes", "yes"},
	{"backend-id", "1", "1"},
};

START_TEST(vif_frontend_publishes_rubbish)
{
	const struct row *row = &vif_rows[_i];
	struct vdev d;
	struct fake f;

	if (!host_has_taps())
		return;
	d = vif_add(&host, GUEST, 0, GOOD_MAC);
	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, NULL);
	fake_open(&f, &d);
	fake_publish_but(&f, &d, row->key, row->value);
	wait_error(&d, row->key, row->shown);
	wait_back(&d, XPV_STATE_CLOSING);
	front_state(&d, XPV_STATE_CLOSED);
	wait_back(&d, XPV_STATE_CLOSED);
	fake_close(&f);
}
END_TEST

#define ROWS(rows) ((int)(sizeof(rows) / sizeof((rows)[0])))

Suite *supervisor_bad_suite(void)
{
	Suite *s = suite_create("supervisor_bad");
	TCase *tc = tcase_create("rubbish");
	TCase *driver = tcase_create("driver domain");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, vbd_frontend_publishes_rubbish, 0,
			    ROWS(vbd_rows));
	tcase_add_test(tc, vbd_queue_is_missing);
	tcase_add_test(tc, guest_has_no_say);
	tcase_add_test(tc, offer_of_another_backend);
	tcase_add_test(tc, vbd_grant_is_no_grant);
	tcase_add_test(tc, ring_is_broken);
	tcase_add_loop_test(tc, vbd_toolstack_writes_rubbish, 0,
			    ROWS(vbd_back_rows));
	tcase_add_test(tc, script_gives_up);
	tcase_add_loop_test(tc, vbd_target_cannot_be_had, 0, ROWS(target_rows));
	tcase_add_loop_test(tc, vif_mac_is_none, 0, ROWS(mac_rows));
	tcase_add_loop_test(tc, vif_frontend_publishes_rubbish, 0,
			    ROWS(vif_rows));
	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(driver, setup_driver, teardown_driver);
	tcase_set_timeout(driver, 60);
	tcase_add_loop_test(driver, key_is_hidden, 0, ROWS(hidden));
	suite_add_tcase(s, driver);
	return s;
}
