// SPDX-License-Identifier: MIT
/* The host's side of a block device: where its disk is, and how to open it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "errand.h"
#include "keys.h"
#include "size_watch.h"

int vbd_read_mode(struct device *dev, struct reason *why)
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

static int read_type(struct device *dev, struct reason *why)
{
	char *type;
	int err = key_text(dev->sv->hyper, dev->back, XPV_KEY_DEVICE_TYPE,
			   &type, why);

	dev->vbd.cdrom = !err && type && !strcmp(type, "cdrom");
	free(type);
	return err;
}

/*
 * The target's own options stand in `params`; what other scripts than ours
 * take there may be anything, and says nothing to us.
 */
int vbd_read_options(struct device *dev, struct reason *why)
{
	struct vbd *vbd = &dev->vbd;
	char path[DISK_PATH_MAX];
	struct reason what;
	char *params;
	int err = key_text(dev->sv->hyper, dev->back, XPV_KEY_PARAMS, &params,
			   why);

	vbd->options = dev->sv->config.disk;
	if (!err)
		err = read_type(dev, why);
	if (!err && params && disk_target_is_uri(params)) {
		err = disk_target_parse(params, path, &vbd->options, &what);
		if (err)
			reason_set(why, "%s: %s", xpv_key(XPV_KEY_PARAMS),
				   what.text);
	}
	free(params);
	return err;
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

/*
 * Where the hotplug script says the disk is. *path is to be freed; NULL: a
 * drive without a disc, which waits for one as it does with xen-blkback.
 */
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
	if (err || *path || dev->vbd.cdrom)
		return err;
	key_complain(why, dev->back, XPV_KEY_PHYSICAL_DEVICE_PATH, NULL,
		     "the path of the disk");
	return -EINVAL;
}

/* ---- what may block ---- */

enum disk_task {
	TASK_OPEN,
	TASK_SIZE,
	TASK_CLOSE,
};

struct disk_errand {
	struct errand errand;
	struct supervisor *sv;
	enum disk_task task;
	struct device *dev; /* NULL: it does not want it any more */
	struct disk disk;
	struct disk_options options;
	bool read_only;
	char path[DISK_PATH_MAX];
	/* what came of it */
	int error;
	uint64_t size;
	struct reason why;
};

static void run_task(struct errand *errand)
{
	struct disk_errand *e = (struct disk_errand *)errand;

	switch (e->task) {
	case TASK_OPEN:
		e->error = disk_open(e->path, e->read_only, &e->options,
				     &e->disk, &e->why);
		break;
	case TASK_SIZE:
		e->size = target_size(&e->disk.target);
		break;
	case TASK_CLOSE:
		target_close(&e->disk.target);
		break;
	}
}

static void task_done(struct errand *errand);

static struct disk_errand *new_errand(struct device *dev, enum disk_task task)
{
	struct disk_errand *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->errand.run = run_task;
	e->errand.done = task_done;
	e->sv = dev->sv;
	e->dev = dev;
	e->task = task;
	e->disk = dev->vbd.disk;
	return e;
}

static void opened(struct device *dev, const struct disk_errand *e)
{
	struct vbd *vbd = &dev->vbd;
	const struct disk *d = &e->disk;

	if (e->error) {
		vbd->open_failed = true;
		vbd->open_why = e->why;
		return;
	}
	vbd->disk = *d;
	vbd->open = true;
	vbd->fresh = true;
	vbd->discard = vbd->discard && d->discard;
	snprintf(vbd->path, sizeof(vbd->path), "%.*s",
		 (int)sizeof(vbd->path) - 1, e->path);
	size_watch_add(dev);
	/* It may have changed before that. */
	vbd->look = true;
	device_log(dev, LOG_INFO, "%s, %" PRIu64 " bytes, %s, cache=%s",
		   vbd->path, d->target.size,
		   vbd->read_only ? "read-only" : "writable",
		   storage_cache_name(d->cache));
}

/* Nobody wants what was opened, or is open still. */
static void leave(struct disk_errand *e)
{
	if (e->task == TASK_CLOSE || e->error) {
		free(e);
		return;
	}
	e->task = TASK_CLOSE;
	errand_start(e->sv, &e->errand);
}

static void task_done(struct errand *errand)
{
	struct disk_errand *e = (struct disk_errand *)errand;
	struct device *dev = e->dev;

	if (!dev) {
		leave(e);
		return;
	}
	dev->vbd.errand = NULL;
	if (e->task == TASK_OPEN) {
		opened(dev, e);
	} else {
		dev->vbd.disk.target.size = e->size;
		dev->vbd.looked = true;
		dev->vbd.fresh = true;
	}
	device_schedule(dev);
	free(e);
}

static int start_open(struct device *dev, struct reason *why)
{
	struct vbd *vbd = &dev->vbd;
	struct disk_errand *e;
	char *path;
	int err = vbd_read_mode(dev, why);

	if (!err)
		err = vbd_read_options(dev, why);
	if (!err)
		err = key_flag(dev->sv->hyper, dev->back,
			       XPV_KEY_DISCARD_ENABLE, &vbd->discard, why);
	if (!err)
		err = target_path(dev, &path, why);
	if (err)
		return err;
	e = path ? new_errand(dev, TASK_OPEN) : NULL;
	if (e) {
		e->read_only = vbd->read_only;
		e->options = vbd->options;
		snprintf(e->path, sizeof(e->path), "%s", path);
		vbd->errand = e;
		errand_start(dev->sv, &e->errand);
	}
	err = path && !e ? -ENOMEM : 0;
	free(path);
	return err;
}

int vbd_open_disk(struct device *dev, struct reason *why)
{
	struct vbd *vbd = &dev->vbd;

	if (vbd->open)
		return 1;
	if (vbd->open_failed) {
		vbd->open_failed = false;
		*why = vbd->open_why;
		/* Whatever is wrong with it, the device cannot be had. */
		return -EINVAL;
	}
	return vbd->errand ? 0 : start_open(dev, why);
}

void vbd_look_at_size(struct device *dev)
{
	struct vbd *vbd = &dev->vbd;
	struct disk_errand *e;

	if (vbd->errand)
		return; /* and again when that is done */
	vbd->look = false;
	e = new_errand(dev, TASK_SIZE);
	if (!e) {
		device_log(dev, LOG_ERR, "out of memory for a look at %s",
			   vbd->path);
		return;
	}
	vbd->errand = e;
	errand_start(dev->sv, &e->errand);
}

void vbd_close_disk(struct device *dev)
{
	struct vbd *vbd = &dev->vbd;
	struct disk_errand *e = vbd->errand;

	if (vbd->open)
		size_watch_del(dev);
	/* What is under way closes it when it is through. */
	if (e)
		e->dev = NULL;
	else if (vbd->open)
		e = new_errand(dev, TASK_CLOSE);
	if (e && !vbd->errand) {
		e->dev = NULL;
		errand_start(dev->sv, &e->errand);
	} else if (!e && vbd->open) {
		target_close(&vbd->disk.target);
	}
	memset(vbd, 0, sizeof(*vbd));
}
