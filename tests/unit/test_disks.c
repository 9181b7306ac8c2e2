// SPDX-License-Identifier: MIT
/*
 * Disks as an administrator meets them: options, sizes that change, storage
 * that is full or fails, drives without a disc.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/user/attach.h"
#include "badfs.h"
#include "suites.h"
#include "toolstack.h"

#define GUEST 5
#define XVDA  51712
#define WAIT  10000
#define MIB   (1 << 20)

static struct host host;
static struct hyper *guest;
static struct userblk *fronts[2]; /* of the test */

static void setup(void)
{
	char spec[HOST_PATH];

	host_setup(&host);
	host_domain(&host, GUEST, "a");
	hyper_local_spec(host.machine, GUEST, spec, sizeof(spec));
	guest = hyper_open(spec, HYPER_SHARE | HYPER_EVTCHN | HYPER_STORE);
	ck_assert_ptr_nonnull(guest);
}

static bool freed(void *fe)
{
	return !userblk_free(fe);
}

static void let_go(struct userblk *fe)
{
	fronts[fe == fronts[1]] = NULL;
	ck_assert(wait_until(freed, fe, 5000));
}

static void teardown(void)
{
	pid_t pids[8];
	unsigned int n;

	/* Nobody serves the frontends any more: their pages can go. */
	if (host.xpvd)
		host_stop_xpvd(&host, SIGTERM);
	for (n = host_workers(&host, pids, 8); n; n--)
		kill(pids[n - 1], SIGKILL);
	for (n = 0; n < 2; n++)
		if (fronts[n])
			let_go(fronts[n]);
	hyper_close(guest);
	host_teardown(&host);
}

/* ---- words ---- */

struct expectation {
	struct vdev *d;
	const char *key;
	const char *text; /* that it holds; NULL: absent */
	bool whole;
};

static bool holds(void *arg)
{
	struct expectation *e = arg;
	char *value = back_read(e->d, e->key);
	bool good;

	if (!e->text || !value)
		good = !e->text && !value;
	else
		good = e->whole ? !strcmp(value, e->text)
				: strstr(value, e->text) != NULL;
	free(value);
	return good;
}

static void expect_that(struct expectation e)
{
	char *value;

	if (wait_until(holds, &e, 5000))
		return;
	value = back_read(e.d, e.key);
	ck_abort_msg("%s is %s, not %s", e.key, value ? value : "absent",
		     e.text ? e.text : "absent");
}

static void expect(struct vdev *d, enum xpv_key key, const char *value)
{
	expect_that((struct expectation){d, xpv_key(key), value, true});
}

static void expect_part(struct vdev *d, enum xpv_key key, const char *part)
{
	expect_that((struct expectation){d, xpv_key(key), part, false});
}

static const struct userblk_config plain = {.data_pages = 64};

static void front_connect_as(struct attach *a, struct vdev *d,
			     const struct userblk_config *config)
{
	struct userblk *fe = userblk_new(guest, config);

	ck_assert_ptr_nonnull(fe);
	ck_assert(!fronts[0] || !fronts[1]);
	fronts[fronts[0] != NULL] = fe;
	ck_assert_int_eq(attach_begin(a, fe, d->front, WAIT), 0);
}

static void front_connect(struct attach *a, struct vdev *d)
{
	front_connect_as(a, d, &plain);
}

static void end(struct attach *a)
{
	ck_assert_int_eq(attach_end(a, WAIT), 0);
	let_go(a->fe);
}

static struct vdev connected(struct attach *a, const char *params,
			     const char *path, const char *mode)
{
	struct vdev d = vbd_add(&host, GUEST, XVDA, params, mode);

	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, path);
	front_connect(a, &d);
	return d;
}

static struct xpv_blk_request page_at(struct attach *a, uint8_t op,
				      uint64_t sector)
{
	struct xpv_blk_request req = {.op = op, .sector = sector};

	if (op != XPV_BLKIF_FLUSH)
		userblk_segments(a->fe, &req, 0, 1);
	return req;
}

static int call(struct attach *a, uint8_t op, uint64_t sector)
{
	struct xpv_blk_request req = page_at(a, op, sector);
	int status = -1;

	ck_assert_int_eq(userblk_call(a->fe, 0, &req, WAIT, &status), 0);
	return status;
}

static void resize_file(const char *path, off_t size)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, size), 0);
	close(fd); /* which is what is noticed */
}

static void uri(char *target, size_t size, const char *query)
{
	snprintf(target, size, "file:%s?%s", host.disk, query);
}

/* ---- options ---- */

START_TEST(options_of_the_target)
{
	char target[256];
	struct attach a;
	struct vdev d;

	uri(target, sizeof(target),
	    "queues=2&ring-order=1&indirect=64&sector-size=4096&"
	    "physical-sector-size=8192&cache=writethrough");
	d = vbd_add(&host, GUEST, XVDA, target, "w");
	wait_back(&d, XPV_STATE_INIT_WAIT);
	expect(&d, XPV_KEY_MAX_RING_ORDER, "1");
	expect(&d, XPV_KEY_MQ_MAX_QUEUES, "2");
	expect(&d, XPV_KEY_MAX_INDIRECT, "64");
	/* No script wrote a path: the target's is taken. */
	vdev_hotplug(&d, NULL);
	front_connect(&a, &d);
	expect(&d, XPV_KEY_SECTORS, "2048");
	expect(&d, XPV_KEY_SECTOR_SIZE, "4096");
	expect(&d, XPV_KEY_PHYSICAL_SECTOR_SIZE, "8192");
	expect(&d, XPV_KEY_FEATURE_DISCARD, "1");
	expect(&d, XPV_KEY_DISCARD_GRANULARITY, "4096");
	expect(&d, XPV_KEY_DISCARD_ALIGNMENT, "0");
	expect(&d, XPV_KEY_DISCARD_SECURE, "0");
	ck_assert_uint_eq(host_log_lines(&host, "cache=writethrough"), 1);
	ck_assert_int_eq(call(&a, XPV_BLKIF_WRITE, 8), XPV_BLKIF_OKAY);
	ck_assert_int_eq(call(&a, XPV_BLKIF_WRITE, 1), XPV_BLKIF_ERROR);
}
END_TEST

START_TEST(more_than_offered)
{
	char target[256];
	struct vdev d;
	struct fake f;

	uri(target, sizeof(target), "ring-order=1&queues=1");
	d = vbd_add(&host, GUEST, XVDA, target, "w");
	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, NULL);
	fake_open(&f, &d);
	fake_publish_but(&f, &d, xpv_key(XPV_KEY_RING_ORDER), "2");
	wait_error(&d, "ring-page-order = \"2\"", "0 to 1, as offered");
}
END_TEST

START_TEST(bad_options)
{
	char target[256];
	struct vdev d;
	char *left;

	uri(target, sizeof(target), "cache=none");
	d = vbd_add(&host, GUEST, XVDA, target, "w");
	/* Not before the script had its say. */
	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, host.disk);
	wait_error(&d, "params: target \"file:", "cache = \"none\": expected");
	vdev_delete(&d);
	/* Nothing is left of it, nor of its guest. */
	for (int n = 0; n < 5000; n++) {
		left = hyper_readf(host.dom0, 0,
				   "/local/domain/0/error/backend/vbd/%u",
				   GUEST);
		if (!left)
			break;
		free(left);
		pause_ms(1);
	}
	ck_assert_ptr_null(left);
}
END_TEST

static void write_config(const char *text)
{
	FILE *file = fopen(host.config, "we");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

/* What a guest was offered once holds, whatever the host says later. */
START_TEST(options_of_the_host)
{
	struct vdev d, other;
	struct attach a;

	host_stop_xpvd(&host, SIGTERM);
	write_config("[disk]\nindirect = 128\ndiscard = off\n");
	host_start_xpvd(&host);
	d = connected(&a, host.disk, host.disk, "w");
	expect(&d, XPV_KEY_MAX_INDIRECT, "128");
	expect(&d, XPV_KEY_FEATURE_DISCARD, "0");

	host_stop_xpvd(&host, SIGTERM);
	write_config("[disk]\nindirect = 32\n");
	host_start_xpvd(&host);
	other = vbd_add(&host, GUEST, XVDA + 16, host.disk, "w");
	wait_back(&other, XPV_STATE_INIT_WAIT);
	expect(&other, XPV_KEY_MAX_INDIRECT, "32");
	end(&a);
	front_state(&d, XPV_STATE_INITIALISING);
	wait_back(&d, XPV_STATE_INIT_WAIT);
	expect(&d, XPV_KEY_MAX_INDIRECT, "128");
	front_connect(&a, &d);
	ck_assert_int_eq(call(&a, XPV_BLKIF_WRITE, 8), XPV_BLKIF_OKAY);
}
END_TEST

static bool has_worker(void *arg)
{
	pid_t pid;

	(void)arg;
	return host_workers(&host, &pid, 1) == 1;
}

/* A frontend takes up what was offered by a supervisor that is no more. */
START_TEST(offer_of_another_supervisor)
{
	const struct userblk_config config = {.data_pages = 1,
					      .persistent = true};
	struct vdev d = vbd_add(&host, GUEST, XVDA, host.disk, "w");
	struct attach a;

	wait_back(&d, XPV_STATE_INIT_WAIT);
	expect(&d, XPV_KEY_FEATURE_PERSISTENT, "1");
	vdev_hotplug(&d, host.disk);
	ck_assert(wait_until(has_worker, NULL, 5000));
	host_stop_xpvd(&host, SIGKILL);
	/* What it would offer is not what it did. */
	write_config("[disk]\npersistent = off\n");
	host_start_xpvd(&host);
	front_connect_as(&a, &d, &config);
	expect(&d, XPV_KEY_FEATURE_PERSISTENT, "1");
	ck_assert_int_eq(call(&a, XPV_BLKIF_WRITE, 0), XPV_BLKIF_OKAY);
	/* Its page stays mapped. */
	ck_assert_int_eq(guest->ops->unshare(guest, a.fe->data, 1), -EBUSY);
}
END_TEST

START_TEST(bad_config_stops_xpvd)
{
	host_stop_xpvd(&host, SIGTERM);
	write_config("[disk]\nfull = stop\n");
	host_start_xpvd(&host);
	ck_assert_int_ne(host_stop_xpvd(&host, 0), 0);
	host.xpvd = 0;
	ck_assert_uint_eq(host_log_lines(&host, "full = \"stop\": expected "
						"pause or error"),
			  1);
}
END_TEST

/* ---- drives ---- */

START_TEST(drive_waits_for_a_disc)
{
	struct vdev d = vbd_add(&host, GUEST, XVDA, "", "r");
	struct attach a;

	back_write(&d, xpv_key(XPV_KEY_DEVICE_TYPE), "cdrom");
	back_write(&d, xpv_key(XPV_KEY_REMOVABLE), "1");
	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, NULL);
	pause_ms(100);
	ck_assert_int_eq(back_state(&d), XPV_STATE_INIT_WAIT);
	back_write(&d, xpv_key(XPV_KEY_PARAMS), host.disk);
	front_connect(&a, &d);
	expect(&d, XPV_KEY_INFO, "7");
	ck_assert_int_eq(call(&a, XPV_BLKIF_READ, 0), XPV_BLKIF_OKAY);
}
END_TEST

/* 26 letters are not all there is. */
START_TEST(many_disks)
{
	static struct vdev d[60];

	for (uint32_t i = 0; i < 60; i++) {
		d[i] = vbd_add(&host, GUEST,
			       i < 16 ? XVDA + 16 * i : 1u << 28 | i << 8,
			       host.disk, "w");
		vdev_hotplug(&d[i], host.disk);
	}
	for (uint32_t i = 0; i < 60; i++)
		wait_back(&d[i], XPV_STATE_INIT_WAIT);
	for (uint32_t i = 0; i < 60; i += 59) {
		struct attach a;

		front_connect(&a, &d[i]);
		ck_assert_int_eq(call(&a, XPV_BLKIF_WRITE, 0), XPV_BLKIF_OKAY);
		end(&a);
	}
}
END_TEST

/* ---- sizes ---- */

static unsigned int events(void)
{
	struct hyper_watch_event event;
	unsigned int n = 0;

	while (!host.dom0->ops->next_watch(host.dom0, &event))
		n++;
	return n;
}

START_TEST(grows)
{
	char path[HOST_PATH + 16];
	struct attach a;
	struct vdev d = connected(&a, host.disk, host.disk, "w");

	ck_assert_int_eq(call(&a, XPV_BLKIF_READ, 2048), XPV_BLKIF_ERROR);
	snprintf(path, sizeof(path), "%s/state", d.back);
	ck_assert_int_eq(host.dom0->ops->watch(host.dom0, path, "t"), 0);
	pause_ms(50);
	events();
	resize_file(host.disk, 2 * MIB);
	expect(&d, XPV_KEY_SECTORS, "4096");
	/* The frontend looks because the state was written again. */
	pause_ms(20);
	ck_assert_uint_eq(events(), 1);
	ck_assert_int_eq(back_state(&d), XPV_STATE_CONNECTED);
	ck_assert_int_eq(call(&a, XPV_BLKIF_READ, 2048), XPV_BLKIF_OKAY);
	ck_assert_int_eq(call(&a, XPV_BLKIF_READ, 4096), XPV_BLKIF_ERROR);
}
END_TEST

/* By path alone, which nobody notices: the tool says so. */
START_TEST(tool_resizes)
{
	struct attach a;
	struct vdev d = connected(&a, host.disk, host.disk, "w");

	ck_assert_int_eq(truncate(host.disk, 3 * MIB), 0);
	pause_ms(50);
	expect(&d, XPV_KEY_SECTORS, "2048");
	back_write(&d, xpv_key(XPV_KEY_RESIZE), "now");
	expect(&d, XPV_KEY_RESIZE, NULL);
	/* By now, not some time later. */
	ck_assert(holds(&(struct expectation){&d, xpv_key(XPV_KEY_SECTORS),
					      "6144", true}));
	back_write(&d, xpv_key(XPV_KEY_RESIZE), "now");
	expect(&d, XPV_KEY_RESIZE, NULL);
	ck_assert_int_eq(call(&a, XPV_BLKIF_READ, 6136), XPV_BLKIF_OKAY);
}
END_TEST

START_TEST(shrinks)
{
	struct attach a;
	struct vdev d = connected(&a, host.disk, host.disk, "w");

	resize_file(host.disk, MIB / 2);
	expect_part(&d, XPV_KEY_CONDITION, "shrank from 1048576 to 524288");
	expect(&d, XPV_KEY_SECTORS, "2048");
	ck_assert_uint_eq(host_log_lines(&host, "shrank from 1048576"), 1);
	ck_assert_int_eq(call(&a, XPV_BLKIF_READ, 1024), XPV_BLKIF_ERROR);
	ck_assert_int_eq(call(&a, XPV_BLKIF_WRITE, 1024), XPV_BLKIF_ERROR);
	ck_assert_int_eq(call(&a, XPV_BLKIF_WRITE, 0), XPV_BLKIF_OKAY);
	resize_file(host.disk, 2 * MIB);
	expect(&d, XPV_KEY_CONDITION, NULL);
	expect(&d, XPV_KEY_SECTORS, "4096");
	resize_file(host.disk, MIB);
	expect_part(&d, XPV_KEY_CONDITION, "from 2097152 to 1048576");
	/* A guest that comes anew is told what is there. */
	end(&a);
	front_state(&d, XPV_STATE_INITIALISING);
	wait_back(&d, XPV_STATE_INIT_WAIT);
	resize_file(host.disk, MIB);
	front_connect(&a, &d);
	expect(&d, XPV_KEY_SECTORS, "2048");
	expect(&d, XPV_KEY_CONDITION, NULL);
}
END_TEST

/* It grew while nobody looked, under a worker that is new as well. */
START_TEST(grows_behind_our_back)
{
	struct attach a;
	struct vdev d = connected(&a, host.disk, host.disk, "w");
	pid_t pid;

	host_stop_xpvd(&host, SIGKILL);
	resize_file(host.disk, 2 * MIB);
	host_start_xpvd(&host);
	expect(&d, XPV_KEY_SECTORS, "4096");
	ck_assert_int_eq(call(&a, XPV_BLKIF_READ, 2048), XPV_BLKIF_OKAY);
	resize_file(host.disk, MIB);
	expect_part(&d, XPV_KEY_CONDITION, "from 2097152 to 1048576");
	ck_assert_uint_eq(host_workers(&host, &pid, 1), 1);
	kill(pid, SIGKILL);
	ck_assert_int_eq(call(&a, XPV_BLKIF_READ, 0), XPV_BLKIF_OKAY);
	ck_assert_int_eq(call(&a, XPV_BLKIF_READ, 2048), XPV_BLKIF_ERROR);
	expect(&d, XPV_KEY_SECTORS, "4096");
	resize_file(host.disk, 3 * MIB);
	expect(&d, XPV_KEY_SECTORS, "6144");
	expect(&d, XPV_KEY_CONDITION, NULL);
	ck_assert_int_eq(call(&a, XPV_BLKIF_READ, 6136), XPV_BLKIF_OKAY);
}
END_TEST

/* ---- full ---- */

static struct {
	char dir[HOST_PATH], disk[HOST_PATH], hog[HOST_PATH];
} full;

/* A disk in a file system whose space somebody else has taken. */
static void make_full(void)
{
	int fd;

	snprintf(full.dir, sizeof(full.dir), "%.64s/full", host.dir);
	snprintf(full.disk, sizeof(full.disk), "%.80s/disk", full.dir);
	snprintf(full.hog, sizeof(full.hog), "%.80s/hog", full.dir);
	ck_assert_int_eq(mkdir(full.dir, 0700), 0);
	ck_assert_int_eq(mount("xpv", full.dir, "tmpfs", 0, "size=1m"), 0);
	fd = open(full.disk, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	ck_assert_int_eq(ftruncate(fd, MIB), 0);
	close(fd);
	fd = open(full.hog, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	ck_assert_int_eq(fallocate(fd, 0, 0, MIB), 0);
	close(fd);
}

/* Mounts are the test's own, and of the xpvd that it starts. */
static void setup_mounts(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL),
			 0);
	setup();
	host_stop_xpvd(&host, SIGTERM);
}

static void teardown_full(void)
{
	umount2(full.dir, MNT_DETACH);
	teardown();
}

static void submit(struct attach *a, uint64_t id, uint8_t op, uint64_t sector)
{
	struct xpv_blk_request req = page_at(a, op, sector);

	req.id = id;
	ck_assert(userblk_submit(a->fe, 0, &req));
	userblk_push(a->fe, 0);
}

/* Its one write finds no space, and waits. */
static struct vdev connected_and_waiting(struct attach *a)
{
	struct vdev d;

	make_full();
	host_start_xpvd(&host);
	d = connected(a, full.disk, full.disk, "w");
	submit(a, 1, XPV_BLKIF_WRITE, 0);
	expect_part(&d, XPV_KEY_CONDITION, "No space left on device");
	return d;
}

START_TEST(full_pauses)
{
	struct xpv_blk_response rsp;
	struct attach a;
	struct vdev d = connected_and_waiting(&a);

	ck_assert_int_eq(userblk_reap(a.fe, 0, &rsp, 1), 0);
	/* A new supervisor learns of it. */
	host_stop_xpvd(&host, SIGKILL);
	back_rm(&d, xpv_key(XPV_KEY_CONDITION));
	host_start_xpvd(&host);
	expect_part(&d, XPV_KEY_CONDITION, "No space left on device");
	ck_assert_int_eq(truncate(full.hog, 0), 0);
	ck_assert_int_eq(userblk_wait(a.fe, WAIT), 1);
	ck_assert_int_eq(userblk_reap(a.fe, 0, &rsp, 1), 1);
	ck_assert_int_eq(rsp.status, XPV_BLKIF_OKAY);
	expect(&d, XPV_KEY_CONDITION, NULL);
}
END_TEST

static bool worker_changed(void *arg)
{
	pid_t pid;

	return host_workers(&host, &pid, 1) && pid != *(pid_t *)arg;
}

/* A worker that is asked to go leaves what waits to the next one. */
START_TEST(full_outlives_worker)
{
	struct xpv_blk_response rsp[2];
	struct attach a;
	struct vdev d = connected_and_waiting(&a);
	pid_t pid;

	/* Done, but behind the one that waits. */
	submit(&a, 2, XPV_BLKIF_READ, 0);
	ck_assert_uint_eq(host_workers(&host, &pid, 1), 1);
	kill(pid, SIGTERM);
	ck_assert(wait_until(worker_changed, &pid, 5000));
	expect_part(&d, XPV_KEY_CONDITION, "No space left on device");
	ck_assert_int_eq(userblk_reap(a.fe, 0, rsp, 2), 0);
	ck_assert_int_eq(truncate(full.hog, 0), 0);
	for (unsigned int n = 0; n < 2; n++) {
		ck_assert_int_eq(userblk_wait(a.fe, WAIT), 1);
		ck_assert_int_eq(userblk_reap(a.fe, 0, rsp, 1), 1);
		ck_assert_int_eq(rsp[0].status, XPV_BLKIF_OKAY);
	}
	expect(&d, XPV_KEY_CONDITION, NULL);
}
END_TEST

/* Nothing waits for space that is asked to go. */
START_TEST(full_goes)
{
	struct attach a;
	struct vdev d = connected_and_waiting(&a);

	vdev_remove(&d);
	let_go(a.fe);
}
END_TEST

START_TEST(full_fails)
{
	char target[HOST_PATH + 32];
	struct attach a;
	struct vdev d;

	make_full();
	host_start_xpvd(&host);
	snprintf(target, sizeof(target), "file:%s?full=error", full.disk);
	d = connected(&a, target, full.disk, "w");
	ck_assert_int_eq(call(&a, XPV_BLKIF_WRITE, 0), XPV_BLKIF_ERROR);
	ck_assert_int_eq(call(&a, XPV_BLKIF_READ, 0), XPV_BLKIF_OKAY);
	expect(&d, XPV_KEY_CONDITION, NULL);
}
END_TEST

/* ---- failed ---- */

static struct badfs bad;

/* False: nothing to be tested with. */
static bool bad_disk(struct attach *a, struct vdev *d)
{
	if (!badfs_start(&bad, host.dir))
		return false;
	host_start_xpvd(&host);
	*d = connected(a, bad.disk, bad.disk, "w");
	return true;
}

static void teardown_bad(void)
{
	badfs_stop(&bad);
	teardown();
}

static void expect_no_flush(struct attach *a, struct vdev *d)
{
	ck_assert_int_eq(call(a, XPV_BLKIF_FLUSH, 0), XPV_BLKIF_ERROR);
	/* Not tried: it would have succeeded. */
	ck_assert_uint_eq(bad.c->syncs, 1);
	expect(d, XPV_KEY_FLUSH_ERROR, "5");
	expect_part(d, XPV_KEY_CONDITION, "a flush failed: Input/output error");
}

/* Made anew it may try again. */
static void attach_again(struct attach *a, struct vdev *d)
{
	end(a);
	vdev_remove(d);
	*d = connected(a, bad.disk, bad.disk, "w");
	expect(d, XPV_KEY_FLUSH_ERROR, NULL);
	ck_assert_int_eq(call(a, XPV_BLKIF_FLUSH, 0), XPV_BLKIF_OKAY);
}

/*
 * What was not made durable once is not so later, whichever worker is asked,
 * and whichever supervisor asks.
 */
START_TEST(failed_flush_stays)
{
	struct attach a;
	struct vdev d;
	pid_t pid;

	if (!bad_disk(&a, &d))
		return;
	bad.c->sync_error = -EIO;
	ck_assert_int_eq(call(&a, XPV_BLKIF_FLUSH, 0), XPV_BLKIF_ERROR);
	expect_no_flush(&a, &d);
	host_stop_xpvd(&host, SIGKILL);
	host_start_xpvd(&host);
	ck_assert_uint_eq(host_workers(&host, &pid, 1), 1);
	kill(pid, SIGKILL);
	expect_no_flush(&a, &d);
	attach_again(&a, &d);
}
END_TEST

/*
 * The same when nobody lives to tell: the supervisor does not read what the
 * worker says, and both are killed as soon as the guest has its answer.
 */
START_TEST(failed_flush_outlives_all)
{
	struct attach a;
	struct vdev d;
	pid_t pid;

	if (!bad_disk(&a, &d))
		return;
	ck_assert_uint_eq(host_workers(&host, &pid, 1), 1);
	kill(host.xpvd, SIGSTOP);
	bad.c->sync_error = -EIO;
	ck_assert_int_eq(call(&a, XPV_BLKIF_FLUSH, 0), XPV_BLKIF_ERROR);
	kill(pid, SIGKILL);
	host_stop_xpvd(&host, SIGKILL);
	expect(&d, XPV_KEY_FLUSH_ERROR, NULL);
	host_start_xpvd(&host);
	expect_no_flush(&a, &d);
	attach_again(&a, &d);
}
END_TEST

static bool one_held(void *arg)
{
	(void)arg;
	return __atomic_load_n(&bad.c->held, __ATOMIC_SEQ_CST) == 1;
}

static bool dead(void *pid)
{
	return kill(*(pid_t *)pid, 0) != 0;
}

/*
 * What a worker had given to the disk lands although it is dead. Before that
 * the guest must not hear that its write is done: it may write there anew.
 */
START_TEST(late_write)
{
	static const char *const engine[] = {"uring", "uring", "threads"};
	struct xpv_blk_response rsp;
	char target[HOST_PATH + 32];
	struct attach a;
	pid_t pid;

	if (!badfs_start(&bad, host.dir))
		return;
	host_start_xpvd(&host);
	snprintf(target, sizeof(target), "file:%s?cache=direct&engine=%s",
		 bad.disk, engine[_i]);
	connected(&a, target, bad.disk, "w");
	ck_assert_uint_eq(host_workers(&host, &pid, 1), 1);
	bad.c->hold = true;
	submit(&a, 1, XPV_BLKIF_WRITE, 0);
	ck_assert(wait_until(one_held, NULL, 5000));
	if (_i == 1)
		host_stop_xpvd(&host, SIGKILL);
	kill(pid, SIGKILL);
	if (_i == 1)
		host_start_xpvd(&host);
	/* A ring of io_uring outlives its process, a thread does not. */
	if (_i == 0)
		ck_assert(wait_until(dead, &pid, 5000));
	/* Long enough for the next worker, which asks for the same write. */
	for (unsigned int n = 0; n < 150; n++) {
		pause_ms(10);
		ck_assert(one_held(NULL));
	}
	ck_assert_int_eq(userblk_reap(a.fe, 0, &rsp, 1), 0);
	if (_i < 2)
		ck_assert_uint_eq(host_log_lines(&host, "has yet to finish"),
				  1);
	bad.c->hold = false;
	ck_assert_int_eq(userblk_wait(a.fe, WAIT), 1);
	ck_assert_int_eq(userblk_reap(a.fe, 0, &rsp, 1), 1);
	ck_assert_int_eq(rsp.status, XPV_BLKIF_OKAY);
}
END_TEST

Suite *disks_suite(void)
{
	Suite *s = suite_create("disks");
	TCase *c = tcase_create("disks");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 120);
	tcase_add_test(c, options_of_the_target);
	tcase_add_test(c, more_than_offered);
	tcase_add_test(c, bad_options);
	tcase_add_test(c, options_of_the_host);
	tcase_add_test(c, offer_of_another_supervisor);
	tcase_add_test(c, bad_config_stops_xpvd);
	tcase_add_test(c, drive_waits_for_a_disc);
	tcase_add_test(c, many_disks);
	tcase_add_test(c, grows);
	tcase_add_test(c, tool_resizes);
	tcase_add_test(c, shrinks);
	tcase_add_test(c, grows_behind_our_back);
	suite_add_tcase(s, c);

	c = tcase_create("full");
	tcase_add_checked_fixture(c, setup_mounts, teardown_full);
	tcase_set_timeout(c, 120);
	tcase_add_test(c, full_pauses);
	tcase_add_test(c, full_outlives_worker);
	tcase_add_test(c, full_goes);
	tcase_add_test(c, full_fails);
	suite_add_tcase(s, c);

	c = tcase_create("bad");
	tcase_add_checked_fixture(c, setup_mounts, teardown_bad);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, failed_flush_stays);
	tcase_add_test(c, failed_flush_outlives_all);
	tcase_add_loop_test(c, late_write, 0, 3);
	suite_add_tcase(s, c);
	return s;
}
