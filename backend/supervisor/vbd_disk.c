// SPDX-License-Identifier: MIT
/* The host's side of a block device: where its disk is, and how to open it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "keys.h"

static int read_mode(struct device *dev, struct reason *why)
{
	static const char *const reading[] = {"r", "ro"};
	static const char *const writing[] = {"w", "rw", "w!"};
	char *mode;
	int err = key_text(dev->sv->hyper, dev->back, XPV_KEY_MODE, &mode, why);

	if (err)
		return err;
	err = -EINVAL;
	for (size_t i = 0; i < sizeof(reading) / sizeof(*reading); i++)
		if (!strcmp(mode, reading[i]))
			err = 1;
	for (size_t i = 0; i < sizeof(writing) / sizeof(*writing); i++)
		if (!strcmp(mode, writing[i]))
			err = 0;
	if (err < 0)
		key_complain(why, dev->back, XPV_KEY_MODE, mode, "r or w");
	else
		dev->vbd.read_only = err == 1;
	free(mode);
	return err < 0 ? err : 0;
}

/*
 * The target's own options stand in `params`; what other scripts than ours
 * take there may be anything, and says nothing to us.
 */
static int read_target(struct device *dev, struct reason *why)
{
	struct vbd *vbd = &dev->vbd;
	char path[DISK_PATH_MAX];
	struct reason what;
	char *params;
	int err = key_text(dev->sv->hyper, dev->back, XPV_KEY_PARAMS, &params,
			   why);

	vbd->options = dev->sv->config.disk;
	if (!err && params && disk_target_is_uri(params)) {
		err = disk_target_parse(params, path, &vbd->options, &what);
		if (err)
			reason_set(why, "%s: %s", xpv_key(XPV_KEY_PARAMS),
				   what.text);
	}
	free(params);
	return err;
}

int vbd_read_options(struct device *dev, struct reason *why)
{
	int err = read_mode(dev, why);

	return err ? err : read_target(dev, why);
}

/* "8:1", hexadecimal, as the stock hotplug scripts write it. */
static int device_number_path(struct device *dev, const char *text, char **path,
			      struct reason *why)
{
	unsigned int major, minor;
	char end;

	if (sscanf(text, "%x:%x%c", &major, &minor, &end) != 2) {
		key_complain(why, dev->back, XPV_KEY_PHYSICAL_DEVICE, text,
			     "MAJOR:MINOR in hexadecimal");
		return -EINVAL;
	}
	if (asprintf(path, "/dev/block/%u:%u", major, minor) < 0)
		return -ENOMEM;
	return 0;
}

/* *path NULL: there is none in `params`. */
static int params_path(struct device *dev, char **path, struct reason *why)
{
	struct disk_options ignored;
	char parsed[DISK_PATH_MAX];
	char *params;
	int err = key_text(dev->sv->hyper, dev->back, XPV_KEY_PARAMS, &params,
			   why);

	*path = NULL;
	if (err)
		return err;
	disk_options_init(&ignored);
	if (params && *params)
		err = disk_target_parse(params, parsed, &ignored, why);
	if (params && *params && !err) {
		*path = strdup(parsed);
		err = *path ? 0 : -ENOMEM;
	}
	free(params);
	return err;
}

/* Where the hotplug script says the disk is. *path is to be freed. */
static int target_path(struct device *dev, char **path, struct reason *why)
{
	struct hyper *h = dev->sv->hyper;
	char *number;
	int err =
		key_text(h, dev->back, XPV_KEY_PHYSICAL_DEVICE_PATH, path, why);

	if (err || *path)
		return err;
	err = key_text(h, dev->back, XPV_KEY_PHYSICAL_DEVICE, &number, why);
	if (err)
		return err;
	if (number) {
		err = device_number_path(dev, number, path, why);
		free(number);
		return err;
	}
	err = params_path(dev, path, why);
	if (err || *path)
		return err;
	key_complain(why, dev->back, XPV_KEY_PHYSICAL_DEVICE_PATH, NULL,
		     "the path of the disk");
	return -EINVAL;
}

static void opened(struct device *dev, const char *path, bool discard)
{
	struct vbd *vbd = &dev->vbd;
	const struct disk *d = &vbd->disk;

	vbd->open = true;
	vbd->discard = discard && d->discard;
	snprintf(vbd->path, sizeof(vbd->path), "%s", path);
	device_log(dev, LOG_INFO, "%s, %" PRIu64 " bytes, %s, cache=%s", path,
		   d->target.size, vbd->read_only ? "read-only" : "writable",
		   storage_cache_name(d->cache));
}

int vbd_open_disk(struct device *dev, struct reason *why)
{
	struct vbd *vbd = &dev->vbd;
	bool discard;
	char *path;
	int err;

	if (vbd->open)
		return 0;
	err = vbd_read_options(dev, why);
	if (!err)
		err = key_flag(dev->sv->hyper, dev->back,
			       XPV_KEY_DISCARD_ENABLE, &discard, why);
	if (!err)
		err = target_path(dev, &path, why);
	if (err)
		return err;
	err = disk_open(path, vbd->read_only, &vbd->options, &vbd->disk, why);
	if (!err)
		opened(dev, path, discard);
	free(path);
	/* Whatever is wrong with it, the device cannot be had. */
	return err ? -EINVAL : 0;
}

void vbd_close_disk(struct device *dev)
{
	if (dev->vbd.open)
		target_close(&dev->vbd.disk.target);
	dev->vbd.open = false;
}
