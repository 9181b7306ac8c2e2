// SPDX-License-Identifier: MIT
/* Devices as libxl and a guest's xenbus write them, see toolstack.h. */
#include "toolstack.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_MS 10000

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
	return hyper_readf(d->host->dom0, 0, XPV_PATH_ERROR "/%s",
			   (unsigned int)d->host->self, d->class, d->domid,
			   d->id, xpv_key(XPV_KEY_ERROR));
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

	snprintf(d.back, sizeof(d.back), XPV_PATH_BACK,
		 (unsigned int)host->self, class, domid, id);
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
	h->ops->set_perms(h, tx, d->front, d->domid, d->host->self, "r");
	ck_assert_int_eq(h->ops->mkdir(h, tx, d->back), 0);
	h->ops->set_perms(h, tx, d->back, d->host->self, d->domid, "r");
	snprintf(number, sizeof(number), "%u", d->domid);
	put(h, tx, d->back, xpv_key(XPV_KEY_FRONTEND), d->front);
	put(h, tx, d->back, xpv_key(XPV_KEY_FRONTEND_ID), number);
	put(h, tx, d->back, xpv_key(XPV_KEY_ONLINE), "1");
	put(h, tx, d->back, xpv_key(XPV_KEY_STATE), "1");
	put(h, tx, d->front, xpv_key(XPV_KEY_BACKEND), d->back);
	snprintf(number, sizeof(number), "%u", d->host->self);
	put(h, tx, d->front, xpv_key(XPV_KEY_BACKEND_ID), number);
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
	return vif_add_to(host, domid, id, mac, NULL, NULL);
}

struct vdev vif_add_to(struct host *host, uint16_t domid, uint32_t id,
		       const char *mac, const char *bridge, const char *ip)
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
		if (bridge) {
			put(h, tx, d.back, xpv_key(XPV_KEY_BRIDGE), bridge);
			put(h, tx, d.back, xpv_key(XPV_KEY_SCRIPT),
			    "/etc/xen/scripts/vif-xpv");
		}
		if (ip)
			put(h, tx, d.back, xpv_key(XPV_KEY_IP), ip);
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
		f->page[i] = f->guest->ops->share(f->guest, d->host->self, 1,
						  true, &f->gref[i]);
		ck_assert_ptr_nonnull(f->page[i]);
	}
	port = f->guest->ops->evtchn_alloc(f->guest, d->host->self);
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
