// SPDX-License-Identifier: MIT
/* What is common to all devices in xenstore. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "keys.h"

/* Others may start transactions as fast as we do (XSA-206). */
#define TX_ATTEMPTS 32

/* What the stock hotplug scripts write when they are done. */
#define HOTPLUG_DONE   "connected"
#define HOTPLUG_FAILED "error"

static const struct hyper_ops *ops(const struct device *dev)
{
	return dev->sv->hyper->ops;
}

int device_read(struct device *dev)
{
	struct hyper *h = dev->sv->hyper;
	struct reason ignored;
	int err = key_state(h, 0, dev->back, &dev->own);

	if (err)
		return err;
	err = key_flag(h, dev->back, XPV_KEY_ONLINE, &dev->online, &ignored);
	if (err == -EINVAL)
		dev->online = false;
	else if (err)
		return err;
	dev->peer = XPV_STATE_UNKNOWN;
	/*
	 * A store that was lost a moment ago says "not alive" too, and no
	 * device may close for that: ask it something that it must know.
	 */
	if (!ops(dev)->domain_alive(h, (uint16_t)dev->key.domid))
		return key_state(h, 0, dev->back, &dev->own);
	err = key_state(h, 0, dev->front, &dev->peer);
	return err == -ENOENT || err == -EINVAL ? 0 : err;
}

int device_put(struct device *dev, uint32_t tx, enum xpv_key key,
	       uint64_t value)
{
	return hyper_writef(dev->sv->hyper, tx, dev->back, xpv_key(key),
			    "%" PRIu64, value);
}

static int update_in(struct device *dev, uint32_t tx,
		     int (*write)(struct device *dev, uint32_t tx))
{
	enum xpv_state own;
	int err = key_state(dev->sv->hyper, tx, dev->back, &own);

	/* Never bring a directory back that the toolstack has removed. */
	if (err == -ENOENT || (!err && own != dev->own))
		return -ESTALE;
	if (!err && write)
		err = write(dev, tx);
	return err;
}

static int update(struct device *dev, const enum xpv_state *next,
		  int (*write)(struct device *dev, uint32_t tx))
{
	struct hyper *h = dev->sv->hyper;
	uint32_t tx;
	int err = -EAGAIN;

	for (int n = 0; err == -EAGAIN && n < TX_ATTEMPTS; n++) {
		err = ops(dev)->tx_start(h, &tx);
		if (err)
			break;
		err = update_in(dev, tx, write);
		if (!err && next)
			err = device_put(dev, tx, XPV_KEY_STATE, *next);
		if (err)
			ops(dev)->tx_end(h, tx, true);
		else
			err = ops(dev)->tx_end(h, tx, false);
	}
	return err;
}

int device_update(struct device *dev,
		  int (*write)(struct device *dev, uint32_t tx))
{
	return update(dev, NULL, write);
}

int device_switch(struct device *dev, enum xpv_state next,
		  int (*publish)(struct device *dev, uint32_t tx))
{
	int err = update(dev, &next, publish);

	if (!err)
		dev->own = next;
	return err;
}

int device_rm(struct device *dev, uint32_t tx, enum xpv_key key)
{
	char path[PATH_MAX_STORE];
	int err = key_path(path, dev->back, key, 0);

	if (!err)
		err = ops(dev)->rm(dev->sv->hyper, tx, path);
	return err == -ENOENT ? 0 : err;
}

/* A path that has to be there and to be @expected. */
static int check_path(struct hyper *h, const char *dir, enum xpv_key key,
		      const char *expected, struct reason *why)
{
	char *text;
	int err = key_text(h, dir, key, &text, why);

	if (err)
		return err;
	if (strcmp(text, expected)) {
		key_complain(why, dir, key, text, expected);
		err = -EINVAL;
	}
	free(text);
	return err;
}

static int check_domid(struct hyper *h, const char *dir, enum xpv_key key,
		       uint32_t expected, struct reason *why)
{
	char had[16], wanted[16];
	uint32_t domid;
	int err = key_u32(h, dir, key, &domid, why);

	if (err || domid == expected)
		return err;
	snprintf(had, sizeof(had), "%u", domid);
	snprintf(wanted, sizeof(wanted), "%u", expected);
	key_complain(why, dir, key, had, wanted);
	return -EINVAL;
}

int device_check_back(struct device *dev, struct reason *why)
{
	struct hyper *h = dev->sv->hyper;
	int err = check_domid(h, dev->back, XPV_KEY_FRONTEND_ID, dev->key.domid,
			      why);

	if (err)
		return err;
	return check_path(h, dev->back, XPV_KEY_FRONTEND, dev->front, why);
}

int device_check_front(struct device *dev, struct reason *why)
{
	struct hyper *h = dev->sv->hyper;
	int err = check_domid(h, dev->front, XPV_KEY_BACKEND_ID, h->self, why);

	if (err)
		return err;
	return check_path(h, dev->front, XPV_KEY_BACKEND, dev->back, why);
}

int device_hotplugged(struct device *dev, struct reason *why)
{
	char *text;
	int err = key_text(dev->sv->hyper, dev->back, XPV_KEY_HOTPLUG_STATUS,
			   &text, why);

	if (!err)
		err = text && !strcmp(text, HOTPLUG_DONE);
	free(text);
	return err;
}

void device_tell_hotplug(struct device *dev)
{
	struct hyper *h = dev->sv->hyper;
	char *status, *words = NULL;
	struct reason ignored;
	bool failed;

	if (key_text(h, dev->back, XPV_KEY_HOTPLUG_STATUS, &status, &ignored))
		return;
	failed = status && !strcmp(status, HOTPLUG_FAILED);
	free(status);
	if (failed && !dev->script_failed) {
		key_text(h, dev->back, XPV_KEY_HOTPLUG_ERROR, &words, &ignored);
		device_log(dev, LOG_ERR, "its hotplug script failed: %s",
			   words ? words : "it did not say why");
		free(words);
	}
	dev->script_failed = failed;
}

static void error_dir(struct device *dev, char path[PATH_MAX_STORE])
{
	snprintf(path, PATH_MAX_STORE, XPV_PATH_ERROR, dev->sv->hyper->self,
		 dev->class->name, dev->key.domid, dev->key.handle);
}

/*
 * Beside the device, and where the kernel's backends write it, with the errno
 * in front as they do.
 */
int device_put_error(struct device *dev, uint32_t tx)
{
	struct hyper *h = dev->sv->hyper;
	char dir[PATH_MAX_STORE];
	int err;

	error_dir(dev, dir);
	err = hyper_writef(h, tx, dir, xpv_key(XPV_KEY_ERROR), "%d %s", EINVAL,
			   dev->why.text);
	if (err)
		return err;
	return hyper_writef(h, tx, dev->back, xpv_key(XPV_KEY_ERROR), "%s",
			    dev->why.text);
}

/* What the kernel's place holds, and what of its path is left empty. */
int device_forget_error(struct device *dev, uint32_t tx)
{
	struct hyper *h = dev->sv->hyper;
	char path[PATH_MAX_STORE];
	unsigned int n;
	char **left;
	int err;

	error_dir(dev, path);
	err = ops(dev)->rm(h, tx, path);
	if (err)
		return err == -ENOENT ? 0 : err;
	*strrchr(path, '/') = '\0'; /* of the guest */
	left = ops(dev)->list(h, tx, path, &n);
	free(left);
	if (left && !n)
		err = ops(dev)->rm(h, tx, path);
	return err == -ENOENT ? 0 : err;
}

int device_clear_error(struct device *dev, uint32_t tx)
{
	int err = device_forget_error(dev, tx);

	if (err)
		return err;
	return device_rm(dev, tx, XPV_KEY_ERROR);
}
