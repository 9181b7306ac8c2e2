// SPDX-License-Identifier: MIT
/*
 * The state machine of a device: the table of ring/xenbus.h says what to do,
 * this file does it, one step at a time. A step that needs the worker asks it
 * and ends; the answer schedules the next one.
 */
#include <errno.h>
#include <string.h>

#include "device.h"
#include "guest.h"
#include "keys.h"
#include "record.h"

/* ---- verdicts ---- */

/*
 * The store or the worker could not be asked, or the toolstack was faster:
 * that says nothing about the device.
 */
static void put_off(struct device *dev, int err)
{
	if (err == -ESTALE)
		device_schedule(dev);
	else
		devices_retry(dev->sv);
}

static void change(struct device *dev, enum xpv_state next,
		   int (*publish)(struct device *dev, uint32_t tx))
{
	int err = device_switch(dev, next, publish);

	if (err) {
		if (err != -ESTALE)
			device_log(dev, LOG_WARNING,
				   "%s/state cannot become %u: %s", dev->back,
				   next, strerror(-err));
		put_off(dev, err);
		return;
	}
	dev->doubted = false;
	if (next != XPV_STATE_CONNECTED && next != XPV_STATE_RECONFIGURED)
		dev->served = false;
	if (next == XPV_STATE_CONNECTED)
		device_log(dev, LOG_INFO, "connected");
	device_schedule(dev);
}

/* dev->why says what is wrong: this device closes, every other goes on. */
static void fail(struct device *dev)
{
	dev->failed = true;
	dev->failed_peer = dev->peer;
	device_log(dev, LOG_ERR, "%s", dev->why.text);
	if (dev->phase == PHASE_CONNECTED || dev->phase == PHASE_ADOPTED)
		guest_ask(dev, IPC_DISCONNECT, NULL, NULL, 0);
	/* On its way out already: no way back to Closing from Closed. */
	if (dev->own != XPV_STATE_CLOSING && dev->own != XPV_STATE_CLOSED)
		change(dev, XPV_STATE_CLOSING, device_put_error);
}

/*
 * What a function that takes a reason came to. True: go on.
 *
 * A bad value is looked at twice: the toolstack may have removed the device
 * between two of our reads, and made it anew since, which has no fault.
 */
static bool good(struct device *dev, int result)
{
	if (result >= 0)
		return true;
	if (result != -EINVAL) {
		put_off(dev, result);
	} else if (!dev->doubted) {
		dev->doubted = true;
		device_schedule(dev);
	} else {
		fail(dev);
	}
	return false;
}

/* ---- asking the worker ---- */

static void ask(struct device *dev, enum ipc_type type, struct ipc_msg *msg,
		const int *fds, unsigned int nr_fds)
{
	int err = guest_ask(dev, type, msg, fds, nr_fds);

	if (err == -EINVAL)
		fail(dev);
	else if (err && err != -EAGAIN)
		put_off(dev, err);
}

static void attach(struct device *dev)
{
	struct ipc_msg msg = {0};
	int fds[IPC_MAX_FDS];
	unsigned int nr_fds = 0;
	int err;

	/* What that one has nobody else can have; its end is not far. */
	if (guest_makes_way(dev->sv, dev->key.domid))
		return;
	err = dev->class->attach(dev, &msg, fds, &nr_fds, &dev->why);
	if (good(dev, err))
		ask(dev, IPC_ATTACH, &msg, fds, nr_fds);
}

static void connect_rings(struct device *dev)
{
	struct ipc_msg msg = {0};
	int err = device_check_front(dev, &dev->why);

	if (!err)
		err = dev->class->connect(dev, &msg, &dev->why);
	if (good(dev, err))
		ask(dev, IPC_CONNECT, &msg, NULL, 0);
}

/* ---- what the table asks for ---- */

static int offer(struct device *dev, uint32_t tx)
{
	int err = device_clear_error(dev, tx);

	return err ? err : dev->class->offer(dev, tx);
}

/* A new life. Nothing of an earlier one may be left. */
static void init(struct device *dev)
{
	bool fresh = dev->own != XPV_STATE_CLOSED;
	int err;

	if (dev->phase == PHASE_CONNECTED || dev->phase == PHASE_ADOPTED) {
		ask(dev, fresh ? IPC_DETACH : IPC_DISCONNECT, NULL, NULL, 0);
		return;
	}
	if (fresh) {
		if (dev->phase != PHASE_IDLE) {
			ask(dev, IPC_DETACH, NULL, NULL, 0);
			return;
		}
		dev->class->release(dev);
		record_forget_legacy(dev->sv, &dev->key);
		dev->failed = false;
	} else if (!dev->online || dev->failed) {
		return;
	}
	err = device_check_back(dev, &dev->why);
	if (!err)
		err = dev->class->prepare(dev, &dev->why);
	if (good(dev, err))
		change(dev, XPV_STATE_INIT_WAIT, offer);
}

/* True: the worker is asked to follow the store, or has to be again. */
static bool refresh(struct device *dev)
{
	struct ipc_msg msg = {0};
	struct reason why;
	int todo;

	if (!dev->class->refresh)
		return false;
	todo = dev->class->refresh(dev, &msg, &why);
	if (todo == -EINVAL) {
		/* It stays as it was: that is no reason to cut a guest off. */
		device_log(dev, LOG_ERR, "%s", why.text);
		return false;
	}
	if (todo > 0)
		ask(dev, (enum ipc_type)msg.type, &msg, NULL, 0);
	else if (todo < 0)
		put_off(dev, todo);
	return todo != 0;
}

/* As far up as it goes now: attached, connected, state 4. */
static void bring_up(struct device *dev)
{
	int ready;

	if (dev->phase == PHASE_IDLE) {
		ready = dev->class->ready(dev, &dev->why);
		if (good(dev, ready) && ready)
			attach(dev);
		return;
	}
	if (dev->phase != PHASE_CONNECTED) {
		connect_rings(dev);
		return;
	}
	if (refresh(dev) || dev->own == XPV_STATE_CONNECTED)
		return;
	ready = dev->class->settled(dev, &dev->why);
	if (good(dev, ready) && ready)
		change(dev, XPV_STATE_CONNECTED, dev->class->publish);
}

/* The frontend is told when the worker has followed. */
static void reconfigure(struct device *dev)
{
	if (dev->phase != PHASE_CONNECTED)
		bring_up(dev);
	else if (!refresh(dev) && dev->own != XPV_STATE_RECONFIGURED)
		change(dev, XPV_STATE_RECONFIGURED, NULL);
}

/*
 * Stop the rings before the frontend hears that we have. A device that does
 * not come back is let go of entirely before state 6: then the toolstack runs
 * the script that takes its disk apart.
 */
static void disconnect_or_close(struct device *dev, enum xpv_state next)
{
	bool gone = next == XPV_STATE_CLOSED && !dev->online;

	if (gone && dev->phase != PHASE_IDLE) {
		ask(dev, IPC_DETACH, NULL, NULL, 0);
		return;
	}
	if (dev->phase == PHASE_CONNECTED || dev->phase == PHASE_ADOPTED) {
		ask(dev, IPC_DISCONNECT, NULL, NULL, 0);
		return;
	}
	if (gone && dev->class->quiet && !dev->class->quiet(dev))
		return;
	if (gone)
		dev->class->release(dev);
	if (dev->own != next)
		change(dev, next, NULL);
}

static void refuse(struct device *dev)
{
	key_complain(&dev->why, dev->front, XPV_KEY_STATE,
		     xpv_state_name(dev->peer),
		     "a state that goes with the backend's");
	fail(dev);
}

/* The table has nothing to do: what else there may be. */
static void stand(struct device *dev)
{
	int ready;

	switch (dev->own) {
	case XPV_STATE_INIT_WAIT:
		if (!dev->class->eager || dev->phase != PHASE_IDLE)
			return;
		ready = dev->class->ready(dev, &dev->why);
		if (good(dev, ready) && ready)
			attach(dev);
		return;
	case XPV_STATE_CONNECTED:
		/* Our worker died, or we are a new supervisor. */
		if (dev->peer == XPV_STATE_CONNECTED ||
		    dev->peer == XPV_STATE_INITIALISED)
			bring_up(dev);
		return;
	case XPV_STATE_CLOSED:
		/* Told only now that it is not to come back. */
		if (!dev->online)
			disconnect_or_close(dev, XPV_STATE_CLOSED);
		return;
	default:
		return;
	}
}

static void act(struct device *dev)
{
	switch (xpv_back_action(dev->own, dev->peer)) {
	case XPV_DO_INIT:
		init(dev);
		return;
	case XPV_DO_CONNECT:
		bring_up(dev);
		return;
	case XPV_DO_CLOSE:
		disconnect_or_close(dev, XPV_STATE_CLOSING);
		return;
	case XPV_DO_CLOSED:
		disconnect_or_close(dev, XPV_STATE_CLOSED);
		return;
	case XPV_DO_REFUSE:
		refuse(dev);
		return;
	case XPV_DO_RECONFIGURE:
		reconfigure(dev);
		return;
	case XPV_DO_PUBLISH:
	case XPV_DO_REFRESH:
	case XPV_DO_NOTHING:
		stand(dev);
		return;
	}
}

/* The toolstack has removed it. */
static void vanish(struct device *dev)
{
	int err;

	if (dev->phase != PHASE_IDLE) {
		ask(dev, IPC_DETACH, NULL, NULL, 0);
		return;
	}
	err = device_forget_error(dev, 0);
	if (err) {
		put_off(dev, err);
		return;
	}
	record_forget_legacy(dev->sv, &dev->key);
	device_free(dev);
}

/* Nobody has removed it, and its guest goes on: so does its worker. */
static bool forgotten(const struct device *dev)
{
	return dev->sv->forgetful && !dev->found && dev->phase != PHASE_IDLE;
}

/* True: go on. */
static bool tend(struct device *dev)
{
	struct ipc_msg msg = {0};
	int fds[IPC_MAX_FDS], result = 0;
	unsigned int nr_fds = 0;

	if (dev->class->tend)
		result = dev->class->tend(dev, &msg, fds, &nr_fds);
	if (result < 0)
		put_off(dev, result);
	else if (result)
		ask(dev, msg.type, &msg, fds, nr_fds);
	return !result;
}

void device_step(struct device *dev)
{
	int err;

	if (dev->asked != IPC_NONE)
		return;
	if (dev->class->step) {
		dev->class->step(dev);
		return;
	}
	err = device_read(dev);
	if (err == -ENOENT) {
		if (!forgotten(dev))
			vanish(dev);
		return;
	}
	if (err) {
		put_off(dev, err);
		return;
	}
	dev->found = true;
	if (dev->own != XPV_STATE_CONNECTED)
		device_tell_hotplug(dev);
	if (dev->failed && dev->peer != dev->failed_peer &&
	    dev->own == XPV_STATE_CLOSED)
		dev->failed = false;
	if (tend(dev))
		act(dev);
}

/* ---- the worker's answers ---- */

static void answer_failed(struct device *dev, enum ipc_type request,
			  const struct ipc_reply *reply)
{
	dev->why = (struct reason){""};
	memcpy(dev->why.text, reply->text, sizeof(dev->why.text) - 1);
	if (!dev->why.text[0])
		reason_set(&dev->why, "the worker cannot %s: %s",
			   request == IPC_ATTACH ? "attach" : "connect",
			   strerror(-reply->error));
	fail(dev);
}

static void attached(struct device *dev, const struct ipc_reply *reply)
{
	/* -EEXIST: by the supervisor before us. */
	if (!reply->error || reply->error == -EEXIST) {
		dev->phase = PHASE_ATTACHED;
		return;
	}
	guest_drop_device(dev);
	answer_failed(dev, IPC_ATTACH, reply);
}

static void connected(struct device *dev, const struct ipc_reply *reply)
{
	/* Or we and the supervisor before us have both asked for it. */
	bool adopted =
		dev->phase == PHASE_ADOPTED || dev->phase == PHASE_CONNECTED;

	if (!reply->error || (adopted && reply->error == -EBUSY)) {
		dev->phase = PHASE_CONNECTED;
		dev->served = true;
	} else if (adopted && reply->error == -ENODEV) {
		guest_drop_device(dev);
	} else {
		dev->phase = PHASE_ATTACHED;
		answer_failed(dev, IPC_CONNECT, reply);
	}
}

static void broken(struct device *dev, const struct ipc_reply *reply)
{
	if (dev->phase == PHASE_IDLE)
		return;
	dev->phase = PHASE_ATTACHED;
	dev->served = false;
	dev->why = (struct reason){""};
	memcpy(dev->why.text, reply->text, sizeof(dev->why.text) - 1);
	if (!device_read(dev))
		fail(dev);
	device_schedule(dev);
}

void device_answer(struct device *dev, const struct ipc_msg *msg)
{
	const struct ipc_reply *reply = &msg->reply;

	if (msg->type == IPC_BROKEN) {
		if (!dev->class->step)
			broken(dev, reply);
		return;
	}
	if (msg->type == IPC_NOTICE) {
		if (dev->class->noticed)
			dev->class->noticed(dev, &msg->notice);
		return;
	}
	/* Not what we asked for: what the supervisor before us did. */
	if (dev->asked == reply->request)
		dev->asked = IPC_NONE;
	if (dev->class->step) {
		dev->class->answered(dev, reply);
		device_schedule(dev);
		return;
	}
	/*
	 * The worker is still at what the supervisor before us asked for, and
	 * answers that, too: until then the disk is in use.
	 */
	if (reply->error == -EBUSY &&
	    (reply->request == IPC_DISCONNECT || reply->request == IPC_DETACH))
		return;
	switch (reply->request) {
	case IPC_ATTACH:
		attached(dev, reply);
		break;
	case IPC_CONNECT:
		connected(dev, reply);
		break;
	case IPC_DISCONNECT:
		dev->phase = PHASE_ATTACHED;
		dev->served = false;
		if (reply->error == -ENODEV)
			guest_drop_device(dev);
		break;
	case IPC_DETACH:
		guest_drop_device(dev);
		break;
	default:
		if (dev->class->answered)
			dev->class->answered(dev, reply);
		break;
	}
	device_schedule(dev);
}
