/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between the kernels that this module builds for: 6.1 to 6.12. */
#ifndef XPV_NET_COMPAT_H
#define XPV_NET_COMPAT_H

#include <linux/ethtool.h>
#include <linux/netdevice.h>
#include <linux/version.h>
#include <net/xdp.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#include <net/page_pool/helpers.h>
#else
#include <net/page_pool.h>
#endif

/* A pool that knows its NAPI recycles without a lock; since 6.4. */
static inline void xpv_pool_set_napi(struct page_pool_params *params,
				     struct napi_struct *napi)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	params->napi = napi;
#endif
}

/* True: the program has taken the skb. May exchange it since 6.9. */
static inline bool xpv_xdp_generic_takes(struct bpf_prog *prog,
					 struct sk_buff **skb)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	return do_xdp_generic(prog, skb) != XDP_PASS;
#else
	return do_xdp_generic(prog, *skb) != XDP_PASS;
#endif
}

/* What XDP can do here is told to userspace since 6.3. */
static inline void xpv_xdp_tell_features(struct net_device *netdev)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	netdev->xdp_features = NETDEV_XDP_ACT_BASIC | NETDEV_XDP_ACT_REDIRECT |
			       NETDEV_XDP_ACT_NDO_XMIT;
#endif
}

/* The parameters of get_rxfh and set_rxfh are one struct since 6.8. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
struct ethtool_rxfh_param {
	u8 hfunc;
	u32 *indir;
	u8 *key;
};
#endif

#endif
