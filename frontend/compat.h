/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that the frontends are built for: Debian's
 * 6.1 and 6.12. Nothing else in frontend/ asks for a kernel version.
 */
#ifndef XPV_COMPAT_H
#define XPV_COMPAT_H

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
typedef blk_mode_t xpv_blk_mode_t;
#else
typedef fmode_t xpv_blk_mode_t;
#endif

/*
 * The limits of a disk that our drivers set. Sizes in bytes if not named. A
 * backend takes segments of whole logical sectors only, and none crosses a
 * page: callers' buffers are aligned to a logical sector.
 */
struct xpv_disk_limits {
	unsigned int logical_size;
	unsigned int physical_size;
	unsigned short segments; /* of at most a page, within a page */
	bool write_cache;
	bool fua;
	unsigned int discard_sectors;
	unsigned int secure_erase_sectors;
	unsigned int discard_granularity;
	unsigned int discard_alignment;
};

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)

static inline void xpv_limits_fill(const struct xpv_disk_limits *want,
				   struct queue_limits *lim)
{
	lim->logical_block_size = want->logical_size;
	lim->physical_block_size = want->physical_size;
	lim->max_segments = want->segments;
	lim->max_hw_sectors = want->segments * (PAGE_SIZE >> SECTOR_SHIFT);
	lim->seg_boundary_mask = PAGE_SIZE - 1;
	lim->max_segment_size = PAGE_SIZE;
	lim->dma_alignment = want->logical_size - 1; /* see above */
	lim->max_hw_discard_sectors = want->discard_sectors;
	lim->max_secure_erase_sectors = want->secure_erase_sectors;
	lim->discard_granularity = want->discard_granularity;
	lim->discard_alignment = want->discard_alignment;
	lim->features &= ~(BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA);
	if (want->write_cache)
		lim->features |= BLK_FEAT_WRITE_CACHE;
	if (want->fua)
		lim->features |= BLK_FEAT_FUA;
}

static inline struct gendisk *xpv_disk_alloc(struct blk_mq_tag_set *set,
					     const struct xpv_disk_limits *want)
{
	struct queue_limits lim = {};

	xpv_limits_fill(want, &lim);
	return blk_mq_alloc_disk(set, &lim, NULL);
}

static inline int xpv_disk_set_limits(struct gendisk *disk,
				      const struct xpv_disk_limits *want)
{
	struct queue_limits lim = queue_limits_start_update(disk->queue);

	xpv_limits_fill(want, &lim);
	return queue_limits_commit_update(disk->queue, &lim);
}

/*
 * For those who hold requests back. -EBUSY: someone else changes the limits,
 * and may be waiting, with the lock, until requests end (a write to sysfs).
 */
static inline int xpv_disk_try_limits(struct gendisk *disk,
				      const struct xpv_disk_limits *want)
{
	struct request_queue *rq = disk->queue;
	struct queue_limits lim;

	if (!mutex_trylock(&rq->limits_lock))
		return -EBUSY;
	lim = rq->limits;
	xpv_limits_fill(want, &lim);
	return queue_limits_commit_update(rq, &lim);
}

#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)

static inline int xpv_disk_set_limits(struct gendisk *disk,
				      const struct xpv_disk_limits *want)
{
	struct request_queue *rq = disk->queue;

	blk_queue_logical_block_size(rq, want->logical_size);
	blk_queue_physical_block_size(rq, want->physical_size);
	blk_queue_max_hw_sectors(rq, want->segments *
					     (PAGE_SIZE >> SECTOR_SHIFT));
	blk_queue_max_segments(rq, want->segments);
	blk_queue_segment_boundary(rq, PAGE_SIZE - 1);
	blk_queue_max_segment_size(rq, PAGE_SIZE);
	blk_queue_dma_alignment(rq, (int)want->logical_size - 1); /* see above */
	blk_queue_max_discard_sectors(rq, want->discard_sectors);
	blk_queue_max_secure_erase_sectors(rq, want->secure_erase_sectors);
	rq->limits.discard_granularity = want->discard_granularity;
	rq->limits.discard_alignment = want->discard_alignment;
	blk_queue_write_cache(rq, want->write_cache, want->fua);
	return 0;
}

static inline struct gendisk *xpv_disk_alloc(struct blk_mq_tag_set *set,
					     const struct xpv_disk_limits *want)
{
	struct gendisk *disk = blk_mq_alloc_disk(set, NULL);

	if (IS_ERR(disk))
		return disk;
	blk_queue_flag_set(QUEUE_FLAG_NONROT, disk->queue);
	xpv_disk_set_limits(disk, want);
	return disk;
}

static inline int xpv_disk_try_limits(struct gendisk *disk,
				      const struct xpv_disk_limits *want)
{
	return xpv_disk_set_limits(disk, want); /* there is no lock */
}

#else
#error "the block layer of Linux 6.9 and 6.10 is in between: not supported"
#endif

#endif
