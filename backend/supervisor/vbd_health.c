// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "device.h"

static void describe(const struct vbd *vbd, struct reason *text)
{
	const struct vbd_health *h = &vbd->health;
	char part[3][128] = {"", "", ""};

	if (h->waiting)
		snprintf(part[0], sizeof(part[0]),
			 "writes wait for space: %s; ", strerror(-h->waiting));
	if (h->flush_error)
		snprintf(part[1], sizeof(part[1]),
			 "a flush failed: %s, and so will all until the disk "
			 "is attached again; ",
			 strerror(-h->flush_error));
	if (h->shrunk)
		snprintf(part[2], sizeof(part[2]),
			 "shrank from %" PRIu64 " to %" PRIu64
			 " bytes, the guest still sees the former; ",
			 h->told, h->shrunk);
	reason_set(text, "%s%s%s", part[0], part[1], part[2]);
	if (text->text[0])
		text->text[strlen(text->text) - 2] = '\0';
}

static void changed(struct device *dev)
{
	struct reason text;

	describe(&dev->vbd, &text);
	if (text.text[0])
		device_log(dev, LOG_ERR, "%s: %s", dev->vbd.path, text.text);
	else
		device_log(dev, LOG_INFO, "%s is well again", dev->vbd.path);
	dev->vbd.health.unsaid = true;
	device_schedule(dev);
}

void vbd_noticed(struct device *dev, const union ipc_notice *notice)
{
	struct vbd_health *h = &dev->vbd.health;

	if (h->waiting == notice->vbd.waiting &&
	    h->flush_error == notice->vbd.flush_error)
		return;
	h->waiting = notice->vbd.waiting;
	h->flush_error = notice->vbd.flush_error;
	changed(dev);
}

void vbd_set_shrunk(struct device *dev, uint64_t told, uint64_t shrunk)
{
	struct vbd_health *h = &dev->vbd.health;

	if (h->shrunk == shrunk && (!shrunk || h->told == told))
		return;
	h->told = told;
	h->shrunk = shrunk;
	changed(dev);
}

static int write_health(struct device *dev, uint32_t tx)
{
	const struct vbd_health *h = &dev->vbd.health;
	struct reason text;
	int err;

	describe(&dev->vbd, &text);
	if (text.text[0])
		err = hyper_writef(dev->sv->hyper, tx, dev->back,
				   xpv_key(XPV_KEY_CONDITION), "%s", text.text);
	else
		err = device_rm(dev, tx, XPV_KEY_CONDITION);
	/* What a worker to come has to be told. */
	if (!err && h->flush_error)
		err = device_put(dev, tx, XPV_KEY_FLUSH_ERROR,
				 (uint64_t)-h->flush_error);
	return err;
}

int vbd_tell_health(struct device *dev)
{
	int err;

	if (!dev->vbd.health.unsaid)
		return 0;
	err = device_update(dev, write_health);
	if (!err)
		dev->vbd.health.unsaid = false;
	return err;
}
