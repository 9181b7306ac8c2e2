// SPDX-License-Identifier: GPL-2.0-only
/* What we read from xenstore and what we publish there. */
#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "netfront.h"

static bool trusted = true;
module_param(trusted, bool, 0644);
MODULE_PARM_DESC(trusted,
		 "Let backends see whatever shares a page with a packet");

/* Give up when the store is too busy to take our keys this many times. */
#define MAX_TRANSACTIONS 64

/*
 * A number from @dir. Junk counts as absent, but not in silence. The text is
 * freed with kfree(); NULL when the key is not there.
 */
static u64 read_number(struct xpv_net_device *dev, const char *dir,
		       enum xpv_key key)
{
	char *text = xenbus_read(XBT_NIL, dir, xpv_key(key), NULL);
	u64 value;

	if (IS_ERR(text))
		text = NULL;
	if (xpv_key_parse(key, text, &value)) {
		dev_warn(&dev->xbdev->dev, "%s/%s is \"%s\": ignored\n", dir,
			 xpv_key(key), text);
		xpv_key_parse(key, NULL, &value);
	}
	kfree(text);
	return value;
}

static bool offers(struct xpv_net_device *dev, enum xpv_key key)
{
	return read_number(dev, dev->xbdev->otherend, key);
}

/* Checksum offload: IPv4's key says no, IPv6's says yes. */
void xpv_net_read_offer(struct xpv_net_device *dev,
			struct xpv_net_offer *offer)
{
	*offer = (struct xpv_net_offer){
		.rx_copy = offers(dev, XPV_KEY_FEATURE_RX_COPY),
		.sg = offers(dev, XPV_KEY_FEATURE_SG),
		.gso_tcpv4 = offers(dev, XPV_KEY_FEATURE_GSO_TCPV4),
		.gso_tcpv6 = offers(dev, XPV_KEY_FEATURE_GSO_TCPV6),
		.csum_ipv4 = !offers(dev, XPV_KEY_FEATURE_NO_CSUM),
		.csum_ipv6 = offers(dev, XPV_KEY_FEATURE_IPV6_CSUM),
		.split_channels = offers(dev, XPV_KEY_FEATURE_SPLIT_EVTCHN),
	};
}

/* The toolstack writes the key to our own directory. */
bool xpv_net_read_trusted(struct xpv_net_device *dev)
{
	return trusted && read_number(dev, dev->xbdev->nodename, XPV_KEY_TRUSTED);
}

int xpv_net_read_mac(struct xpv_net_device *dev)
{
	const char *dir = dev->xbdev->nodename, *key = xpv_key(XPV_KEY_MAC);
	char *text = xenbus_read(XBT_NIL, dir, key, NULL);
	u8 mac[ETH_ALEN];
	int err = 0;

	if (IS_ERR(text)) {
		err = PTR_ERR(text);
		xenbus_dev_fatal(dev->xbdev, err, "reading %s/%s", dir, key);
		return err;
	}
	if (mac_pton(text, mac) && is_valid_ether_addr(mac)) {
		eth_hw_addr_set(dev->netdev, mac);
	} else {
		err = -EINVAL;
		xenbus_dev_fatal(dev->xbdev, err, "%s/%s is \"%s\"", dir, key,
				 text);
	}
	kfree(text);
	return err;
}

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

/*
 * Keys of a former life that would mislead the backend: it prefers split
 * channels to a single one, and looks for queue-N if queues are counted.
 */
static void remove_stale(struct xenbus_transaction xbt, const char *dir)
{
	static const enum xpv_key stale[] = {
		XPV_KEY_EVENT_CHANNEL,
		XPV_KEY_EVENT_CHANNEL_TX,
		XPV_KEY_EVENT_CHANNEL_RX,
		XPV_KEY_MQ_NUM_QUEUES,
	};
	unsigned int i;

	/* Most are not there. */
	for (i = 0; i < ARRAY_SIZE(stale); i++)
		xenbus_rm(xbt, dir, xpv_key(stale[i]));
}

static int write_all(struct xenbus_transaction xbt, struct xpv_net_device *dev)
{
	static const struct entry features[] = {
		{XPV_KEY_REQUEST_RX_COPY, 1},	{XPV_KEY_FEATURE_RX_NOTIFY, 1},
		{XPV_KEY_FEATURE_SG, 1},	{XPV_KEY_FEATURE_GSO_TCPV4, 1},
		{XPV_KEY_FEATURE_GSO_TCPV6, 1}, {XPV_KEY_FEATURE_IPV6_CSUM, 1},
		{XPV_KEY_FEATURE_NO_CSUM, 0},
	};
	const char *dir = dev->xbdev->nodename;
	int err;

	remove_stale(xbt, dir);
	err = write_queue(xbt, dir, &dev->queue[0]);
	return err ?: write_entries(xbt, dir, features, ARRAY_SIZE(features));
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
