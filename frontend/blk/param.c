// SPDX-License-Identifier: GPL-2.0-only
/*
 * Module parameters: those of the stock xen-blkfront under the same names,
 * and poll_queues. Out of range means the nearest that is in it.
 */
#include <linux/cpumask.h>
#include <linux/crash_dump.h>
#include <linux/minmax.h>
#include <linux/moduleparam.h>

#include "blkfront.h"

/*
 * 1 MiB in one request: all that the stock backend takes, and close to the
 * 1280 KiB beyond which the block layer makes no request by itself.
 */
static unsigned int max_indirect_segments = 256;
module_param(max_indirect_segments, uint, 0444);
MODULE_PARM_DESC(max_indirect_segments,
		 "Most segments (pages) in one request, up to 512; 0: direct requests only (default 256)");

/* Whoever sends requests has a ring of its own; memory is the disk's (pool.c). */
static unsigned int max_queues = XPV_BLK_MAX_QUEUES;
module_param(max_queues, uint, 0444);
MODULE_PARM_DESC(max_queues,
		 "Most rings a disk, one a CPU at most, up to 16 (default 16)");

static unsigned int poll_queues;
module_param(poll_queues, uint, 0444);
MODULE_PARM_DESC(poll_queues,
		 "Rings a disk for polled I/O, beside max_queues (default 0)");

static unsigned int max_ring_page_order;
module_param(max_ring_page_order, uint, 0444);
MODULE_PARM_DESC(max_ring_page_order,
		 "Most pages of a ring, as a power of two: 0 (32 requests) to 4 (512) (default 0)");

static bool trusted = true;
module_param(trusted, bool, 0644);
MODULE_PARM_DESC(trusted,
		 "Is the backend trusted: may it see whole pages (default Y)");

static bool feature_persistent = true;
module_param(feature_persistent, bool, 0644);
MODULE_PARM_DESC(feature_persistent,
		 "Keep pages granted where the backend can (default Y)");

struct xpv_blk_wish xpv_blk_wish(void)
{
	struct xpv_blk_wish wish = {
		.irq_queues = min3(max(max_queues, 1u), num_online_cpus(),
			       XPV_BLK_MAX_QUEUES),
		.ring_order = min(max_ring_page_order, XPV_BLKIF_MAX_RING_ORDER),
		.max_indirect = min(max_indirect_segments, XPV_BLK_MAX_SEGS),
		.persistent = READ_ONCE(feature_persistent),
		.trusted = READ_ONCE(trusted),
	};

	/* A ring is a CPU's or is polled; one at least is not polled. */
	wish.poll_queues = min(poll_queues, XPV_BLK_MAX_QUEUES - 1);
	wish.irq_queues = min(wish.irq_queues, XPV_BLK_MAX_QUEUES - wish.poll_queues);
	/* A crash kernel has little memory, and of blk-mq it gets one queue. */
	if (is_kdump_kernel()) {
		wish.irq_queues = 1;
		wish.poll_queues = 0;
	}
	return wish;
}
