// SPDX-License-Identifier: MIT
/*
 * Many guests of one disk and one NIC each: what they cost while they do
 * nothing. XPV_GUESTS=1000 for that many; the figures are on stderr.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "backend/worker/loop.h"
#include "soak.h"
#include "suites.h"
#include "toolstack.h"

#define XVDA	51712
#define FIRST	10 /* domain */
#define USUAL	30
#define MOST	1000
#define IDLE_MS 5000
/* Proportional set size of a worker. */
#define MEMORY_KIB 1536
#define CONNECT_MS 300000

struct guest {
	struct vdev disk, nic;
	struct fake disk_rings, nic_rings;
};

static struct host host;
static struct guest *guests;
static unsigned int nr_guests = USUAL;

/* As vif-bridge leaves a vif: the host's kernel sends nothing of its own. */
static void silence_taps(void)
{
	int fd;

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6",
		  O_WRONLY | O_CLOEXEC);
	ck_assert(fd < 0 || write(fd, "1", 1) == 1);
	close(fd);
}

static void setup(void)
{
	struct rlimit files;
	const char *text = getenv("XPV_GUESTS");

	if (text)
		nr_guests = (unsigned int)strtoul(text, NULL, 10);
	ck_assert_msg(nr_guests && nr_guests <= MOST,
		      "XPV_GUESTS=\"%s\": expected 1 to %d", text, MOST);
	/* xpvd inherits it. */
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	guests = calloc(nr_guests, sizeof(*guests));
	ck_assert_ptr_nonnull(guests);
	/* 2 MiB for a stack is a matter of the host's taste. */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	silence_taps();
	host_setup(&host);
	host_stop_xpvd(&host, SIGTERM);
	host.same_net = true;
	host_start_xpvd(&host);
}

static void teardown(void)
{
	host_teardown(&host);
	free(guests);
}

/* ---- what it costs ---- */

/* The number behind @name in a file of /proc; 0: not there. */
static unsigned long field(const char *path, const char *name)
{
	unsigned long value = 0;
	char line[256];
	FILE *file = fopen(path, "re");

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)))
			value = strtoul(line + strlen(name), NULL, 10);
	if (file)
		fclose(file);
	return value;
}

static unsigned long memory_kib(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	return field(path, "Pss:");
}

/* How often its threads went to sleep, or were made to wait. */
static unsigned long switches(pid_t pid)
{
	unsigned long sum = 0;
	struct dirent *entry;
	char path[320];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%d/task/%s/status", pid,
			 entry->d_name);
		sum += field(path, "voluntary_ctxt_switches:") +
		       field(path, "nonvoluntary_ctxt_switches:");
	}
	if (dir)
		closedir(dir);
	return sum;
}

static unsigned long all_switches(const pid_t *pids)
{
	unsigned long sum = switches(host.xpvd);

	for (unsigned int i = 0; i < nr_guests; i++)
		sum += switches(pids[i]);
	return sum;
}

/*
 * Wake-ups in IDLE_MS, as soon as there are none: first xpvd has to read all
 * that it was told of, and things that it does once come to their end.
 */
static unsigned long wake_ups(const pid_t *pids)
{
	uint64_t end = loop_now() + CONNECT_MS;
	unsigned long before, now = all_switches(pids);

	do {
		before = now;
		pause_ms(IDLE_MS);
		now = all_switches(pids);
	} while (now != before && loop_now() < end);
	return now - before;
}

/* ---- guests ---- */

static void add(unsigned int i)
{
	uint16_t domid = (uint16_t)(FIRST + i);
	struct guest *g = &guests[i];
	char vm[16], mac[24];

	snprintf(vm, sizeof(vm), "%u", i);
	snprintf(mac, sizeof(mac), "00:16:3e:00:%02x:%02x", i >> 8, i & 255);
	host_domain(&host, domid, vm);
	g->disk = vbd_add(&host, domid, XVDA, host.disk, "w");
	g->nic = vif_add(&host, domid, 0, mac);
	vdev_hotplug(&g->disk, host.disk);
	vdev_hotplug(&g->nic, NULL);
	fake_open(&g->disk_rings, &g->disk);
	fake_open(&g->nic_rings, &g->nic);
	fake_publish(&g->disk_rings, &g->disk);
	fake_publish(&g->nic_rings, &g->nic);
}

static bool all_connected(void *next)
{
	unsigned int *i = next;

	while (*i < nr_guests &&
	       back_state(&guests[*i].disk) == XPV_STATE_CONNECTED &&
	       back_state(&guests[*i].nic) == XPV_STATE_CONNECTED)
		++*i;
	return *i == nr_guests;
}

static bool no_workers(void *arg)
{
	pid_t pid;

	return !host_workers(arg, &pid, 1);
}

/* They all go at once, as when a host is emptied. */
static void remove_all(void)
{
	for (unsigned int i = 0; i < nr_guests; i++) {
		vdev_delete(&guests[i].disk);
		vdev_delete(&guests[i].nic);
		hyper_close(guests[i].disk_rings.guest);
		hyper_close(guests[i].nic_rings.guest);
	}
	ck_assert(wait_until(no_workers, &host, CONNECT_MS));
}

START_TEST(idle_guests_cost_nothing)
{
	unsigned long kib = 0, woken;
	pid_t *pids = calloc(nr_guests, sizeof(*pids));
	unsigned int next = 0;
	uint64_t began = loop_now(), took;

	ck_assert_ptr_nonnull(pids);
	for (unsigned int i = 0; i < nr_guests; i++)
		add(i);
	ck_assert_msg(wait_until(all_connected, &next, CONNECT_MS),
		      "guest %u is not connected", next);
	took = loop_now() - began;
	ck_assert_uint_eq(host_workers(&host, pids, nr_guests), nr_guests);
	woken = wake_ups(pids);
	for (unsigned int i = 0; i < nr_guests; i++)
		kib += memory_kib(pids[i]);
	fprintf(stderr,
		"many_guests: %u guests of a disk and a NIC: connected in %.1f "
		"ms each; a worker has %lu KiB, xpvd %lu KiB a guest; %lu "
		"wake-ups in %u s\n",
		nr_guests, (double)took / nr_guests, kib / nr_guests,
		host_rss(&host) / nr_guests, woken, IDLE_MS / 1000);
	ck_assert_uint_eq(woken, 0);
	if (!HOST_SANITIZED)
		ck_assert_uint_lt(kib / nr_guests, MEMORY_KIB);
	remove_all();
	free(pids);
	soak_count(nr_guests, "guests");
}
END_TEST

Suite *many_guests_suite(void)
{
	Suite *s = suite_create("many_guests");
	TCase *tc = tcase_create("idle");

	if (!host_has_taps())
		return s;
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 600);
	tcase_add_test(tc, idle_guests_cost_nothing);
	suite_add_tcase(s, tc);
	return s;
}
