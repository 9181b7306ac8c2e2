// SPDX-License-Identifier: MIT
/*
 * Workers in control groups. The groups are real, in one of the test's own;
 * which limits there are depends on the controllers that this host's hierarchy
 * has: the lab's scenario `sandbox` has all of them, and runs into them.
 */
#include <errno.h>
#include <mntent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "suites.h"
#include "toolstack.h"

#define GUEST 77

static struct host host;
static struct vdev disk;
static struct fake front;

/* A group of our own; false: this host has no place for one. */
static bool make_group(char dir[96])
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *m = NULL;

	while (mounts && (m = getmntent(mounts)))
		if (!strcmp(m->mnt_type, "cgroup2"))
			break;
	if (m)
		snprintf(dir, 96, "%.64s/xpv-unit-%d", m->mnt_dir, getpid());
	if (mounts)
		endmntent(mounts);
	return m && !mkdir(dir, 0755);
}

static void group_path(char path[160], const char *name)
{
	snprintf(path, 160, "%s/%s", host.cgroup, name);
}

static bool is_gone(void *path)
{
	return access(path, F_OK) != 0;
}

static bool there(const char *name)
{
	char path[160];

	group_path(path, name);
	return !access(path, F_OK);
}

struct limit {
	const char *name, *wanted;
	char text[64];
};

static bool holds(void *arg)
{
	struct limit *limit = arg;
	char path[160];
	FILE *file;

	group_path(path, limit->name);
	file = fopen(path, "re");
	if (!file && errno == ENOENT)
		return true; /* no such controller here */
	ck_assert_ptr_nonnull(file);
	ck_assert_ptr_nonnull(fgets(limit->text, sizeof(limit->text), file));
	fclose(file);
	limit->text[strcspn(limit->text, "\n")] = '\0';
	return !strcmp(limit->text, limit->wanted);
}

/* xpvd may be only about to write it. */
static void must_hold(const char *name, const char *wanted)
{
	struct limit limit = {.name = name, .wanted = wanted};

	ck_assert_msg(wait_until(holds, &limit, 10000),
		      "%s is \"%s\", not "
		      "\"%s\"",
		      name, limit.text, wanted);
}

static bool worker_is_inside(void *ignored)
{
	char path[160];
	int pid = 0, worker = host_worker(&host);
	FILE *file;

	(void)ignored;
	group_path(path, "guest-77/cgroup.procs");
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fscanf(file, "%d", &pid) != 1)
		pid = 0;
	fclose(file);
	return pid == worker;
}

static bool group_is_gone(void *ignored)
{
	(void)ignored;
	return !there("guest-77");
}

static void configure(const char *text)
{
	FILE *file = fopen(host.config, "we");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

/* A guest on a disk, and xpvd with groups; false: none to be had. */
static bool start(void)
{
	host_setup(&host);
	if (!make_group(host.cgroup)) {
		host_teardown(&host);
		return false;
	}
	configure("[worker]\nmemory = 512\nthreads = 99\ncpu-weight = 50\n"
		  "cpu = 150\n");
	host_stop_xpvd(&host, SIGTERM);
	host_start_xpvd(&host);
	host_domain(&host, GUEST, "a");
	disk = vbd_add(&host, GUEST, 51712, host.disk, "w");
	wait_back(&disk, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&disk, host.disk);
	fake_open(&front, &disk);
	fake_publish(&front, &disk);
	wait_back(&disk, XPV_STATE_CONNECTED);
	return true;
}

static void stop(void)
{
	vdev_remove(&disk);
	fake_close(&front);
	ck_assert(wait_until(group_is_gone, NULL, 5000));
	host_teardown(&host);
	ck_assert_int_eq(rmdir(host.cgroup), 0);
}

static void must_be_inside(void)
{
	ck_assert(wait_until(worker_is_inside, NULL, 5000));
	must_hold("guest-77/memory.max", "536870912");
	must_hold("guest-77/pids.max", "99");
	must_hold("guest-77/cpu.weight", "50");
	must_hold("guest-77/cpu.max", "150000 100000");
}

START_TEST(a_worker_has_its_group)
{
	pid_t was;

	if (!start())
		return;
	must_be_inside();
	was = host_worker(&host);
	kill(was, SIGKILL);
	ck_assert(host_next_worker(&host, was, 5000));
	must_be_inside();
	wait_back(&disk, XPV_STATE_CONNECTED);
	stop();
}
END_TEST

START_TEST(groups_are_found_again)
{
	char stale[160];
	pid_t was;

	if (!start())
		return;
	was = host_worker(&host);
	host_stop_xpvd(&host, SIGKILL);
	group_path(stale, "guest-99");
	ck_assert_int_eq(mkdir(stale, 0755), 0);
	configure("[worker]\nmemory = 256\n");
	host_start_xpvd(&host);
	/* One that nobody is in goes; this one stays and takes new limits. */
	stays_connected(&disk);
	ck_assert_int_eq(host_worker(&host), was);
	ck_assert(wait_until(is_gone, stale, 10000));
	ck_assert(wait_until(worker_is_inside, NULL, 10000));
	must_hold("guest-77/memory.max", "268435456");
	must_hold("guest-77/cpu.weight", "100");
	must_hold("guest-77/cpu.max", "max 100000");
	stop();
}
END_TEST

START_TEST(there_may_be_none)
{
	host_setup(&host);
	ck_assert_uint_eq(host_log_lines(&host, "control groups"), 0);
	host_stop_xpvd(&host, SIGTERM);
	strcpy(host.cgroup, "/nowhere/xpv");
	host_start_xpvd(&host);
	host_domain(&host, GUEST, "a");
	disk = vbd_add(&host, GUEST, 51712, host.disk, "w");
	wait_back(&disk, XPV_STATE_INIT_WAIT);
	ck_assert_uint_eq(host_log_lines(&host, "/nowhere/xpv: No such file"),
			  1);
	vdev_remove(&disk);
	host_teardown(&host);
}
END_TEST

Suite *cgroup_suite(void)
{
	Suite *suite = suite_create("cgroup");
	TCase *c = tcase_create("cgroup");

	tcase_set_timeout(c, 120);
	tcase_add_test(c, a_worker_has_its_group);
	tcase_add_test(c, groups_are_found_again);
	tcase_add_test(c, there_may_be_none);
	suite_add_tcase(suite, c);
	return suite;
}
