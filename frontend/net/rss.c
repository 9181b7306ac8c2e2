// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receive-side scaling: the backend hashes what it has for us (Toeplitz) and
 * looks the queue up in a table of ours. Off until the feature rx-hashing is
 * turned on, and then the packets carry their hash as well.
 */
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>

#include "netfront.h"

static int call(struct xpv_net_device *dev, enum xpv_ctrl_type type, u32 arg)
{
	const u32 data[3] = {arg};

	return xpv_net_ctrl_call(dev, type, data, NULL);
}

/* Tell the backend of @len bytes that it is to copy, @arg of them in units. */
static int call_with(struct xpv_net_device *dev, enum xpv_ctrl_type type,
		     const void *bytes, size_t len, u32 arg)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	u32 data[3] = {0, arg};
	int gref, err;

	if (!page)
		return -ENOMEM;
	memcpy(page_address(page), bytes, len);
	gref = gnttab_grant_foreign_access(dev->xbdev->otherend_id,
					   xen_page_to_gfn(page), true);
	if (gref < 0) {
		__free_page(page);
		return gref;
	}
	data[0] = gref;
	err = xpv_net_ctrl_call(dev, type, data, NULL);
	/* Frees the page, now or when the backend lets go of it. */
	gnttab_end_foreign_access(gref, page);
	return err;
}

static int send_table(struct xpv_net_device *dev)
{
	u32 table[XPV_NET_RSS_ENTRIES];
	unsigned int i;
	int err;

	/* There may be fewer queues than when the user chose. */
	for (i = 0; i < XPV_NET_RSS_ENTRIES; i++)
		table[i] = dev->rss.queue[i] % dev->nr_queues;
	err = call(dev, XPV_CTRL_SET_HASH_MAPPING_SIZE, XPV_NET_RSS_ENTRIES);
	if (err)
		return err;
	return call_with(dev, XPV_CTRL_SET_HASH_MAPPING, table, sizeof(table),
			 XPV_NET_RSS_ENTRIES);
}

static int send_key(struct xpv_net_device *dev)
{
	return call_with(dev, XPV_CTRL_SET_HASH_KEY, dev->rss.key,
			 sizeof(dev->rss.key), sizeof(dev->rss.key));
}

/* Of all types of hash, those that the backend has. */
static int send_flags(struct xpv_net_device *dev)
{
	const u32 data[3] = {0};
	u32 flags;
	int err;

	err = xpv_net_ctrl_call(dev, XPV_CTRL_GET_HASH_FLAGS, data, &flags);
	if (err)
		return err;
	return call(dev, XPV_CTRL_SET_HASH_FLAGS, flags & XPV_HASH_ALL_FLAGS);
}

/* Everything to a backend that may know nothing of it yet. */
int xpv_net_rss_apply(struct xpv_net_device *dev)
{
	int err = call(dev, XPV_CTRL_SET_HASH_ALGORITHM,
		       XPV_HASH_ALGORITHM_TOEPLITZ);

	err = err ?: send_key(dev);
	err = err ?: send_table(dev);
	return err ?: send_flags(dev);
}

int xpv_net_rss_off(struct xpv_net_device *dev)
{
	return call(dev, XPV_CTRL_SET_HASH_ALGORITHM, XPV_HASH_ALGORITHM_NONE);
}

void xpv_net_rss_init(struct xpv_net_device *dev)
{
	unsigned int i;

	netdev_rss_key_fill(dev->rss.key, sizeof(dev->rss.key));
	for (i = 0; i < XPV_NET_RSS_ENTRIES; i++)
		dev->rss.queue[i] =
			ethtool_rxfh_indir_default(i, dev->wanted_queues);
}

u32 xpv_net_rss_key_size(struct net_device *netdev)
{
	return XPV_NET_RSS_KEY;
}

u32 xpv_net_rss_entries(struct net_device *netdev)
{
	return XPV_NET_RSS_ENTRIES;
}

int xpv_net_rss_get(struct xpv_net_device *dev, struct ethtool_rxfh_param *p)
{
	if (!dev->offer.ctrl_ring)
		return -EOPNOTSUPP;
	p->hfunc = ETH_RSS_HASH_TOP;
	if (p->indir)
		memcpy(p->indir, dev->rss.queue, sizeof(dev->rss.queue));
	if (p->key)
		memcpy(p->key, dev->rss.key, sizeof(dev->rss.key));
	return 0;
}

/* Kept for the next connections; told to this one while hashing is on. */
int xpv_net_rss_set(struct xpv_net_device *dev,
		    const struct ethtool_rxfh_param *p)
{
	if (!dev->offer.ctrl_ring)
		return -EOPNOTSUPP;
	if (p->hfunc != ETH_RSS_HASH_NO_CHANGE && p->hfunc != ETH_RSS_HASH_TOP)
		return -EOPNOTSUPP;
	if (p->indir)
		memcpy(dev->rss.queue, p->indir, sizeof(dev->rss.queue));
	if (p->key)
		memcpy(dev->rss.key, p->key, sizeof(dev->rss.key));
	if (!(dev->netdev->features & NETIF_F_RXHASH) ||
	    !netif_carrier_ok(dev->netdev))
		return 0;
	return xpv_net_rss_apply(dev);
}
