// SPDX-License-Identifier: MIT
#include "disks.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct disks disks;

void disks_setup(void)
{
	char spec[HOST_PATH];

	host_setup(&disks.host);
	host_domain(&disks.host, DISKS_GUEST, "a");
	hyper_local_spec(disks.host.machine, DISKS_GUEST, spec, sizeof(spec));
	disks.guest =
		hyper_open(spec, HYPER_SHARE | HYPER_EVTCHN | HYPER_STORE);
	ck_assert_ptr_nonnull(disks.guest);
}

static bool freed(void *fe)
{
	return !userblk_free(fe);
}

void disks_let_go(struct userblk *fe)
{
	disks.fronts[fe == disks.fronts[1]] = NULL;
	ck_assert(wait_until(freed, fe, 5000));
}

void disks_teardown(void)
{
	pid_t pids[8];
	unsigned int n;

	/* Nobody serves the frontends any more: their pages can go. */
	if (disks.host.xpvd)
		host_stop_xpvd(&disks.host, SIGTERM);
	for (n = host_workers(&disks.host, pids, 8); n; n--)
		kill(pids[n - 1], SIGKILL);
	for (n = 0; n < 2; n++)
		if (disks.fronts[n])
			disks_let_go(disks.fronts[n]);
	hyper_close(disks.guest);
	host_teardown(&disks.host);
}

/* ---- words ---- */

bool disks_holds(void *arg)
{
	struct disks_expectation *e = arg;
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

static void expect_that(struct disks_expectation e)
{
	char *value;

	if (wait_until(disks_holds, &e, 5000))
		return;
	value = back_read(e.d, e.key);
	ck_abort_msg("%s is %s, not %s", e.key, value ? value : "absent",
		     e.text ? e.text : "absent");
}

void disks_expect(struct vdev *d, enum xpv_key key, const char *value)
{
	expect_that((struct disks_expectation){d, xpv_key(key), value, true});
}

void disks_expect_part(struct vdev *d, enum xpv_key key, const char *part)
{
	expect_that((struct disks_expectation){d, xpv_key(key), part, false});
}

static const struct userblk_config plain = {.data_pages = 64};

void disks_front_as(struct attach *a, struct vdev *d,
		    const struct userblk_config *config)
{
	struct userblk *fe = userblk_new(disks.guest, config);

	ck_assert_ptr_nonnull(fe);
	ck_assert(!disks.fronts[0] || !disks.fronts[1]);
	disks.fronts[disks.fronts[0] != NULL] = fe;
	ck_assert_int_eq(attach_begin(a, fe, d->front, DISKS_WAIT), 0);
}

void disks_front(struct attach *a, struct vdev *d)
{
	disks_front_as(a, d, &plain);
}

void disks_end(struct attach *a)
{
	ck_assert_int_eq(attach_end(a, DISKS_WAIT), 0);
	disks_let_go(a->fe);
}

struct vdev disks_connected(struct attach *a, const char *params,
			    const char *path, const char *mode)
{
	struct vdev d =
		vbd_add(&disks.host, DISKS_GUEST, DISKS_XVDA, params, mode);

	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, path);
	disks_front(a, &d);
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

int disks_call(struct attach *a, uint8_t op, uint64_t sector)
{
	struct xpv_blk_request req = page_at(a, op, sector);
	int status = -1;

	ck_assert_int_eq(userblk_call(a->fe, 0, &req, DISKS_WAIT, &status), 0);
	return status;
}

void disks_submit(struct attach *a, uint64_t id, uint8_t op, uint64_t sector)
{
	struct xpv_blk_request req = page_at(a, op, sector);

	req.id = id;
	ck_assert(userblk_submit(a->fe, 0, &req));
	userblk_push(a->fe, 0);
}
