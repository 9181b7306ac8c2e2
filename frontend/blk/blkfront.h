/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The block frontend, seen from inside.
 *
 * One struct xpv_blk a device, one struct xpv_blk_queue a ring. Who runs:
 *
 *	xenwatch	otherend_changed: wakes `step`, never waits
 *	step		the state machine of connect.c, close() included
 *	attach		puts the new disk into the system (scans partitions)
 *	replay		submits again what must be split anew (recover.c)
 *	watchdog	cuts the rings of a broken or stalled backend (close.c)
 *	resume		of the driver, after a restore or a migration
 *	interrupt	takes responses (complete.c)
 *
 * step, attach and replay may wait for I/O; xenwatch, watchdog and resume may
 * not, and neither may anyone who holds `mutex`.
 */
#ifndef XPV_BLKFRONT_H
#define XPV_BLKFRONT_H

#include <linux/bio.h>
#include <linux/blk-mq.h>
#include <linux/interrupt.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include <xen/events.h>
#include <xen/grant_table.h>
#include <xen/xenbus.h>

#include "../../ring/blkif.h"
#include "../../ring/ring.h"
#include "../../ring/xenbus.h"

/* Segments of one request: a page, a grant and a page of the peer's each. */
#define XPV_BLK_MAX_SEGS  32u
#define XPV_BLK_MAX_PAGES (1u << XPV_BLKIF_MAX_RING_ORDER)
/* In place of a wire operation: the backend needs no flush, or has none. */
#define XPV_BLK_NO_FLUSH  0u

/* What the backend offers, read when it connects. */
struct xpv_blk_offer {
	u64 sectors;
	u32 logical_size;
	u32 physical_size;
	u32 info;	  /* XPV_VDISK_* */
	u32 max_indirect; /* segments; 0: direct requests only */
	u32 discard_granularity;
	u32 discard_alignment;
	u8 flush_op;	  /* enum xpv_blkif_op or XPV_BLK_NO_FLUSH */
	bool discard;
	bool discard_secure;
};

/* The numbers and the name under which users know the disk. */
struct xpv_blk_number {
	struct list_head list; /* number.c */
	unsigned int first_minor;
	unsigned int minors;
	char name[DISK_NAME_LEN];
};

/* Grant references of one queue, kept for the next request. */
struct xpv_blk_pool {
	grant_ref_t head; /* meaningless while free is 0 */
	unsigned int free;
};

/* A page that holds the segments of an indirect request. */
struct xpv_blk_indirect {
	struct page *page;
	grant_ref_t ref;
};

/* What we remember of a request in flight (the pdu of struct request). */
struct xpv_blk_io {
	struct xpv_blk_io *next; /* in a list of finished ones */
	u32 index;		 /* of its slot, free-running */
	u8 op;			 /* that the response must carry */
	bool again;		 /* not done, submit once more */
	blk_status_t status;
	unsigned int nr_refs;
	grant_ref_t ref[XPV_BLK_MAX_SEGS];
	struct scatterlist sg[XPV_BLK_MAX_SEGS];
};

struct xpv_blk;

struct xpv_blk_queue {
	struct xpv_blk *dev;
	spinlock_t lock;
	bool open;		  /* lock; ring, irq and below may be used */
	struct xpv_front ring;	  /* lock */
	struct xpv_blk_pool pool; /* lock */
	struct xpv_blk_io **slot; /* lock; by id, NULL: not in flight */
	u32 seen;		  /* watchdog: responses at its last look */
	/* dev->mutex, constant while open */
	void *memory;
	grant_ref_t ring_ref[XPV_BLK_MAX_PAGES];
	evtchn_port_t port;
	unsigned int irq;
	unsigned int max_segs;	  /* of one request */
	struct xpv_blk_indirect *indirect; /* by id; NULL: not offered */
};

enum xpv_blk_flag {
	XPV_BLK_BROKEN,	 /* the backend broke the protocol: no more I/O */
	XPV_BLK_CLOSING, /* close() is under way */
	XPV_BLK_ADDED,	 /* the disk is in the system */
};

struct xpv_blk {
	struct xenbus_device *xbdev;
	u32 vdevice;		/* virtual-device */
	u16 handle;		/* of requests */
	unsigned long flags;	/* enum xpv_blk_flag, atomic */
	struct mutex mutex;	/* see above: never held while I/O is awaited */
	bool paused;		/* mutex; queue quiesced until reconnected */
	struct xpv_blk_number number;
	struct xpv_blk_offer offer; /* mutex */
	u8 flush_op;		/* as offered, or less (complete.c) */
	bool discard;		/* likewise */
	struct gendisk *disk;	/* mutex; from connect to close */
	struct blk_mq_tag_set tags;
	struct work_struct step;
	struct work_struct attach;
	struct delayed_work watchdog;
	struct work_struct replay;
	spinlock_t bios_lock;
	struct bio_list bios;	/* bios_lock; to be submitted again */
	unsigned int ring_order;
	unsigned int nr_queues;
	struct xpv_blk_queue queue[];
};

/* connect.c */
void xpv_blk_step(struct work_struct *work);
void xpv_blk_otherend_changed(struct xenbus_device *xbdev,
			      enum xenbus_state back);

/* channel.c: ring, event channel and grants of a queue; all under mutex */
enum xpv_blk_fate {
	XPV_BLK_FAIL,	 /* requests in flight end with an error */
	XPV_BLK_REQUEUE, /* they wait for the next ring */
};

int xpv_blk_channel_make(struct xpv_blk_queue *q);
int xpv_blk_channel_open(struct xpv_blk_queue *q);
void xpv_blk_channel_shut(struct xpv_blk_queue *q, enum xpv_blk_fate fate);
void xpv_blk_channels_shut(struct xpv_blk *dev, enum xpv_blk_fate fate);

/* queue.c */
extern const struct blk_mq_ops xpv_blk_mq_ops;

/* complete.c */
irqreturn_t xpv_blk_interrupt(int irq, void *queue);
void xpv_blk_finish(struct xpv_blk_io *done);

/* grant.c; under queue lock */
bool xpv_blk_grant(struct xpv_blk_queue *q, struct xpv_blk_io *io,
		   unsigned int nr, bool readonly);
bool xpv_blk_revoke(struct xpv_blk_queue *q, struct xpv_blk_io *io);
void xpv_blk_pool_drain(struct xpv_blk_pool *pool);
int xpv_blk_indirect_make(struct xpv_blk_queue *q);
void xpv_blk_indirect_drop(struct xpv_blk_queue *q);

/* device.c */
int xpv_blk_disk_make(struct xpv_blk *dev);
int xpv_blk_disk_renew(struct xpv_blk *dev);
void xpv_blk_disk_drop(struct xpv_blk *dev);
void xpv_blk_disk_resize(struct xpv_blk *dev);
void xpv_blk_attach(struct work_struct *work);

/* number.c */
int xpv_blk_number_take(struct xpv_blk *dev);
void xpv_blk_number_release(struct xpv_blk *dev);

/* keys.c */
int xpv_blk_read_key(struct xpv_blk *dev, const char *dir, enum xpv_key key,
		     u64 *value);
int xpv_blk_read_offer(struct xpv_blk *dev);
int xpv_blk_read_sectors(struct xpv_blk *dev, u64 *sectors);

/* close.c */
void xpv_blk_close(struct xpv_blk *dev, bool orderly);
void xpv_blk_watch(struct xpv_blk *dev);
void xpv_blk_watchdog(struct work_struct *work);
void xpv_blk_break(struct xpv_blk_queue *q, const char *why);

/* recover.c */
int xpv_blk_resume(struct xenbus_device *xbdev);
void xpv_blk_unpause(struct xpv_blk *dev);
void xpv_blk_replay_request(struct xpv_blk *dev, struct request *rq);
void xpv_blk_replay(struct work_struct *work);

static inline struct request *xpv_blk_rq(struct xpv_blk_io *io)
{
	return blk_mq_rq_from_pdu(io);
}

static inline unsigned int xpv_blk_ring_pages(const struct xpv_blk *dev)
{
	return 1u << dev->ring_order;
}

static inline u32 xpv_blk_ring_entries(const struct xpv_blk *dev)
{
	return xpv_ring_entries((size_t)XPV_PAGE_SIZE << dev->ring_order,
				xpv_blkif_native.slot_size);
}

#endif
