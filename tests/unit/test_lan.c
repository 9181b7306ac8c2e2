// SPDX-License-Identifier: MIT
/*
 * Switches as a host has them: a real xpvd, a real worker for each guest. What
 * dies, and who notices.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stations.h"
#include "suites.h"

static struct station *const a = &station[0], *const b = &station[1],
			     *const c = &station[2];

/* Small frames are answered before they arrive: wait for those of station_reach(). */
static void settle(void)
{
	unsigned int before, now = a->in + b->in + c->in;

	do {
		before = now;
		for (int i = 0; i < 50; i++) {
			stations_serve();
			pause_ms(1);
		}
		now = a->in + b->in + c->in;
	} while (now != before);
}

START_TEST(guests_talk)
{
	station_add(a, "lan");
	station_add(b, "lan");
	station_add(c, "lan.7");
	station_reach(a, b);
	station_pass(a, b, 300);
	station_pass(b, a, 300);
	/* to all is to all of the VLAN */
	station_send(a, (uint8_t[]){255, 255, 255, 255, 255, 255}, 1000);
	UNTIL(b->last == station_seq);
	station_send(a, c->mac, 1000);
	UNTIL(station_idle(a));
	ck_assert_uint_eq(c->in, 0);
	/* its own address, or none */
	a->mac[5]++;
	station_send(a, b->mac, 1000);
	a->mac[5]--;
	UNTIL(station_idle(a));
	station_pass(a, b, 10);
}
END_TEST

/* Asked for once, as the guest connects: no group, but what is for all. */
START_TEST(static_multicast_filter)
{
	static const uint8_t group[6] = {1, 0, 0x5e, 1, 2, 3};
	static const uint8_t all[6] = {255, 255, 255, 255, 255, 255};
	unsigned int in_a, in_c;

	stations_filtered = true;
	station_add(a, "lan");
	stations_filtered = false;
	station_add(b, "lan");
	station_add(c, "lan");
	station_reach(b, a);
	station_reach(b, c);
	settle();
	in_a = a->in;
	in_c = c->in;
	station_send(b, group, 100);
	/* by another queue, which is not behind the first */
	UNTIL(station_idle(b));
	station_send(b, all, 100);
	UNTIL(a->last == station_seq && c->last == station_seq);
	ck_assert_uint_eq(a->in, in_a + 1);
	ck_assert_uint_eq(c->in, in_c + 2);
}
END_TEST

START_TEST(worker_dies_in_the_middle)
{
	pid_t old;

	station_add(a, "lan");
	station_add(b, "lan");
	station_add(c, "lan");
	station_reach(a, b);
	station_reach(a, c);
	for (int round = 0; round < 3; round++) {
		struct station *victim = round & 1 ? a : b;

		for (int i = 0; i < 40; i++)
			station_send(a, i & 1 ? b->mac : c->mac, 30000);
		old = stations_worker(victim->domid);
		ck_assert_int_gt(old, 0);
		kill(old, SIGKILL);
		/* nothing of a guest's is held for good */
		UNTIL(station_idle(a));
		UNTIL(stations_worker(victim->domid) != old);
		station_reach(a, b);
		station_reach(b, a);
		station_reach(c, b);
		station_pass(a, b, 50);
		station_pass(c, b, 50);
	}
}
END_TEST

START_TEST(guest_goes_under_load)
{
	station_add(a, "lan");
	station_add(b, "lan");
	station_add(c, "lan");
	station_reach(a, b);
	station_reach(a, c);
	for (int i = 0; i < 60; i++)
		station_send(a, b->mac, 8000);
	station_leave(b);
	UNTIL(station_idle(a));
	station_pass(a, c, 50);
	/* and one that is destroyed, with no word to anyone */
	for (int i = 0; i < 60; i++)
		station_send(a, c->mac, 8000);
	host_destroy_domain(&stations_host, c->domid);
	vdev_delete(&c->d);
	/* a dead domain's handle ends nothing any more */
	for (unsigned int q = 0; q < STATION_QUEUES; q++)
		if (usernet_free(c->u[q]))
			free(c->u[q]);
	hyper_close(c->h);
	c->u[0] = NULL;
	UNTIL(station_idle(a));
}
END_TEST

START_TEST(supervisor_dies)
{
	station_add(a, "lan");
	station_add(b, "lan");
	station_reach(a, b);
	host_stop_xpvd(&stations_host, SIGKILL);
	station_pass(a, b, 100);
	host_start_xpvd(&stations_host);
	station_add(c, "lan");
	station_reach(a, c);
	station_reach(b, c);
	station_reach(a, b);
	station_pass(a, b, 100);
	station_pass(c, b, 100);
}
END_TEST

static bool complained(void *arg)
{
	(void)arg;
	return host_log_lines(&stations_host, "no link to") > 0;
}

/*
 * How many descriptors a worker may have; 0: as many as ever. Only who has its
 * identity may always say so.
 */
static void allow_files(pid_t worker, unsigned int n)
{
	struct rlimit limit;
	char path[64], line[128];
	unsigned int uid = 0;
	pid_t child;
	FILE *file;
	int status;

	snprintf(path, sizeof(path), "/proc/%d/status", worker);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file) &&
	       sscanf(line, "Uid: %u", &uid) != 1)
		;
	fclose(file);
	child = fork();
	if (!child) {
		if (setresgid(uid, uid, uid) || setresuid(uid, uid, uid) ||
		    prlimit(worker, RLIMIT_NOFILE, NULL, &limit))
			_exit(1);
		limit.rlim_cur = n ? n : limit.rlim_max;
		_exit(prlimit(worker, RLIMIT_NOFILE, &limit, NULL) ? 1 : 0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}

/* b's worker has no descriptors left for a link, and then it has. */
START_TEST(link_fails_at_first)
{
	station_add(a, "lan");
	station_add(b, "lan");
	station_reach(a, b);
	allow_files(stations_worker(b->domid), 3);
	station_add(c, "lan");
	station_reach(a, c);
	ck_assert(wait_until(complained, NULL, STATION_PATIENCE));
	allow_files(stations_worker(b->domid), 0);
	station_reach(b, c);
	station_reach(c, b);
	ck_assert_uint_eq(host_log_lines(&stations_host, "no link to"), 1);
}
END_TEST

START_TEST(bad_bridges)
{
	static const char *const bad[] = {"lan.4095", "no/name", "l:x"};
	struct vdev d;

	for (unsigned int i = 0; i < 3; i++) {
		host_domain(&stations_host, (uint16_t)(30 + i), "x");
		d = vif_add_to(&stations_host, (uint16_t)(30 + i), 0,
			       "02:00:00:00:00:09", bad[i], NULL);
		wait_error(&d, bad[i], "NAME.VLAN");
		vdev_delete(&d);
	}
	host_domain(&stations_host, 33, "x");
	d = vif_add_to(&stations_host, 33, 0, "02:00:00:00:00:09", "lan",
		       "10.0.0.300");
	wait_error(&d, "10.0.0.300", "IPv4");
	vdev_delete(&d);
}
END_TEST

Suite *lan_suite(void)
{
	Suite *s = suite_create("lan");
	TCase *tc = tcase_create("lan");

	tcase_add_checked_fixture(tc, stations_setup, stations_teardown);
	tcase_add_test(tc, guests_talk);
	tcase_add_test(tc, static_multicast_filter);
	tcase_add_test(tc, worker_dies_in_the_middle);
	tcase_add_test(tc, guest_goes_under_load);
	tcase_add_test(tc, supervisor_dies);
	tcase_add_test(tc, link_fails_at_first);
	tcase_add_test(tc, bad_bridges);
	suite_add_tcase(s, tc);
	return s;
}
