// SPDX-License-Identifier: MIT
/* What a network device publishes and reads, and its tap. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../mac.h"
#include "../port/tap_make.h"
#include "device.h"
#include "hotplug.h"
#include "keys.h"
#include "netif.h"

/*
 * One, as long as a worker is one thread: a tap spreads packets over all of
 * its queues, those too that a guest does not serve.
 */
#define MAX_QUEUES 1u

/* ---- the host's side ---- */

static int read_mac(struct device *dev, struct reason *why)
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

/* *mtu 0: nobody has asked for one. */
static int read_mtu(struct device *dev, uint32_t *mtu, struct reason *why)
{
	int there = key_there(dev->sv->hyper, dev->back, XPV_KEY_MTU);

	*mtu = 0;
	if (there <= 0)
		return there;
	return key_u32(dev->sv->hyper, dev->back, XPV_KEY_MTU, mtu, why);
}

/* What the stock scripts expect to find, and may rename. */
static void tap_name(const struct device *dev, char *name, size_t size)
{
	snprintf(name, size, "vif%u.%u", dev->key.domid, dev->key.handle);
}

static int make_tap(struct device *dev, struct reason *why)
{
	struct tap_spec spec = {.nr_queues = MAX_QUEUES};
	char name[32];
	int err;

	err = read_mac(dev, why);
	if (!err)
		err = read_mtu(dev, &spec.mtu, why);
	if (err)
		return err;
	tap_name(dev, name, sizeof(name));
	spec.name = name;
	if (tap_make(&spec, dev->vif.fds, why))
		return -EINVAL;
	dev->vif.nr_fds = spec.nr_queues;
	return 0;
}

/* Before state 2: then the toolstack runs the hotplug script. */
static int vif_prepare(struct device *dev, struct reason *why)
{
	if (key_there(dev->sv->hyper, dev->back, XPV_KEY_RATE) > 0)
		device_log(dev, LOG_WARNING, "%s/%s is not applied yet",
			   dev->back, xpv_key(XPV_KEY_RATE));
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

static int vif_attach(struct device *dev, struct ipc_msg *msg, int *fds,
		      unsigned int *nr_fds, struct reason *why)
{
	struct ipc_vif_attach *a = &msg->vif_attach;
	char name[32];
	int err = dev->vif.nr_fds ? 0 : make_tap_again(dev, why);

	if (err)
		return err;
	tap_name(dev, name, sizeof(name));
	memcpy(a->name, name, sizeof(a->name) - 1);
	memcpy(a->mac, dev->vif.mac, sizeof(a->mac));
	a->nr_fds = (uint8_t)dev->vif.nr_fds;
	memcpy(fds, dev->vif.fds, dev->vif.nr_fds * sizeof(*fds));
	*nr_fds = dev->vif.nr_fds;
	return 0;
}

static void vif_release(struct device *dev)
{
	while (dev->vif.nr_fds)
		close(dev->vif.fds[--dev->vif.nr_fds]);
}

/* ---- what we publish ---- */

static int vif_offer(struct device *dev, uint32_t tx)
{
	static const enum xpv_key features[] = {
		XPV_KEY_FEATURE_SG,	   XPV_KEY_FEATURE_GSO_TCPV4,
		XPV_KEY_FEATURE_GSO_TCPV6, XPV_KEY_FEATURE_IPV6_CSUM,
		XPV_KEY_FEATURE_RX_COPY,   XPV_KEY_FEATURE_SPLIT_EVTCHN,
	};
	int err = device_put(dev, tx, XPV_KEY_MQ_MAX_QUEUES, MAX_QUEUES);

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

/* ---- what the frontend published ---- */

static int read_split_ports(struct device *dev, const char *dir,
			    struct ipc_vif_queue *q, struct reason *why)
{
	struct hyper *h = dev->sv->hyper;
	int err = key_u32(h, dir, XPV_KEY_EVENT_CHANNEL_TX, &q->tx_port, why);
	char expected[64];

	if (!err)
		err = key_u32(h, dir, XPV_KEY_EVENT_CHANNEL_RX, &q->rx_port,
			      why);
	if (err || q->rx_port)
		return err;
	snprintf(expected, sizeof(expected), "a port, as there is %s",
		 xpv_key(XPV_KEY_EVENT_CHANNEL_TX));
	key_complain(why, dir, XPV_KEY_EVENT_CHANNEL_RX, NULL, expected);
	return -EINVAL;
}

/* Two channels if the frontend has made two, else one for both. */
static int read_ports(struct device *dev, const char *dir,
		      struct ipc_vif_queue *q, struct reason *why)
{
	struct hyper *h = dev->sv->hyper;
	int split = key_there(h, dir, XPV_KEY_EVENT_CHANNEL_TX);
	int err;

	if (split < 0)
		return split;
	if (split)
		return read_split_ports(dev, dir, q, why);
	err = key_u32(h, dir, XPV_KEY_EVENT_CHANNEL, &q->tx_port, why);
	q->rx_port = q->tx_port;
	return err;
}

static int read_queue(struct device *dev, const char *dir,
		      struct ipc_vif_queue *q, struct reason *why)
{
	struct hyper *h = dev->sv->hyper;
	int err = key_u32(h, dir, XPV_KEY_TX_RING_REF, &q->tx_gref, why);

	if (!err)
		err = key_u32(h, dir, XPV_KEY_RX_RING_REF, &q->rx_gref, why);
	if (!err)
		err = read_ports(dev, dir, q, why);
	return err;
}

static int read_queues(struct device *dev, struct ipc_vif_connect *c,
		       struct reason *why)
{
	char dir[PATH_MAX_STORE];
	int err = 0;

	if (c->nr_queues == 1)
		return read_queue(dev, dev->front, &c->queue[0], why);
	for (unsigned int i = 0; !err && i < c->nr_queues; i++) {
		err = key_path(dir, dev->front, XPV_KEY_QUEUE, i);
		if (!err)
			err = read_queue(dev, dir, &c->queue[i], why);
	}
	return err;
}

static int read_features(struct device *dev, struct ipc_vif_connect *c,
			 struct reason *why)
{
	bool copy, no_csum;
	const struct {
		enum xpv_key key;
		bool *flag;
	} wanted[] = {
		{XPV_KEY_REQUEST_RX_COPY, &copy},
		{XPV_KEY_FEATURE_SG, &c->sg},
		{XPV_KEY_FEATURE_GSO_TCPV4, &c->gso_tcpv4},
		{XPV_KEY_FEATURE_GSO_TCPV6, &c->gso_tcpv6},
		{XPV_KEY_FEATURE_NO_CSUM, &no_csum},
		{XPV_KEY_FEATURE_IPV6_CSUM, &c->csum_ipv6},
		{XPV_KEY_FEATURE_RX_NOTIFY, &c->rx_notify},
	};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(wanted) / sizeof(*wanted); i++)
		err = key_flag(dev->sv->hyper, dev->front, wanted[i].key,
			       wanted[i].flag, why);
	if (err)
		return err;
	c->csum_ipv4 = !no_csum;
	if (copy)
		return 0;
	key_complain(why, dev->front, XPV_KEY_REQUEST_RX_COPY, "0",
		     "1: the backend copies, it does not flip pages");
	return -EINVAL;
}

static int vif_connect(struct device *dev, struct ipc_msg *msg,
		       struct reason *why)
{
	struct ipc_vif_connect *c = &msg->vif_connect;
	uint32_t queues;
	int err = key_limit(dev->sv->hyper, dev->front, XPV_KEY_MQ_NUM_QUEUES,
			    MAX_QUEUES, &queues, why);

	if (err)
		return err;
	c->nr_queues = (uint8_t)queues;
	err = read_features(dev, c, why);
	if (!err)
		err = read_queues(dev, c, why);
	return err;
}

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
	.release = vif_release,
};
