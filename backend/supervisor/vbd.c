// SPDX-License-Identifier: MIT
/* What a block device publishes and reads, and its target. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blkif.h"
#include "device.h"
#include "keys.h"

/* ---- the host's side ---- */

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

static int vbd_prepare(struct device *dev, struct reason *why)
{
	return read_mode(dev, why);
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
	err = key_text(h, dev->back, XPV_KEY_PARAMS, path, why);
	if (err || (*path && **path))
		return err;
	free(*path);
	*path = NULL;
	key_complain(why, dev->back, XPV_KEY_PHYSICAL_DEVICE_PATH, NULL,
		     "the path of the disk");
	return -EINVAL;
}

/*
 * Past the page cache where that is possible without a change of what the
 * guest sees: a file keeps sectors of 512 bytes wherever it is stored.
 */
static int open_at(const char *path, bool read_only, struct target *t,
		   struct reason *why)
{
	int err = target_open(path, read_only, true, t, why);

	if (!err && (t->is_block || t->logical_sector_size == XPV_SECTOR_SIZE))
		return 0;
	if (!err)
		target_close(t);
	else if (err != -EINVAL)
		return err;
	return target_open(path, read_only, false, t, why);
}

static int open_target(struct device *dev, struct reason *why)
{
	struct vbd *vbd = &dev->vbd;
	bool discard;
	char *path;
	int err;

	if (vbd->open)
		return 0;
	err = read_mode(dev, why);
	if (!err)
		err = key_flag(dev->sv->hyper, dev->back,
			       XPV_KEY_DISCARD_ENABLE, &discard, why);
	if (!err)
		err = target_path(dev, &path, why);
	if (err)
		return err;
	err = open_at(path, vbd->read_only, &vbd->target, why);
	if (!err) {
		vbd->open = true;
		vbd->discard = discard && !vbd->read_only &&
			       vbd->target.discard_granularity;
		snprintf(vbd->path, sizeof(vbd->path), "%s", path);
		device_log(dev, LOG_INFO, "%s, %" PRIu64 " bytes, %s%s", path,
			   vbd->target.size,
			   vbd->read_only ? "read-only" : "writable",
			   vbd->target.direct ? ""
					      : ", through the page cache");
	}
	free(path);
	/* Whatever is wrong with it, the device cannot be had. */
	return err ? -EINVAL : 0;
}

static int vbd_attach(struct device *dev, struct ipc_msg *msg, int *fds,
		      unsigned int *nr_fds, struct reason *why)
{
	struct ipc_vbd_attach *a = &msg->vbd_attach;
	struct vbd *vbd = &dev->vbd;
	int err = open_target(dev, why);

	if (err)
		return err;
	a->sectors = vbd->target.size / XPV_SECTOR_SIZE;
	a->sector_size = vbd->target.logical_sector_size;
	a->read_only = vbd->read_only;
	a->direct = vbd->target.direct;
	a->discard = vbd->discard;
	snprintf(a->target, sizeof(a->target), "%s", vbd->path);
	fds[0] = vbd->target.fd;
	*nr_fds = 1;
	return 0;
}

static void vbd_release(struct device *dev)
{
	if (dev->vbd.open)
		target_close(&dev->vbd.target);
	dev->vbd.open = false;
}

/* ---- what we publish ---- */

static uint32_t max_queues(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return cpus < 1 ? 1 : cpus > IPC_MAX_QUEUES ? IPC_MAX_QUEUES : cpus;
}

static int info(struct device *dev, uint32_t *flags)
{
	struct hyper *h = dev->sv->hyper;
	struct reason ignored;
	bool removable = false;
	char *type;
	int err = key_text(h, dev->back, XPV_KEY_DEVICE_TYPE, &type, &ignored);

	*flags = dev->vbd.read_only ? XPV_VDISK_READONLY : 0;
	if (!err && type && !strcmp(type, "cdrom"))
		*flags |= XPV_VDISK_CDROM;
	free(type);
	if (!err)
		err = key_flag(h, dev->back, XPV_KEY_REMOVABLE, &removable,
			       &ignored);
	if (removable)
		*flags |= XPV_VDISK_REMOVABLE;
	return err == -EINVAL ? 0 : err;
}

struct entry {
	enum xpv_key key;
	uint64_t value;
};

static int put_all(struct device *dev, uint32_t tx, const struct entry *entry,
		   size_t n)
{
	int err = 0;

	for (size_t i = 0; !err && i < n; i++)
		err = device_put(dev, tx, entry[i].key, entry[i].value);
	return err;
}

#define PUT_ALL(dev, tx, entries)                                              \
	put_all(dev, tx, entries, sizeof(entries) / sizeof((entries)[0]))

static int vbd_offer(struct device *dev, uint32_t tx)
{
	const struct entry offer[] = {
		{XPV_KEY_MAX_RING_ORDER, XPV_BLKIF_MAX_RING_ORDER},
		{XPV_KEY_MQ_MAX_QUEUES, max_queues()},
		{XPV_KEY_MAX_INDIRECT, XPV_BLKIF_MAX_SEGS},
		{XPV_KEY_FEATURE_FLUSH, 1},
		{XPV_KEY_FEATURE_BARRIER, 1},
	};

	return PUT_ALL(dev, tx, offer);
}

static int vbd_publish(struct device *dev, uint32_t tx)
{
	const struct target *t = &dev->vbd.target;
	uint32_t flags;
	int err = info(dev, &flags);

	const struct entry disk[] = {
		{XPV_KEY_SECTORS, t->size / XPV_SECTOR_SIZE},
		{XPV_KEY_SECTOR_SIZE, t->logical_sector_size},
		{XPV_KEY_PHYSICAL_SECTOR_SIZE, t->physical_sector_size},
		{XPV_KEY_INFO, flags},
		{XPV_KEY_FEATURE_FLUSH, 1},
		{XPV_KEY_FEATURE_BARRIER, 1},
		{XPV_KEY_FEATURE_DISCARD, dev->vbd.discard},
	};
	const struct entry discard[] = {
		{XPV_KEY_DISCARD_GRANULARITY, t->discard_granularity},
		{XPV_KEY_DISCARD_ALIGNMENT, 0},
		{XPV_KEY_DISCARD_SECURE, 0},
	};

	if (!err)
		err = PUT_ALL(dev, tx, disk);
	if (!err && dev->vbd.discard)
		err = PUT_ALL(dev, tx, discard);
	return err;
}

/* A supervisor before us attached it: we have yet to see what it is. */
static int vbd_settled(struct device *dev, struct reason *why)
{
	int err = open_target(dev, why);

	return err ? err : 1;
}

/* ---- what the frontend published ---- */

static int read_abi(struct device *dev, uint8_t *abi, struct reason *why)
{
	static const char *const names[] = {"x86_64-abi", "x86_32-abi"};
	char *text;
	int err = key_text(dev->sv->hyper, dev->front, XPV_KEY_PROTOCOL, &text,
			   why);

	*abi = 0; /* absent: native */
	if (err || !text)
		return err;
	for (*abi = 0; *abi < 2; (*abi)++)
		if (!strcmp(text, names[*abi]))
			break;
	if (*abi == 2) {
		key_complain(why, dev->front, XPV_KEY_PROTOCOL, text,
			     "x86_64-abi or x86_32-abi");
		err = -EINVAL;
	}
	free(text);
	return err;
}

/* Ring pages: `ring-ref`, or `ring-ref0` and on when an order was written. */
static int read_rings(struct device *dev, const char *dir, uint8_t order,
		      bool numbered, struct ipc_vbd_queue *queue,
		      struct reason *why)
{
	struct hyper *h = dev->sv->hyper;
	int err = 0;

	if (!numbered)
		err = key_u32(h, dir, XPV_KEY_RING_REF, &queue->gref[0], why);
	for (unsigned int i = 0; !err && numbered && i < 1u << order; i++)
		err = key_u32_at(h, dir, XPV_KEY_RING_REF_N, i, &queue->gref[i],
				 why);
	if (!err)
		err = key_u32(h, dir, XPV_KEY_EVENT_CHANNEL, &queue->port, why);
	return err;
}

/* One ring page may be told of in either way. */
static int rings_numbered(struct device *dev, const char *dir, uint32_t order)
{
	int there;

	if (order)
		return 1;
	there = key_there(dev->sv->hyper, dir, XPV_KEY_RING_REF);
	if (there)
		return there < 0 ? there : 0;
	return key_there(dev->sv->hyper, dir, XPV_KEY_RING_REF_N);
}

static int read_queues(struct device *dev, struct ipc_vbd_connect *c,
		       struct reason *why)
{
	char dir[PATH_MAX_STORE];
	int numbered, err = 0;

	for (unsigned int i = 0; !err && i < c->nr_queues; i++) {
		if (c->nr_queues == 1)
			snprintf(dir, sizeof(dir), "%s", dev->front);
		else
			err = key_path(dir, dev->front, XPV_KEY_QUEUE, i);
		numbered = err ? err : rings_numbered(dev, dir, c->ring_order);
		if (numbered < 0)
			return numbered;
		err = read_rings(dev, dir, c->ring_order, numbered,
				 &c->queue[i], why);
	}
	return err;
}

static int vbd_connect(struct device *dev, struct ipc_msg *msg,
		       struct reason *why)
{
	struct ipc_vbd_connect *c = &msg->vbd_connect;
	struct hyper *h = dev->sv->hyper;
	uint32_t order, queues;
	int err;

	err = key_u32(h, dev->front, XPV_KEY_RING_ORDER, &order, why);
	if (!err)
		err = key_limit(h, dev->front, XPV_KEY_MQ_NUM_QUEUES,
				max_queues(), &queues, why);
	if (!err)
		err = read_abi(dev, &c->abi, why);
	if (err)
		return err;
	c->ring_order = (uint8_t)order;
	c->nr_queues = (uint8_t)queues;
	return read_queues(dev, c, why);
}

/* The script has written where the disk is. */
static int vbd_ready(struct device *dev, struct reason *why)
{
	return device_hotplugged(dev, why);
}

const struct device_class vbd_class = {
	.name = XPV_CLASS_VBD,
	.id = IPC_VBD,
	.eager = true,
	.prepare = vbd_prepare,
	.offer = vbd_offer,
	.ready = vbd_ready,
	.attach = vbd_attach,
	.connect = vbd_connect,
	.settled = vbd_settled,
	.publish = vbd_publish,
	.release = vbd_release,
};
