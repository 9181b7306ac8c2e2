// SPDX-License-Identifier: GPL-2.0-only
/*
 * The keys that a backend reads when we go to Connected. One queue has its
 * rings in our own directory, several have a directory each.
 */
#include <linux/slab.h>

#include "netfront.h"

/* Give up when the store is too busy to take our keys this many times. */
#define MAX_TRANSACTIONS 64
/* queue-N */
#define NAME_SIZE 16u

/* A key of ours. */
struct entry {
	enum xpv_key key;
	unsigned int value;
};

static int write_entries(struct xenbus_transaction xbt, const char *dir,
			 const struct entry *entry, size_t nr)
{
	int err = 0;

	for (; nr && !err; nr--, entry++)
		err = xenbus_printf(xbt, dir, xpv_key(entry->key), "%u",
				    entry->value);
	return err;
}

static int write_channels(struct xenbus_transaction xbt, const char *dir,
			  const struct xpv_net_queue *q)
{
	const struct entry split[] = {
		{XPV_KEY_EVENT_CHANNEL_TX, q->tx.port},
		{XPV_KEY_EVENT_CHANNEL_RX, q->rx.port},
	};
	const struct entry single = {XPV_KEY_EVENT_CHANNEL, q->rx.port};

	if (q->dev->offer.split_channels)
		return write_entries(xbt, dir, split, ARRAY_SIZE(split));
	return write_entries(xbt, dir, &single, 1);
}

static int write_queue(struct xenbus_transaction xbt, const char *dir,
		       const struct xpv_net_queue *q)
{
	const struct entry rings[] = {
		{XPV_KEY_TX_RING_REF, q->tx.ring_gref},
		{XPV_KEY_RX_RING_REF, q->rx.ring_gref},
	};
	int err = write_entries(xbt, dir, rings, ARRAY_SIZE(rings));

	return err ?: write_channels(xbt, dir, q);
}

static int write_queues(struct xenbus_transaction xbt,
			struct xpv_net_device *dev)
{
	const char *dir = dev->xbdev->nodename;
	const struct entry number = {XPV_KEY_MQ_NUM_QUEUES, dev->nr_queues};
	char name[NAME_SIZE], *sub;
	unsigned int i;
	int err;

	if (dev->nr_queues == 1)
		return write_queue(xbt, dir, &dev->queue[0]);
	err = write_entries(xbt, dir, &number, 1);
	for (i = 0; i < dev->nr_queues && !err; i++) {
		snprintf(name, sizeof(name), xpv_key(XPV_KEY_QUEUE), i);
		sub = kasprintf(GFP_KERNEL, "%s/%s", dir, name);
		err = sub ? write_queue(xbt, sub, &dev->queue[i]) : -ENOMEM;
		kfree(sub);
	}
	return err;
}

static int write_ctrl(struct xenbus_transaction xbt,
		      const struct xpv_net_device *dev)
{
	const struct entry ctrl[] = {
		{XPV_KEY_CTRL_RING_REF, dev->ctrl.ring_gref},
		{XPV_KEY_EVENT_CHANNEL_CTRL, dev->ctrl.port},
	};

	if (!dev->ctrl.shared)
		return 0;
	return write_entries(xbt, dev->xbdev->nodename, ctrl,
			     ARRAY_SIZE(ctrl));
}

/*
 * Keys of a former life that would mislead the backend: it prefers split
 * channels to a single one, and looks for queue-N if queues are counted.
 */
static void remove_stale(struct xenbus_transaction xbt,
			 const struct xpv_net_device *dev)
{
	static const enum xpv_key stale[] = {
		XPV_KEY_EVENT_CHANNEL,	  XPV_KEY_EVENT_CHANNEL_TX,
		XPV_KEY_EVENT_CHANNEL_RX, XPV_KEY_TX_RING_REF,
		XPV_KEY_RX_RING_REF,	  XPV_KEY_MQ_NUM_QUEUES,
		XPV_KEY_CTRL_RING_REF,	  XPV_KEY_EVENT_CHANNEL_CTRL,
	};
	const char *dir = dev->xbdev->nodename;
	char name[NAME_SIZE];
	unsigned int i;

	/* Most are not there. */
	for (i = 0; i < ARRAY_SIZE(stale); i++)
		xenbus_rm(xbt, dir, xpv_key(stale[i]));
	for (i = 0; i < dev->max_queues; i++) {
		snprintf(name, sizeof(name), xpv_key(XPV_KEY_QUEUE), i);
		xenbus_rm(xbt, dir, name);
	}
}

static int write_all(struct xenbus_transaction xbt, struct xpv_net_device *dev)
{
	const struct entry features[] = {
		{XPV_KEY_REQUEST_RX_COPY, 1},
		{XPV_KEY_FEATURE_RX_NOTIFY, 1},
		{XPV_KEY_FEATURE_SG, 1},
		{XPV_KEY_FEATURE_GSO_TCPV4, 1},
		{XPV_KEY_FEATURE_GSO_TCPV6, 1},
		{XPV_KEY_FEATURE_IPV6_CSUM, 1},
		{XPV_KEY_FEATURE_NO_CSUM, 0},
		/* Turned on when the backend has the addresses. */
		{XPV_KEY_REQUEST_MCAST, 0},
		{XPV_KEY_XDP_HEADROOM, xpv_net_headroom(dev)},
	};
	int err;

	remove_stale(xbt, dev);
	err = write_queues(xbt, dev);
	err = err ?: write_ctrl(xbt, dev);
	return err ?: write_entries(xbt, dev->xbdev->nodename, features,
				    ARRAY_SIZE(features));
}

/* All or nothing, so that the backend never reads half an answer. */
int xpv_net_publish_keys(struct xpv_net_device *dev)
{
	struct xenbus_transaction xbt;
	unsigned int tries;
	int err;

	for (tries = 0; tries < MAX_TRANSACTIONS; tries++) {
		err = xenbus_transaction_start(&xbt);
		if (err)
			return err;
		err = write_all(xbt, dev);
		if (err) {
			xenbus_transaction_end(xbt, 1);
			return err;
		}
		err = xenbus_transaction_end(xbt, 0);
		if (err != -EAGAIN)
			return err;
	}
	return -EAGAIN;
}
