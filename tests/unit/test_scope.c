// SPDX-License-Identifier: MIT
/*
 * Workers as scopes of systemd's: for a host where it is process 1, which
 * tests/systemd.sh makes.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "livedisk.h"
#include "suites.h"
#include "toolstack.h"

#define GUEST 5

static struct host host;

static void configure(const char *text)
{
	FILE *file = fopen(host.config, "we");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static bool in_its_scope(void *worker)
{
	char path[64], line[256], wanted[64];
	int pid = *(pid_t *)worker;
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	snprintf(wanted, sizeof(wanted), "/xpv-worker-%u-%d.scope\n", GUEST,
		 pid);
	file = fopen(path, "re");
	while (file && !found && fgets(line, sizeof(line), file))
		found = !strncmp(line, "0::", 3) && strstr(line, wanted);
	if (file)
		fclose(file);
	return found;
}

/* What systemd says of a property of the worker's scope. */
struct property {
	pid_t worker;
	const char *name, *wanted;
	char got[64];
};

static bool shows(void *arg)
{
	struct property *p = arg;
	char command[256];
	FILE *pipe;

	snprintf(command, sizeof(command),
		 "systemctl show --value -p %s xpv-worker-%u-%d.scope", p->name,
		 GUEST, p->worker);
	pipe = popen(command, "re");
	ck_assert_ptr_nonnull(pipe);
	if (fgets(p->got, sizeof(p->got), pipe))
		p->got[strcspn(p->got, "\n")] = '\0';
	pclose(pipe);
	return !strcmp(p->got, p->wanted);
}

/* systemd may be only about to hear of it. */
static void must_show(pid_t worker, const char *name, const char *wanted)
{
	struct property p = {.worker = worker, .name = name, .wanted = wanted};

	ck_assert_msg(wait_until(shows, &p, 5000), "%s is \"%s\", not \"%s\"",
		      name, p.got, wanted);
}

START_TEST(workers_are_scopes)
{
	struct livedisk k;
	pid_t worker, next;

	/* tests/systemd.sh boots one, and has no use for a test that is none */
	if (sd_booted() <= 0 || !getenv("XPV_SCOPES")) {
		ck_assert_ptr_null(getenv("XPV_SCOPES"));
		return;
	}
	host_setup(&host);
	host_stop_xpvd(&host, SIGTERM);
	strcpy(host.cgroup, HOST_CGROUP_USUAL);
	configure("[worker]\nmemory = 512\nthreads = 99\ncpu = 150\n");
	host_start_xpvd(&host);
	host_domain(&host, GUEST, "a");
	livedisk_open(&k, &host, GUEST);
	worker = host_worker(&host);
	ck_assert(wait_until(in_its_scope, &worker, 5000));
	must_show(worker, "MemoryMax", "536870912");
	must_show(worker, "TasksMax", "99");
	must_show(worker, "CPUQuotaPerSecUSec", "1.500000s");
	must_show(worker, "DefaultDependencies", "no");
	/* It stays in it, with the limits of today. */
	host_stop_xpvd(&host, SIGKILL);
	configure("[worker]\nmemory = 256\ncpu-weight = 7\n");
	host_start_xpvd(&host);
	stays_connected(&k.dev);
	ck_assert_int_eq(host_worker(&host), worker);
	must_show(worker, "MemoryMax", "268435456");
	must_show(worker, "CPUWeight", "7");
	must_show(worker, "CPUQuotaPerSecUSec", "infinity");
	kill(worker, SIGKILL);
	ck_assert(host_next_worker(&host, worker, 5000));
	next = host_worker(&host);
	ck_assert(wait_until(in_its_scope, &next, 5000));
	must_show(worker, "ActiveState", "inactive");
	livedisk_close(&k);
	ck_assert_uint_eq(host_log_lines(&host, "goes without limits"), 0);
	host_teardown(&host);
}
END_TEST

/*
 * A process 1 that takes what it is asked and never answers: guests come up
 * all the same, one after the other, and xpvd goes when it is told to.
 */
START_TEST(nobody_waits_for_systemd)
{
	static const char *const path = "/run/systemd/private";
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct livedisk k[4];

	if (!getenv("XPV_SCOPES"))
		return;
	ck_assert_int_eq(rename(path, "/run/systemd/private.kept"), 0);
	strcpy(addr.sun_path, path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(fd, 16), 0);
	host_setup(&host);
	host_stop_xpvd(&host, SIGTERM);
	strcpy(host.cgroup, HOST_CGROUP_USUAL);
	host_start_xpvd(&host);
	for (uint16_t i = 0; i < 4; i++) {
		host_domain(&host, GUEST + i, "a");
		livedisk_open(&k[i], &host, GUEST + i);
	}
	host_stop_xpvd(&host, SIGTERM);
	host_start_xpvd(&host);
	for (unsigned int i = 0; i < 4; i++)
		livedisk_close(&k[i]);
	host_teardown(&host);
	close(fd);
	ck_assert_int_eq(rename("/run/systemd/private.kept", path), 0);
}
END_TEST

Suite *scope_suite(void)
{
	Suite *suite = suite_create("scope");
	TCase *c = tcase_create("scope");

	tcase_set_timeout(c, 110);
	tcase_add_test(c, workers_are_scopes);
	tcase_add_test(c, nobody_waits_for_systemd);
	suite_add_tcase(suite, c);
	return suite;
}
