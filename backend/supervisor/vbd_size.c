// SPDX-License-Identifier: MIT
/*
 * A disk whose target has another size than it had. Whatever hints at that
 * makes us look; what is found is compared with what the worker knows.
 *
 * It grew: the worker is told, and then the frontend, by `sectors` and a
 * `state` that is written anew, as xen-blkback does. It shrank under a guest:
 * what the guest was told stays, what lies behind the end fails, request by
 * request, and an administrator is told. A frontend that comes anew is told
 * what is there.
 */
#include <errno.h>
#include <inttypes.h>

#include "blkif.h"
#include "device.h"
#include "keys.h"

void vbd_size_may_differ(struct device *dev)
{
	dev->vbd.look = true;
	device_schedule(dev);
}

/* What the guest was told by a supervisor before us. */
static int adopt_sectors(struct device *dev)
{
	struct reason ignored;
	uint64_t sectors;
	int err;

	if (dev->vbd.sectors || dev->own != XPV_STATE_CONNECTED)
		return 0;
	err = key_number(dev->sv->hyper, dev->back, XPV_KEY_SECTORS, &sectors,
			 &ignored);
	if (!err)
		dev->vbd.sectors = sectors;
	return err == -EINVAL ? 0 : err;
}

/* 1: the worker is to be asked. */
static int compare(struct device *dev, struct ipc_msg *msg)
{
	struct vbd *vbd = &dev->vbd;
	uint64_t now = disk_sectors(&vbd->disk, vbd->disk.target.size);
	uint64_t unit = XPV_SECTOR_SIZE;

	vbd->looked = false;
	if (now < vbd->sectors && dev->own == XPV_STATE_CONNECTED) {
		vbd_set_shrunk(dev, vbd->sectors * unit, now * unit);
		return 0;
	}
	vbd_set_shrunk(dev, 0, 0);
	/* Attaching comes with the size; nothing can be done with none. */
	if (now == vbd->sectors || !now || dev->phase == PHASE_IDLE)
		return 0;
	vbd->asked_sectors = now;
	msg->type = IPC_RESIZE;
	msg->sectors = now;
	return 1;
}

static int put_sectors(struct device *dev, uint32_t tx)
{
	return device_put(dev, tx, XPV_KEY_SECTORS, dev->vbd.sectors);
}

static int announce(struct device *dev)
{
	struct vbd *vbd = &dev->vbd;
	int err = 0;

	if (!vbd->announce)
		return 0;
	/* Else publish() does when it comes to that. */
	if (dev->own == XPV_STATE_CONNECTED)
		err = device_switch(dev, XPV_STATE_CONNECTED, put_sectors);
	if (!err)
		vbd->announce = false;
	return err;
}

void vbd_resized(struct device *dev, const struct ipc_reply *reply)
{
	struct vbd *vbd = &dev->vbd;

	if (reply->request != IPC_RESIZE)
		return;
	if (reply->error) {
		device_log(dev, LOG_WARNING, "%s has another size: %s",
			   vbd->path, reply->text);
		return;
	}
	device_log(dev, LOG_INFO, "%s: %" PRIu64 " sectors, were %" PRIu64,
		   vbd->path, vbd->asked_sectors, vbd->sectors);
	vbd->sectors = vbd->asked_sectors;
	vbd->announce = true;
}

static int rm_request(struct device *dev, uint32_t tx)
{
	return device_rm(dev, tx, XPV_KEY_RESIZE);
}

/* `xpv resize` waits until its node is gone. */
static int answer_tool(struct device *dev, bool before)
{
	struct vbd *vbd = &dev->vbd;
	int there = key_there(dev->sv->hyper, dev->back, XPV_KEY_RESIZE, NULL);

	if (there <= 0)
		return there;
	if (before && !vbd->tool_waits)
		vbd->look = vbd->open;
	vbd->tool_waits = before;
	return before ? 0 : device_update(dev, rm_request);
}

int vbd_tend_size(struct device *dev, struct ipc_msg *msg)
{
	struct vbd *vbd = &dev->vbd;
	int result = announce(dev);

	if (!result)
		result = adopt_sectors(dev);
	if (!result)
		result = answer_tool(dev, true);
	if (result)
		return result;
	if (vbd->looked && dev->phase != PHASE_ADOPTED) {
		result = compare(dev, msg);
		if (result)
			return result;
	}
	if (vbd->look && vbd->open)
		vbd_look_at_size(dev);
	if (vbd->tool_waits && !vbd->look && !vbd->errand)
		result = answer_tool(dev, false);
	return result;
}
