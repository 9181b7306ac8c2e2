// SPDX-License-Identifier: GPL-2.0-only
/*
 * Offloads. All are wanted from the start; what the backend of the moment does
 * not offer is taken away by xpv_net_fix_features(). RXCSUM has no switch:
 * backends are told once, by a key, that blank checksums are welcome.
 */
#include <linux/if_vlan.h>

#include "netfront.h"

#define OFFLOADS                                                               \
	(NETIF_F_SG | NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM | NETIF_F_TSO |      \
	 NETIF_F_TSO6)

/*
 * Bytes of headers that a backend looks at for where a checksum goes: backends
 * give up on chains of IPv6 options that end behind that.
 */
#define CHECKSUM_HEADERS 256

void xpv_net_init_features(struct net_device *netdev)
{
	netif_set_tso_max_size(netdev, XPV_NETIF_MAX_PACKET);
	/* Hashing costs the backend; it is had for the asking. */
	netdev->hw_features = OFFLOADS | NETIF_F_RXHASH;
	/* ROBUST: backends check GSO packets that came from elsewhere. */
	netdev->features = OFFLOADS | NETIF_F_RXCSUM | NETIF_F_GSO_ROBUST;
	xpv_xdp_tell_features(netdev);
}

netdev_features_t xpv_net_fix_features(struct net_device *netdev,
				       netdev_features_t features)
{
	struct xpv_net_device *dev = netdev_priv(netdev);
	const struct xpv_net_offer *offer = &dev->offer;

	if (!offer->sg)
		features &= ~NETIF_F_SG;
	if (!offer->csum_ipv4)
		features &= ~NETIF_F_IP_CSUM;
	if (!offer->csum_ipv6)
		features &= ~NETIF_F_IPV6_CSUM;
	if (!offer->gso_tcpv4)
		features &= ~NETIF_F_TSO;
	if (!offer->gso_tcpv6)
		features &= ~NETIF_F_TSO6;
	if (!offer->ctrl_ring)
		features &= ~NETIF_F_RXHASH;
	return features;
}

int xpv_net_set_features(struct net_device *netdev, netdev_features_t features)
{
	struct xpv_net_device *dev = netdev_priv(netdev);
	netdev_features_t changed = netdev->features ^ features;

	if (!(features & NETIF_F_SG))
		xpv_net_lower_mtu(dev);
	/* Else when the link goes up. */
	if (!(changed & NETIF_F_RXHASH) || !netif_carrier_ok(netdev))
		return 0;
	return features & NETIF_F_RXHASH ? xpv_net_rss_apply(dev) :
					   xpv_net_rss_off(dev);
}

/*
 * A packet whose checksum a backend would not find is finished here, and so is
 * one of its segments: a GSO packet is nothing but its headers there.
 */
netdev_features_t xpv_net_features_check(struct sk_buff *skb,
					 struct net_device *netdev,
					 netdev_features_t features)
{
	if (skb->ip_summed == CHECKSUM_PARTIAL &&
	    skb_checksum_start_offset(skb) + skb->csum_offset + 2 >
		    CHECKSUM_HEADERS)
		features &= ~(NETIF_F_CSUM_MASK | NETIF_F_GSO_MASK);
	return vlan_features_check(skb, features);
}
