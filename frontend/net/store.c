// SPDX-License-Identifier: GPL-2.0-only
/* What we read from xenstore, and single keys that we write there. */
#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "netfront.h"

static bool trusted = true;
module_param(trusted, bool, 0644);
MODULE_PARM_DESC(trusted,
		 "Let backends see whatever shares a page with a packet");

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
		.multicast = offers(dev, XPV_KEY_FEATURE_MCAST) &&
			     offers(dev, XPV_KEY_FEATURE_DYN_MCAST),
		.ctrl_ring = offers(dev, XPV_KEY_FEATURE_CTRL_RING),
		.xdp_headroom = offers(dev, XPV_KEY_FEATURE_XDP_HEADROOM),
		.max_queues = read_number(dev, dev->xbdev->otherend,
					  XPV_KEY_MQ_MAX_QUEUES),
	};
}

/* The toolstack, or its hotplug script, writes this one to our directory. */
unsigned int xpv_net_read_mtu(struct xpv_net_device *dev)
{
	return read_number(dev, dev->xbdev->nodename, XPV_KEY_MTU);
}

bool xpv_net_read_carrier(struct xpv_net_device *dev)
{
	return offers(dev, XPV_KEY_CARRIER);
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

/* Outside of any transaction; the device goes on if it fails. */
int xpv_net_write_key(struct xpv_net_device *dev, enum xpv_key key,
		      unsigned int value)
{
	const char *dir = dev->xbdev->nodename;
	int err = xenbus_printf(XBT_NIL, dir, xpv_key(key), "%u", value);

	if (err)
		dev_warn(&dev->xbdev->dev, "writing %s/%s: %d\n", dir,
			 xpv_key(key), err);
	return err;
}
