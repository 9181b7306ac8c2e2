// SPDX-License-Identifier: MIT
#include "uplink.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../port/tap_make.h"
#include "device.h"
#include "guest.h"
#include "keep.h"

#define UPLINK_NAME "xpv-%.11s"
/*
 * A worker that an earlier supervisor left behind keeps its tap for so long
 * without a guest: they are found one by one when we start.
 */
#define ADOPTED_USEC 10000000u

static uint64_t now_usec(struct supervisor *sv)
{
	uint64_t now = 0;

	sd_event_now(sv->event, CLOCK_MONOTONIC, &now);
	return now;
}

static void complain(struct device *dev, const char *text)
{
	if (!dev->uplink.failed)
		device_log(dev, LOG_ERR, "%.250s", text);
	dev->uplink.failed = true;
	devices_retry(dev->sv);
}

/* ---- the tap ---- */

static int make_tap(struct device *dev, const char *switch_name,
		    struct reason *why)
{
	struct switch_options o =
		switch_options_of(&dev->sv->config.switches, switch_name);
	struct tap_spec spec = {.nr_queues = 1};
	char *name = dev->uplink.tap;
	int err;

	spec.name = name;
	err = tap_make(&spec, &dev->uplink.fd, why);
	if (err) {
		dev->uplink.fd = 0;
		return err;
	}
	keep_store(name, &dev->uplink.fd, 1);
	err = tap_join(name, o.bridge, why);
	if (err)
		device_log(dev, LOG_WARNING, "%.250s", why->text);
	return 0;
}

/* That of an xpvd before us, if it was handed to us. */
static void claim_tap(struct uplink *u, struct supervisor *sv)
{
	if (u->fd)
		return;
	snprintf(u->tap, sizeof(u->tap), UPLINK_NAME, lan_name(u->port.lan));
	keep_take(sv, u->tap, &u->fd, 1);
}

/* ---- as a device ---- */

static void attach(struct device *dev)
{
	struct uplink *u = &dev->uplink;
	const char *name = lan_name(u->port.lan);
	struct ipc_msg msg = {0};
	int err;

	if (guest_makes_way(dev->sv, dev->key.domid))
		return;
	err = u->fd ? 0 : make_tap(dev, name, &dev->why);
	if (!err)
		err = guest_ask(dev, IPC_ATTACH, &msg, &u->fd, 1);
	if (err == -EAGAIN)
		return;
	if (err)
		complain(dev, dev->why.text);
}

static void tend(struct device *dev)
{
	struct ipc_msg msg = {0};
	int fds[IPC_MAX_FDS];
	unsigned int nr_fds = 0;
	int err;

	if (!lan_tend(&dev->uplink.port, &msg, fds, &nr_fds))
		return;
	err = guest_ask(dev, (enum ipc_type)msg.type, &msg, fds, nr_fds);
	if (err && err != -EAGAIN)
		complain(dev, strerror(-err));
}

/* Without a switch there is nothing to lead out of. */
static void leave(struct device *dev)
{
	struct uplink *u = &dev->uplink;

	if (dev->phase == PHASE_IDLE) {
		device_free(dev);
		return;
	}
	if (dev->phase == PHASE_ADOPTED && !u->found)
		u->found = now_usec(dev->sv);
	if (dev->phase == PHASE_ADOPTED &&
	    now_usec(dev->sv) < u->found + ADOPTED_USEC) {
		devices_retry(dev->sv);
		return;
	}
	guest_ask(dev, IPC_DETACH, NULL, NULL, 0);
}

static void join(struct device *dev, struct lan *lan)
{
	struct lan_port *port = &dev->uplink.port;
	struct reason why;

	port->has_arena = true;
	vlan_all(&port->vlans);
	if (lan_join(port, dev, lan_name(lan), &why))
		complain(dev, why.text);
	else
		snprintf(dev->name, sizeof(dev->name), "switch %s",
			 lan_name(lan));
}

static void uplink_step(struct device *dev)
{
	struct lan_port *port = &dev->uplink.port;
	struct lan *lan = lan_numbered(dev->sv, dev->key.handle);
	bool wanted = lan && lan_has_guests(lan);

	if (dev->asked != IPC_NONE)
		return;
	if (!wanted && port->lan)
		lan_leave(port);
	if (!wanted) {
		leave(dev);
		return;
	}
	if (!port->lan)
		join(dev, lan);
	if (!port->lan)
		return;
	claim_tap(&dev->uplink, dev->sv);
	/* Its end, too, has to be told to the others. */
	tend(dev);
	if (dev->phase == PHASE_IDLE && dev->asked == IPC_NONE)
		attach(dev);
}

static void uplink_answered(struct device *dev, const struct ipc_reply *reply)
{
	switch (reply->request) {
	case IPC_ATTACH:
		if (!reply->error || reply->error == -EEXIST) {
			dev->phase = PHASE_ATTACHED;
			dev->uplink.failed = false;
			device_log(dev, LOG_INFO, "has its uplink");
			return;
		}
		guest_drop_device(dev);
		complain(dev, reply->text);
		return;
	case IPC_DETACH:
		guest_drop_device(dev);
		return;
	default:
		lan_answered(&dev->uplink.port, reply);
	}
}

static void uplink_release(struct device *dev)
{
	lan_leave(&dev->uplink.port);
	if (dev->uplink.fd)
		keep_release(dev->sv, dev->uplink.tap, &dev->uplink.fd, 1);
	dev->uplink.fd = 0;
}

const struct device_class uplink_class = {
	.name = "uplink",
	.id = IPC_UPLINK,
	.step = uplink_step,
	.answered = uplink_answered,
	.release = uplink_release,
};

void uplink_want(struct supervisor *sv, const char *name)
{
	struct device_key key = {
		.class = IPC_UPLINK,
		.domid = XPV_DOMID_SELF,
		.handle = lan_number(name),
	};
	struct device *dev = NULL;

	if (switch_options_of(&sv->config.switches, name).uplink)
		dev = device_get(sv, &key);
	if (dev)
		device_schedule(dev);
}
