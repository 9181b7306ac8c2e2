/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between the kernels that this module builds for: 6.1 to 6.12. */
#ifndef XPV_NET_COMPAT_H
#define XPV_NET_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#include <net/page_pool/helpers.h>
#else
#include <net/page_pool.h>
#endif

#endif
