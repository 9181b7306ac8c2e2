// SPDX-License-Identifier: MIT
/* What a block device publishes and reads, and its target. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blkif.h"
#include "device.h"
#include "keys.h"

/* ---- the host's side ---- */

/*
 * Options that make no sense are left for the hotplug script to refuse, which
 * runs from state 2 on: xl prints what that says, and would not say why a
 * backend never got there.
 */
static int vbd_prepare(struct device *dev, struct reason *why)
{
	struct reason later;
	int err = vbd_read_mode(dev, why);

	if (err)
		return err;
	err = vbd_read_options(dev, &later);
	return err == -EINVAL ? 0 : err;
}

static void vbd_release(struct device *dev)
{
	vbd_drop_legacy(dev);
	vbd_close_disk(dev);
}

static uint32_t at_most(uint32_t value, uint32_t limit)
{
	return value < limit ? value : limit;
}

/*
 * What was offered stands in the store for as long as the device does, also
 * when it was another backend's offer, of more than we can do, or a
 * supervisor's before us, whose options we have not read.
 */
static int read_offer(struct device *dev, struct ipc_vbd_attach *a,
		      struct reason *why)
{
	struct hyper *h = dev->sv->hyper;
	uint32_t queues, order, indirect;
	int err = key_u32(h, dev->back, XPV_KEY_MQ_MAX_QUEUES, &queues, why);

	if (!err)
		err = key_u32(h, dev->back, XPV_KEY_MAX_RING_ORDER, &order,
			      why);
	if (!err)
		err = key_u32(h, dev->back, XPV_KEY_MAX_INDIRECT, &indirect,
			      why);
	if (err)
		return err;
	a->max_queues = (uint16_t)at_most(queues, IPC_MAX_QUEUES);
	a->max_ring_order = (uint8_t)at_most(order, XPV_BLKIF_MAX_RING_ORDER);
	a->max_indirect = (uint16_t)at_most(indirect, XPV_BLKIF_MAX_SEGS);
	err = key_flag(h, dev->back, XPV_KEY_FEATURE_PERSISTENT, &a->persistent,
		       why);
	return err ? err
		   : key_flag(h, dev->back, XPV_KEY_DIRECT_IO_SAFE,
			      &a->direct_io_safe, why);
}

/* What a guest that is connected was told of the size stays so. */
static int read_told(struct device *dev, uint64_t *sectors, struct reason *why)
{
	if (dev->own != XPV_STATE_CONNECTED)
		return 0;
	return key_number(dev->sv->hyper, dev->back, XPV_KEY_SECTORS, sectors,
			  why);
}

static int fill_size(struct device *dev, struct ipc_vbd_attach *a,
		     struct reason *why)
{
	struct vbd *vbd = &dev->vbd;
	uint64_t now = disk_sectors(&vbd->disk, vbd->disk.target.size);
	int err;

	vbd->sectors = now;
	err = read_told(dev, &vbd->sectors, why);
	a->sectors = vbd->sectors < now ? vbd->sectors : now;
	vbd->looked = true;
	vbd->fresh = false;
	return err;
}

/* Of an earlier worker, or told to an earlier supervisor. */
static int fill_health(struct device *dev, struct ipc_vbd_attach *a,
		       struct reason *why)
{
	union ipc_notice notice = {0};
	uint32_t told;
	int err = key_u32(dev->sv->hyper, dev->back, XPV_KEY_FLUSH_ERROR, &told,
			  why);

	if (!err)
		err = vbd_read_legacy(dev, &notice.vbd.flush_error);
	if (err)
		return err;
	if (told)
		notice.vbd.flush_error = -(int32_t)told;
	a->flush_error = notice.vbd.flush_error;
	a->legacy = true;
	vbd_noticed(dev, &notice);
	return 0;
}

static int vbd_attach(struct device *dev, struct ipc_msg *msg, int *fds,
		      unsigned int *nr_fds, struct reason *why)
{
	struct ipc_vbd_attach *a = &msg->vbd_attach;
	struct vbd *vbd = &dev->vbd;
	const struct disk *d = &vbd->disk;
	int err = read_offer(dev, a, why);

	if (!err)
		err = fill_size(dev, a, why);
	if (!err)
		err = fill_health(dev, a, why);
	if (err)
		return err;
	a->sector_size = d->sector_size;
	a->physical_sector_size = d->physical_sector_size;
	a->discard = vbd->discard;
	a->discard_granularity = d->target.discard_granularity;
	a->discard_alignment = d->target.discard_alignment;
	a->discard_secure = vbd->discard && d->target.discard_secure;
	a->read_only = vbd->read_only;
	a->direct = d->target.direct;
	a->cache = (uint8_t)d->cache;
	a->full = (uint8_t)vbd->options.full;
	a->engine = (uint8_t)vbd->options.engine;
	snprintf(a->target, sizeof(a->target), "%s", vbd->path);
	vbd->given_twin = !vbd->had_twin;
	fds[0] = vbd->given_twin ? d->target.twin : d->target.fd;
	fds[1] = vbd->legacy;
	*nr_fds = 2;
	return 0;
}

/* ---- what we publish ---- */

static int info(struct device *dev, uint32_t *flags)
{
	struct reason ignored;
	bool removable = false;
	int err = key_flag(dev->sv->hyper, dev->back, XPV_KEY_REMOVABLE,
			   &removable, &ignored);

	*flags = (dev->vbd.read_only ? XPV_VDISK_READONLY : 0) |
		 (dev->vbd.cdrom ? XPV_VDISK_CDROM : 0) |
		 (removable ? XPV_VDISK_REMOVABLE : 0);
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

/*
 * Once for the life of the device: a frontend that has seen a limit holds us
 * to it when it comes back (blkfront stops dead when max-indirect shrinks),
 * whatever xpvd.conf says by then.
 */
static int offer_limit(struct device *dev, uint32_t tx, enum xpv_key key,
		       uint64_t value)
{
	int there = key_there(dev->sv->hyper, dev->back, key, NULL);

	return there ? (there < 0 ? there : 0)
		     : device_put(dev, tx, key, value);
}

static int vbd_offer(struct device *dev, uint32_t tx)
{
	const struct disk_options *o = &dev->vbd.options;
	const struct entry limits[] = {
		{XPV_KEY_MAX_RING_ORDER, o->ring_order},
		{XPV_KEY_MQ_MAX_QUEUES, o->queues},
		{XPV_KEY_MAX_INDIRECT, o->indirect},
	};
	const struct entry features[] = {
		{XPV_KEY_FEATURE_FLUSH, 1},
		{XPV_KEY_FEATURE_BARRIER, 1},
		{XPV_KEY_FEATURE_PERSISTENT, o->persistent},
	};
	int err = 0;

	/* A frontend that comes anew is told the size of that day. */
	dev->vbd.look = true;
	for (size_t i = 0; !err && i < sizeof(limits) / sizeof(*limits); i++)
		err = offer_limit(dev, tx, limits[i].key, limits[i].value);
	return err ? err : PUT_ALL(dev, tx, features);
}

static int vbd_publish(struct device *dev, uint32_t tx)
{
	const struct disk *d = &dev->vbd.disk;
	uint32_t flags;
	int err = info(dev, &flags);

	const struct entry disk[] = {
		{XPV_KEY_SECTORS, dev->vbd.sectors},
		{XPV_KEY_SECTOR_SIZE, d->sector_size},
		{XPV_KEY_PHYSICAL_SECTOR_SIZE, d->physical_sector_size},
		{XPV_KEY_INFO, flags},
		{XPV_KEY_FEATURE_FLUSH, 1},
		{XPV_KEY_FEATURE_BARRIER, 1},
		{XPV_KEY_FEATURE_DISCARD, dev->vbd.discard},
	};
	const struct entry discard[] = {
		{XPV_KEY_DISCARD_GRANULARITY, d->target.discard_granularity},
		{XPV_KEY_DISCARD_ALIGNMENT, d->target.discard_alignment},
		{XPV_KEY_DISCARD_SECURE, d->target.discard_secure},
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
	struct vbd *vbd = &dev->vbd;
	int open = vbd_open_disk(dev, why);

	if (open != 1)
		return open;
	if (!vbd->sectors && !vbd->disk.target.size) {
		reason_set(why, "%s: is empty", vbd->path);
		return -EINVAL;
	}
	/* Once: who is on the way schedules us when it is back. */
	if (!vbd->sectors && !vbd->errand && !vbd->looked)
		vbd_size_may_differ(dev);
	return !vbd->look && !vbd->looked && !vbd->errand;
}

/* Connected by a supervisor before us: for what may happen to it yet. */
static int adopt(struct device *dev)
{
	struct vbd *vbd = &dev->vbd;
	struct ipc_vbd_attach ignored;
	int opened, err = 0;

	if (vbd->open || vbd->adopted || dev->own != XPV_STATE_CONNECTED ||
	    dev->phase != PHASE_CONNECTED)
		return 0;
	opened = vbd_open_disk(dev, &dev->why);
	if (!opened)
		return 0;
	if (opened == -EINVAL)
		device_log(dev, LOG_WARNING, "served, but: %s", dev->why.text);
	else if (opened < 0)
		return opened;
	err = fill_health(dev, &ignored, &dev->why);
	vbd->adopted = true;
	vbd->health.unsaid = true;
	return err == -EINVAL ? 0 : err;
}

static int vbd_tend(struct device *dev, struct ipc_msg *msg, int *fds,
		    unsigned int *nr_fds)
{
	int err = adopt(dev);

	(void)fds;
	(void)nr_fds;
	if (!err)
		err = vbd_tell_health(dev);
	return err ? err : vbd_tend_size(dev, msg);
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
static int rings_numbered(struct device *dev, const char *dir, uint32_t order,
			  struct reason *why)
{
	int there;

	if (order)
		return 1;
	there = key_there(dev->sv->hyper, dir, XPV_KEY_RING_REF, why);
	if (there)
		return there < 0 ? there : 0;
	return key_there(dev->sv->hyper, dir, XPV_KEY_RING_REF_N, why);
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
		numbered = err ? err
			       : rings_numbered(dev, dir, c->ring_order, why);
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
	struct ipc_vbd_attach offer;
	uint32_t order, queues;
	int err = read_offer(dev, &offer, why);

	if (!err)
		err = key_limit(h, dev->front, XPV_KEY_RING_ORDER,
				offer.max_ring_order, &order, why);
	if (!err)
		err = key_limit(h, dev->front, XPV_KEY_MQ_NUM_QUEUES,
				offer.max_queues, &queues, why);
	if (!err)
		err = read_abi(dev, &c->abi, why);
	if (!err)
		err = key_flag(h, dev->front, XPV_KEY_FEATURE_PERSISTENT,
			       &c->persistent, why);
	if (err)
		return err;
	/* Only who is connected hears of anything. */
	dev->vbd.had_twin = dev->vbd.given_twin;
	c->persistent &= offer.persistent;
	c->resumed = device_resumes(dev);
	c->ring_order = (uint8_t)order;
	c->nr_queues = (uint8_t)queues;
	return read_queues(dev, c, why);
}

/*
 * The script has written where the disk is, it is open, its size is known, and
 * nobody writes to it any more.
 */
static int vbd_ready(struct device *dev, struct reason *why)
{
	int ready = device_hotplugged(dev, why);

	if (ready == 1)
		ready = vbd_open_disk(dev, why);
	if (ready == 1 && !dev->vbd.fresh) {
		vbd_look_at_size(dev);
		return 0;
	}
	return ready == 1 ? vbd_take_legacy(dev) : ready;
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
	.tend = vbd_tend,
	.answered = vbd_resized,
	.noticed = vbd_noticed,
	.release = vbd_release,
	.quiet = vbd_quiet,
};
