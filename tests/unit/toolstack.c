// SPDX-License-Identifier: MIT
#include "toolstack.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DISK_BYTES (1 << 20)

/* ---- time ---- */

void pause_ms(unsigned int ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&ts, NULL);
}

bool wait_until(bool (*is)(void *arg), void *arg, unsigned int ms)
{
	for (unsigned int n = 0; n < ms; n++) {
		if (is(arg))
			return true;
		pause_ms(1);
	}
	return is(arg);
}

/* ---- the host ---- */

void own_program(char *path, size_t size, const char *name)
{
	char self[HOST_PATH - 32];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	ck_assert_int_gt(len, 0);
	self[len] = '\0';
	*strrchr(self, '/') = '\0';
	snprintf(path, size, "%s/%.30s", self, name);
}

/*
 * A test that fails ends at once, and workers are made to outlive whom they
 * serve: this process waits for the end of the test's and cleans up after it.
 */
static void guard(struct host *host, int alive)
{
	pid_t pids[64];
	unsigned int n;
	char byte;

	setsid();
	while (read(alive, &byte, 1) > 0)
		;
	/* So many at a time; those just killed may be seen once more. */
	for (int i = 0; i < 100 && (n = host_workers(host, pids, 64)); i++) {
		while (n)
			kill(pids[--n], SIGKILL);
		usleep(10000);
	}
	if (!getenv("XPV_TEST_KEEP"))
		execlp("rm", "rm", "-rf", host->dir, NULL);
	_exit(0);
}

static void start_guard(struct host *host)
{
	int alive[2];

	ck_assert_int_eq(pipe2(alive, O_CLOEXEC), 0);
	host->guard = fork();
	ck_assert_int_ge(host->guard, 0);
	if (!host->guard) {
		close(alive[1]);
		guard(host, alive[0]);
	}
	close(alive[0]);
	host->alive = alive[1];
}

void host_setup(struct host *host)
{
	host_setup_in(host, 0);
}

void host_setup_in(struct host *host, uint16_t domid)
{
	char spec[HOST_PATH];
	int fd;

	memset(host, 0, sizeof(*host));
	strcpy(host->dir, "/tmp/xpv-test.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(host->dir));
	start_guard(host);
	snprintf(host->disk, sizeof(host->disk), "%s/disk", host->dir);
	snprintf(host->log, sizeof(host->log), "%s/log", host->dir);
	snprintf(host->config, sizeof(host->config), "%s/xpvd.conf", host->dir);
	fd = open(host->disk, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, DISK_BYTES), 0);
	close(fd);
	host->machine = hyper_local_create(NULL);
	ck_assert_ptr_nonnull(host->machine);
	hyper_local_spec(host->machine, 0, spec, sizeof(spec));
	host->dom0 = hyper_open(spec, HYPER_STORE);
	ck_assert_ptr_nonnull(host->dom0);
	host->self = domid;
	if (domid)
		host_domain(host, domid, "driver");
	host_start_xpvd(host);
}

/* As systemd does, sd_listen_fds(3). */
static void hand_over_kept(struct host *host)
{
	char number[16];

	if (!host->nr_kept)
		return;
	for (unsigned int i = 0; i < host->nr_kept; i++)
		host->kept[i] = fcntl(host->kept[i], F_DUPFD_CLOEXEC, 100);
	for (unsigned int i = 0; i < host->nr_kept; i++)
		dup2(host->kept[i], 3 + (int)i);
	snprintf(number, sizeof(number), "%u", host->nr_kept);
	setenv("LISTEN_FDS", number, 1);
	setenv("LISTEN_FDNAMES", host->kept_names, 1);
	snprintf(number, sizeof(number), "%d", getpid());
	setenv("LISTEN_PID", number, 1);
}

static void run_xpvd(struct host *host)
{
	char xpvd[HOST_PATH], worker[HOST_PATH], run[HOST_PATH];
	bool usual = !strcmp(host->cgroup, HOST_CGROUP_USUAL);
	char spec[HOST_PATH];
	int log = open(host->log, O_CREAT | O_WRONLY | O_APPEND, 0600);

	own_program(xpvd, sizeof(xpvd), "xpvd");
	own_program(worker, sizeof(worker), "xpv-worker");
	snprintf(run, sizeof(run), "%s/run", host->dir);
	hyper_local_spec(host->machine, host->self, spec, sizeof(spec));
	/* Taps of tests are nobody else's business. */
	if (!host->dom0 || (!host->same_net && unshare(CLONE_NEWNET)))
		dprintf(log, "no network namespace: %s\n", strerror(errno));
	dup2(log, STDERR_FILENO);
	hand_over_kept(host);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execl(xpvd, "xpvd", "--hyper", spec, "--worker", worker, "--run-dir",
	      run, "--config", host->config,
	      HOST_SANITIZED ? "--no-sandbox" : "--foreground",
	      usual ? NULL : "--cgroup", *host->cgroup ? host->cgroup : "none",
	      NULL);
	dprintf(log, "%s: %s\n", xpvd, strerror(errno));
	_exit(127);
}

void host_start_xpvd(struct host *host)
{
	sigset_t term, old;

	/* Check's handler, until exec the child's as well, would end us all. */
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &old);
	host->xpvd = fork();
	ck_assert_int_ge(host->xpvd, 0);
	if (!host->xpvd)
		signal(SIGTERM, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (!host->xpvd)
		run_xpvd(host);
}

int host_stop_xpvd(struct host *host, int signal)
{
	int status = 0;

	kill(host->xpvd, signal);
	ck_assert_int_eq(waitpid(host->xpvd, &status, 0), host->xpvd);
	host->xpvd = 0;
	return status;
}

unsigned int host_workers(struct host *host, pid_t *pids, unsigned int max)
{
	char path[HOST_PATH];
	struct dirent *entry;
	unsigned int n = 0;
	DIR *dir;
	FILE *file;

	snprintf(path, sizeof(path), "%s/run", host->dir);
	dir = opendir(path);
	while (dir && n < max && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/run/%.64s", host->dir,
			 entry->d_name);
		file = strncmp(entry->d_name, "worker-", 7) ? NULL
							    : fopen(path, "re");
		if (file && fscanf(file, "%d", &pids[n]) == 1 &&
		    !kill(pids[n], 0))
			n++;
		if (file)
			fclose(file);
	}
	if (dir)
		closedir(dir);
	return n;
}

void host_teardown(struct host *host)
{
	if (host->xpvd)
		host_stop_xpvd(host, SIGTERM);
	hyper_close(host->dom0);
	hyper_local_destroy(host->machine);
	close(host->alive);
	waitpid(host->guard, NULL, 0);
}

pid_t host_worker(struct host *host)
{
	pid_t pids[2];

	ck_assert_uint_eq(host_workers(host, pids, 2), 1);
	return pids[0];
}

bool host_next_worker(struct host *host, pid_t old, unsigned int ms)
{
	pid_t pid;

	while (ms--) {
		if (host_workers(host, &pid, 1) && pid != old)
			return true;
		pause_ms(1);
	}
	return false;
}

unsigned long host_rss(struct host *host)
{
	char path[64], line[256];
	unsigned long kib = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", host->xpvd);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	while (!kib && fgets(line, sizeof(line), file))
		sscanf(line, "VmRSS: %lu", &kib);
	fclose(file);
	return kib;
}

unsigned int host_fds(struct host *host)
{
	char path[64];
	unsigned int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", host->xpvd);
	dir = opendir(path);
	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

unsigned int host_log_lines(struct host *host, const char *containing)
{
	char line[2048];
	unsigned int n = 0;
	FILE *file = fopen(host->log, "re");

	while (file && fgets(line, sizeof(line), file))
		n += strstr(line, containing) != NULL;
	if (file)
		fclose(file);
	return n;
}

bool host_has_taps(void)
{
	pid_t pid = fork();
	int status = 1;

	if (!pid)
		_exit(unshare(CLONE_NEWNET) || access("/dev/net/tun", R_OK));
	waitpid(pid, &status, 0);
	/* Root without /dev/net/tun is no excuse: the tests then fail. */
	return status == 0 || geteuid() == 0;
}

/* ---- domains ---- */

void host_domain(struct host *host, uint16_t domid, const char *vm)
{
	char dir[64];

	ck_assert_int_eq(hyper_local_domain_create(host->machine, domid), 0);
	snprintf(dir, sizeof(dir), XPV_PATH_DOMAIN, domid);
	ck_assert_int_eq(hyper_writef(host->dom0, 0, dir, xpv_key(XPV_KEY_VM),
				      "/vm/%s", vm),
			 0);
}

void host_destroy_domain(struct host *host, uint16_t domid)
{
	ck_assert_int_eq(hyper_local_domain_destroy(host->machine, domid), 0);
}

void stays_connected(struct vdev *d)
{
	for (int n = 0; n < 300; n++) {
		ck_assert_int_eq(back_state(d), XPV_STATE_CONNECTED);
		pause_ms(1);
	}
}

struct vdev vif_add_scripted(struct host *host, uint16_t domid, uint32_t id,
			     const char *mac)
{
	struct vdev d = vif_add(host, domid, id, mac);
	char path[HOST_PATH];
	FILE *file;

	snprintf(path, sizeof(path), "%s/script", host->dir);
	file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	fprintf(file,
		"#!/bin/sh\necho \"$1 $vif $XENBUS_PATH\" >>%s/script-ran\n",
		host->dir);
	fclose(file);
	chmod(path, 0700);
	back_write(&d, xpv_key(XPV_KEY_SCRIPT), path);
	return d;
}

bool vif_script_ran(void *arg)
{
	char path[2 * HOST_PATH], line[2 * HOST_PATH] = "";
	struct vdev *d = arg;
	FILE *file;

	snprintf(path, sizeof(path), "%s/script-ran", d->host->dir);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(line, sizeof(line), file))
		line[0] = 0;
	fclose(file);
	snprintf(path, sizeof(path), "online vif%u.%u %s\n", d->domid, d->id,
		 d->back);
	return !strcmp(line, path);
}
