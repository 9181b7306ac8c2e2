// SPDX-License-Identifier: MIT
/* What a network device publishes and reads, and its tap. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../mac.h"
#include "../port/tap_make.h"
#include "../vif/legacy.h"
#include "device.h"
#include "hotplug.h"
#include "keep.h"
#include "keys.h"
#include "netif.h"
#include "record.h"

/*
 * Queues offered unless the administrator says: one for each processor of this
 * domain, but a few at least, for the guest's sake.
 */
#define MIN_QUEUES 4u

static unsigned int max_queues(const struct device *dev)
{
	unsigned int queues = dev->sv->config.net.queues;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (queues)
		return queues;
	if (cpus < (long)MIN_QUEUES)
		return MIN_QUEUES;
	return cpus < (long)IPC_MAX_QUEUES ? (unsigned int)cpus
					   : IPC_MAX_QUEUES;
}

/* On a switch: perhaps by a supervisor before us, whose limit was another. */
static unsigned int offered_queues(struct device *dev)
{
	struct reason ignored;
	uint32_t offered;

	if (key_u32(dev->sv->hyper, dev->back, XPV_KEY_MQ_MAX_QUEUES, &offered,
		    &ignored) ||
	    !offered)
		return max_queues(dev);
	return offered < IPC_MAX_QUEUES ? offered : IPC_MAX_QUEUES;
}

/* ---- the host's side ---- */

int vif_read_mac(struct device *dev, struct reason *why)
{
	const char *expected;
	char *text;
	int err = key_text(dev->sv->hyper, dev->back, XPV_KEY_MAC, &text, why);

	if (err)
		return err;
	expected = mac_parse(text, dev->vif.mac);
	if (expected)
		key_complain(why, dev->back, XPV_KEY_MAC, text, expected);
	free(text);
	return expected ? -EINVAL : 0;
}

/* What the stock scripts expect to find, and may rename. */
static void tap_name(const struct device *dev, char *name, size_t size)
{
	snprintf(name, size, "vif%u.%u", dev->key.domid, dev->key.handle);
}

/*
 * The tap of an xpvd before us, if it was handed to us, in whatever state the
 * device is: what nobody wants is thrown away.
 */
static void claim_tap(struct device *dev)
{
	struct vif *vif = &dev->vif;
	struct reason ignored;
	uint32_t mtu;
	char name[32];

	if (vif->nr_fds || TAILQ_EMPTY(&dev->sv->kept))
		return;
	/* Followed already, or overruled since. */
	if (vif_read_mac(dev, &ignored) || vif_read_mtu(dev, &mtu, &ignored))
		return;
	tap_name(dev, name, sizeof(name));
	vif->nr_fds = keep_take(dev->sv, name, vif->fds, IPC_MAX_QUEUES);
	if (vif->nr_fds)
		vif->mtu = mtu;
}

static int make_tap(struct device *dev, struct reason *why)
{
	struct tap_spec spec = {.nr_queues = max_queues(dev)};
	char name[32];
	int err;

	err = vif_read_mac(dev, why);
	if (!err)
		err = vif_read_mtu(dev, &spec.mtu, why);
	if (err)
		return err;
	tap_name(dev, name, sizeof(name));
	spec.name = name;
	if (tap_make(&spec, dev->vif.fds, why))
		return -EINVAL;
	keep_store(name, dev->vif.fds, spec.nr_queues);
	dev->vif.nr_fds = spec.nr_queues;
	dev->vif.mtu = spec.mtu;
	return 0;
}

/* Before state 2: then the toolstack runs the hotplug script. */
static int vif_prepare(struct device *dev, struct reason *why)
{
	int on_lan = vif_join_lan(dev, why);

	if (on_lan < 0)
		return on_lan;
	/* What vif-bridge would do. */
	if (on_lan)
		return vif_follow_mtu(dev, why);
	return dev->vif.nr_fds ? 0 : make_tap(dev, why);
}

/*
 * The tap went with the last who held it: a worker of an earlier supervisor.
 * If the script has run for it, it has to run again.
 */
static int make_tap_again(struct device *dev, struct reason *why)
{
	int had_run = device_hotplugged(dev, why);
	char name[32];
	int err;

	if (had_run < 0)
		return had_run;
	err = make_tap(dev, why);
	if (!err && had_run) {
		tap_name(dev, name, sizeof(name));
		hotplug_online(dev, name);
	}
	return err;
}

static void close_file(int *file)
{
	if (*file > 0)
		close(*file);
	*file = 0;
}

/* True: there is one more for the worker. A NIC works without, too. */
static bool add_file(struct device *dev, const char *what, int fd, int *file,
		     int *fds, unsigned int *nr_fds)
{
	close_file(file);
	if (fd < 0) {
		device_log(dev, LOG_WARNING, "no place for %s: %s", what,
			   strerror(-fd));
		return false;
	}
	*file = fd;
	fds[(*nr_fds)++] = fd;
	return true;
}

static void add_files(struct device *dev, struct ipc_vif_attach *a, int *fds,
		      unsigned int *nr_fds)
{
	size_t bytes =
		vif_legacy_bytes(a->on_switch ? a->lan.max_queues : a->nr_fds);

	a->stats = add_file(dev, "statistics", record_stats(dev->sv, &dev->key),
			    &dev->vif.stats, fds, nr_fds);
	a->legacy = add_file(dev, "what a worker leaves",
			     record_legacy(dev->sv, &dev->key, bytes),
			     &dev->vif.legacy, fds, nr_fds);
}

static int vif_attach(struct device *dev, struct ipc_msg *msg, int *fds,
		      unsigned int *nr_fds, struct reason *why)
{
	struct ipc_vif_attach *a = &msg->vif_attach;
	int err, on_lan = vif_join_lan(dev, why);
	char name[32];

	tap_name(dev, name, sizeof(name));
	memcpy(a->name, name, sizeof(a->name) - 1);
	if (on_lan > 0) {
		a->on_switch = true;
		a->lan.vlans = dev->vif.port.vlans;
		a->lan.guard = dev->vif.port.guard;
		a->lan.max_queues = (uint8_t)offered_queues(dev);
		memcpy(a->mac, dev->vif.mac, sizeof(a->mac));
		add_files(dev, a, fds, nr_fds);
		return 0;
	}
	err = on_lan || dev->vif.nr_fds ? on_lan : make_tap_again(dev, why);
	if (err)
		return err;
	memcpy(a->mac, dev->vif.mac, sizeof(a->mac));
	a->nr_fds = (uint8_t)dev->vif.nr_fds;
	memcpy(fds, dev->vif.fds, dev->vif.nr_fds * sizeof(*fds));
	*nr_fds = dev->vif.nr_fds;
	add_files(dev, a, fds, nr_fds);
	return 0;
}

static void vif_answered(struct device *dev, const struct ipc_reply *reply)
{
	if (reply->request == IPC_LINK || reply->request == IPC_UNLINK)
		lan_answered(&dev->vif.port, reply);
}

static void release_tap(struct device *dev)
{
	struct vif *vif = &dev->vif;
	char name[32];

	tap_name(dev, name, sizeof(name));
	/* One of the life before. */
	if (!vif->nr_fds)
		vif->nr_fds =
			keep_take(dev->sv, name, vif->fds, IPC_MAX_QUEUES);
	if (vif->nr_fds)
		keep_release(dev->sv, name, vif->fds, vif->nr_fds);
	vif->nr_fds = 0;
}

static void vif_release(struct device *dev)
{
	close_file(&dev->vif.stats);
	close_file(&dev->vif.legacy);
	lan_leave(&dev->vif.port);
	release_tap(dev);
}

/* ---- what we publish ---- */

static int vif_offer(struct device *dev, uint32_t tx)
{
	static const enum xpv_key features[] = {
		XPV_KEY_FEATURE_SG,	   XPV_KEY_FEATURE_GSO_TCPV4,
		XPV_KEY_FEATURE_GSO_TCPV6, XPV_KEY_FEATURE_IPV6_CSUM,
		XPV_KEY_FEATURE_RX_COPY,   XPV_KEY_FEATURE_SPLIT_EVTCHN,
		XPV_KEY_FEATURE_MCAST,	   XPV_KEY_FEATURE_DYN_MCAST,
		XPV_KEY_FEATURE_CTRL_RING, XPV_KEY_FEATURE_XDP_HEADROOM,
	};
	unsigned int queues = max_queues(dev);
	int err;

	/* A tap, or a port, that is there already stays as it is. */
	if (dev->vif.nr_fds)
		queues = dev->vif.nr_fds;
	else if (dev->phase != PHASE_IDLE)
		queues = offered_queues(dev);
	err = device_put(dev, tx, XPV_KEY_MQ_MAX_QUEUES, queues);

	for (size_t i = 0; !err && i < sizeof(features) / sizeof(*features);
	     i++)
		err = device_put(dev, tx, features[i], 1);
	return err;
}

static int vif_publish(struct device *dev, uint32_t tx)
{
	(void)dev;
	(void)tx;
	return 0; /* all of it was known before */
}

/* The tap can be attached at once; the bridge is another matter. */
static int vif_ready(struct device *dev, struct reason *why)
{
	(void)dev;
	(void)why;
	return 1;
}

/* Not before the script has put the tap into its bridge. */
static int vif_settled(struct device *dev, struct reason *why)
{
	return device_hotplugged(dev, why);
}

/* ---- connected ---- */

static int vif_connect(struct device *dev, struct ipc_msg *msg,
		       struct reason *why)
{
	int err = vif_read_connect(dev, &msg->vif_connect, why);
	struct reason tap;

	if (!err && dev->vif.nr_fds &&
	    tap_share(dev->vif.fds[0], msg->vif_connect.nr_queues, &tap))
		device_log(dev, LOG_WARNING, "%.250s", tap.text);
	msg->vif_connect.resumed = device_resumes(dev);
	dev->vif.sg = msg->vif_connect.sg;
	/* A worker that has been connected before us may have others. */
	dev->vif.tuned = false;
	return err;
}

static int vif_refresh(struct device *dev, struct ipc_msg *msg,
		       struct reason *why)
{
	struct ipc_vif_tune *tune = &msg->vif_tune;
	int err = vif_follow_mtu(dev, why);

	if (!err)
		err = vif_read_tune(dev, tune, why);
	if (err)
		return err;
	if (dev->vif.tuned && !memcmp(tune, &dev->vif.tune, sizeof(*tune)))
		return 0;
	msg->type = IPC_VIF_TUNE;
	dev->vif.tuned = true;
	dev->vif.tune = *tune;
	return 1;
}

static int vif_tend(struct device *dev, struct ipc_msg *msg, int *fds,
		    unsigned int *nr_fds)
{
	claim_tap(dev);
	return vif_tend_lan(dev, msg, fds, nr_fds);
}

static const enum xpv_key watched[] = {
	XPV_KEY_REQUEST_MCAST,
	XPV_KEY_XDP_HEADROOM,
	XPV_KEY_STATE,
};

const struct device_class vif_class = {
	.name = XPV_CLASS_VIF,
	.id = IPC_VIF,
	.prepare = vif_prepare,
	.offer = vif_offer,
	.ready = vif_ready,
	.attach = vif_attach,
	.connect = vif_connect,
	.settled = vif_settled,
	.publish = vif_publish,
	.refresh = vif_refresh,
	.front_keys = watched,
	.tend = vif_tend,
	.answered = vif_answered,
	.release = vif_release,
};
