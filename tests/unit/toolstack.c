// SPDX-License-Identifier: MIT
#include "toolstack.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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

#define PATIENCE_MS 10000
#define DISK_BYTES  (1 << 20)

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

static void own_program(char *path, size_t size, const char *name)
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
	n = host_workers(host, pids, 64);
	while (n)
		kill(pids[--n], SIGKILL);
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
	char spec[HOST_PATH];
	int fd;

	memset(host, 0, sizeof(*host));
	strcpy(host->dir, "/tmp/xpv-test.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(host->dir));
	start_guard(host);
	snprintf(host->disk, sizeof(host->disk), "%s/disk", host->dir);
	snprintf(host->log, sizeof(host->log), "%s/log", host->dir);
	fd = open(host->disk, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, DISK_BYTES), 0);
	close(fd);
	host->machine = hyper_local_create(NULL);
	ck_assert_ptr_nonnull(host->machine);
	hyper_local_spec(host->machine, 0, spec, sizeof(spec));
	host->dom0 = hyper_open(spec, HYPER_STORE);
	ck_assert_ptr_nonnull(host->dom0);
	host_start_xpvd(host);
}

static void run_xpvd(struct host *host)
{
	char xpvd[HOST_PATH], worker[HOST_PATH], run[HOST_PATH];
	char spec[HOST_PATH];
	int log = open(host->log, O_CREAT | O_WRONLY | O_APPEND, 0600);

	own_program(xpvd, sizeof(xpvd), "xpvd");
	own_program(worker, sizeof(worker), "xpv-worker");
	snprintf(run, sizeof(run), "%s/run", host->dir);
	hyper_local_spec(host->machine, 0, spec, sizeof(spec));
	/* Taps of tests are nobody else's business. */
	if (!host->dom0 || unshare(CLONE_NEWNET))
		dprintf(log, "no network namespace: %s\n", strerror(errno));
	dup2(log, STDERR_FILENO);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execl(xpvd, "xpvd", "--hyper", spec, "--worker", worker, "--run-dir",
	      run, NULL);
	dprintf(log, "%s: %s\n", xpvd, strerror(errno));
	_exit(127);
}

void host_start_xpvd(struct host *host)
{
	host->xpvd = fork();
	ck_assert_int_ge(host->xpvd, 0);
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
	return status == 0;
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

/* ---- nodes ---- */

static void put(struct hyper *h, uint32_t tx, const char *dir, const char *key,
		const char *value)
{
	ck_assert_int_eq(hyper_writef(h, tx, dir, key, "%s", value), 0);
}

void back_write(struct vdev *d, const char *key, const char *value)
{
	put(d->host->dom0, 0, d->back, key, value);
}

void front_write(struct vdev *d, const char *key, const char *value)
{
	put(d->host->dom0, 0, d->front, key, value);
}

void front_number(struct vdev *d, const char *key, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	front_write(d, key, text);
}

static void rm(struct vdev *d, const char *dir, const char *key)
{
	struct hyper *h = d->host->dom0;
	char path[2 * HOST_PATH];

	snprintf(path, sizeof(path), "%s/%s", dir, key);
	h->ops->rm(h, 0, path);
}

void front_rm(struct vdev *d, const char *key)
{
	rm(d, d->front, key);
}

void back_rm(struct vdev *d, const char *key)
{
	rm(d, d->back, key);
}

char *back_read(struct vdev *d, const char *key)
{
	return hyper_readf(d->host->dom0, 0, "%s/%s", d->back, key);
}

void front_state(struct vdev *d, enum xpv_state state)
{
	front_number(d, xpv_key(XPV_KEY_STATE), state);
}

int back_state(struct vdev *d)
{
	char *text = back_read(d, xpv_key(XPV_KEY_STATE));
	int state = text ? atoi(text) : -1;

	free(text);
	return state;
}

void wait_back(struct vdev *d, enum xpv_state state)
{
	char *error;

	for (unsigned int n = 0; n < PATIENCE_MS; n++) {
		if (back_state(d) == (int)state)
			return;
		pause_ms(1);
	}
	error = back_read(d, xpv_key(XPV_KEY_ERROR));
	ck_abort_msg("%s is in state %d, not %d; error: %s", d->back,
		     back_state(d), state, error ? error : "none");
}

static char *stock_error(struct vdev *d)
{
	return hyper_readf(d->host->dom0, 0, XPV_PATH_ERROR "/%s", 0u, d->class,
			   d->domid, d->id, xpv_key(XPV_KEY_ERROR));
}

void wait_error(struct vdev *d, const char *text, const char *more)
{
	char *error = NULL;
	char *stock;

	for (unsigned int n = 0; !error && n < PATIENCE_MS; n++) {
		error = back_read(d, xpv_key(XPV_KEY_ERROR));
		if (!error)
			pause_ms(1);
	}
	ck_assert_msg(error != NULL, "%s has no error, state %d", d->back,
		      back_state(d));
	ck_assert_msg(strstr(error, text) && strstr(error, more),
		      "error \"%s\" lacks \"%s\" or \"%s\"", error, text, more);
	stock = stock_error(d);
	ck_assert_msg(stock && !strncmp(stock, "22 ", 3) &&
			      !strcmp(stock + 3, error),
		      "at the kernel's place: %s", stock ? stock : "nothing");
	free(error);
	free(stock);
}

/* ---- devices ---- */

struct vdev vdev_of(struct host *host, const char *class, uint16_t domid,
		    uint32_t id)
{
	struct vdev d = {
		.host = host,
		.class = class,
		.domid = domid,
		.id = id,
	};

	snprintf(d.back, sizeof(d.back), XPV_PATH_BACK, 0u, class, domid, id);
	snprintf(d.front, sizeof(d.front), XPV_PATH_FRONT, domid, class, id);
	return d;
}

static uint32_t tx_start(struct host *host)
{
	uint32_t tx;

	ck_assert_int_eq(host->dom0->ops->tx_start(host->dom0, &tx), 0);
	return tx;
}

/* The keys that both classes have; the state comes last. */
static void add_common(struct vdev *d, uint32_t tx)
{
	struct hyper *h = d->host->dom0;
	char number[16];

	ck_assert_int_eq(h->ops->mkdir(h, tx, d->front), 0);
	h->ops->set_perms(h, tx, d->front, d->domid, 0, "r");
	ck_assert_int_eq(h->ops->mkdir(h, tx, d->back), 0);
	h->ops->set_perms(h, tx, d->back, 0, d->domid, "r");
	snprintf(number, sizeof(number), "%u", d->domid);
	put(h, tx, d->back, xpv_key(XPV_KEY_FRONTEND), d->front);
	put(h, tx, d->back, xpv_key(XPV_KEY_FRONTEND_ID), number);
	put(h, tx, d->back, xpv_key(XPV_KEY_ONLINE), "1");
	put(h, tx, d->back, xpv_key(XPV_KEY_STATE), "1");
	put(h, tx, d->front, xpv_key(XPV_KEY_BACKEND), d->back);
	put(h, tx, d->front, xpv_key(XPV_KEY_BACKEND_ID), "0");
	put(h, tx, d->front, xpv_key(XPV_KEY_STATE), "1");
}

struct vdev vbd_add(struct host *host, uint16_t domid, uint32_t id,
		    const char *params, const char *mode)
{
	struct vdev d = vdev_of(host, XPV_CLASS_VBD, domid, id);
	struct hyper *h = host->dom0;
	int err;

	do {
		uint32_t tx = tx_start(host);

		add_common(&d, tx);
		put(h, tx, d.back, xpv_key(XPV_KEY_PARAMS), params);
		put(h, tx, d.back, xpv_key(XPV_KEY_MODE), mode);
		put(h, tx, d.back, xpv_key(XPV_KEY_DEVICE_TYPE), "disk");
		err = h->ops->tx_end(h, tx, false);
	} while (err == -EAGAIN);
	ck_assert_int_eq(err, 0);
	return d;
}

struct vdev vif_add(struct host *host, uint16_t domid, uint32_t id,
		    const char *mac)
{
	struct vdev d = vdev_of(host, XPV_CLASS_VIF, domid, id);
	struct hyper *h = host->dom0;
	int err;

	do {
		uint32_t tx = tx_start(host);

		add_common(&d, tx);
		put(h, tx, d.back, xpv_key(XPV_KEY_MAC), mac);
		put(h, tx, d.back, xpv_key(XPV_KEY_HANDLE), "0");
		put(h, tx, d.front, xpv_key(XPV_KEY_MAC), mac);
		err = h->ops->tx_end(h, tx, false);
	} while (err == -EAGAIN);
	ck_assert_int_eq(err, 0);
	return d;
}

void vdev_hotplug(struct vdev *d, const char *path)
{
	if (path)
		back_write(d, xpv_key(XPV_KEY_PHYSICAL_DEVICE_PATH), path);
	back_write(d, xpv_key(XPV_KEY_HOTPLUG_STATUS), "connected");
}

void vdev_delete(struct vdev *d)
{
	struct hyper *h = d->host->dom0;

	h->ops->rm(h, 0, d->front);
	h->ops->rm(h, 0, d->back);
}

void vdev_remove(struct vdev *d)
{
	struct hyper *h = d->host->dom0;
	int err;

	do {
		uint32_t tx = tx_start(d->host);

		put(h, tx, d->back, xpv_key(XPV_KEY_ONLINE), "0");
		put(h, tx, d->back, xpv_key(XPV_KEY_STATE), "5");
		err = h->ops->tx_end(h, tx, false);
	} while (err == -EAGAIN);
	ck_assert_int_eq(err, 0);
	/* What every Linux frontend does. */
	front_state(d, XPV_STATE_CLOSED);
	wait_back(d, XPV_STATE_CLOSED);
	vdev_delete(d);
}

/* ---- a frontend ---- */

void fake_open(struct fake *f, struct vdev *d)
{
	char spec[HOST_PATH];
	int port;

	hyper_local_spec(d->host->machine, d->domid, spec, sizeof(spec));
	f->guest = hyper_open(spec, HYPER_SHARE | HYPER_EVTCHN);
	ck_assert_ptr_nonnull(f->guest);
	for (int i = 0; i < 2; i++) {
		f->page[i] =
			f->guest->ops->share(f->guest, 0, 1, true, &f->gref[i]);
		ck_assert_ptr_nonnull(f->page[i]);
	}
	port = f->guest->ops->evtchn_alloc(f->guest, 0);
	ck_assert_int_gt(port, 0);
	f->port = (uint32_t)port;
}

void fake_close(struct fake *f)
{
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(
			f->guest->ops->unshare(f->guest, f->page[i], 1), 0);
	hyper_close(f->guest);
}

static void publish_keys(struct fake *f, struct vdev *d)
{
	front_number(d, xpv_key(XPV_KEY_EVENT_CHANNEL), f->port);
	if (!strcmp(d->class, XPV_CLASS_VBD)) {
		front_number(d, xpv_key(XPV_KEY_RING_REF), f->gref[0]);
		front_write(d, xpv_key(XPV_KEY_PROTOCOL), "x86_64-abi");
		return;
	}
	front_number(d, xpv_key(XPV_KEY_TX_RING_REF), f->gref[0]);
	front_number(d, xpv_key(XPV_KEY_RX_RING_REF), f->gref[1]);
	front_write(d, xpv_key(XPV_KEY_REQUEST_RX_COPY), "1");
	front_write(d, xpv_key(XPV_KEY_FEATURE_RX_NOTIFY), "1");
}

static void publish_state(struct vdev *d)
{
	front_state(d, strcmp(d->class, XPV_CLASS_VBD) ? XPV_STATE_CONNECTED
						       : XPV_STATE_INITIALISED);
}

void fake_publish(struct fake *f, struct vdev *d)
{
	publish_keys(f, d);
	publish_state(d);
}

void fake_publish_but(struct fake *f, struct vdev *d, const char *key,
		      const char *value)
{
	publish_keys(f, d);
	if (!value)
		front_rm(d, key);
	else
		front_write(d, key, value);
	if (strcmp(key, xpv_key(XPV_KEY_STATE)))
		publish_state(d);
}
