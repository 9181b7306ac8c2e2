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
 *	regroup		gives the disk as many hardware queues as rings, and limits
 *	watchdog	cuts the rings of a backend that broke or vanished (close.c)
 *	resume		of the driver, after a restore or a migration
 *	interrupt	takes responses (complete.c); so do poll and timeout
 *
 * step, attach, replay and regroup may wait for I/O; xenwatch, watchdog and
 * resume may not, and neither may anyone who holds `mutex`.
 *
 * step and watchdog read the other end's nodes, whose path a resume changes
 * before it comes to us: they are freezable work, so that neither is under
 * way in a suspend. A close that waits too long makes the suspend fail.
 */
#ifndef XPV_BLKFRONT_H
#define XPV_BLKFRONT_H

#include <linux/bio.h>
#include <linux/blk-mq.h>
#include <linux/interrupt.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include <xen/events.h>
#include <xen/grant_table.h>
#include <xen/xenbus.h>

#include "../../ring/blkif.h"
#include "../../ring/ring.h"
#include "../../ring/xenbus.h"

#define XPV_BLK_MAJOR	   202
#define XPV_BLK_MAX_QUEUES 16u
#define XPV_BLK_MAX_PAGES  (1u << XPV_BLKIF_MAX_RING_ORDER)
/* Segments of an indirect request: their descriptors fill one page. */
#define XPV_BLK_MAX_SEGS   XPV_BLKIF_SEGS_PER_PAGE
/*
 * Pages of one queue that stand in for others: 4 MiB in flight. The stock
 * backend keeps 1056 grants of a ring mapped, these and the tables of a ring
 * of one page.
 */
#define XPV_BLK_QUEUE_PAGES 1024u
/*
 * Pages of our own that a disk has at most, however many queues: 16 MiB. It
 * starts with its reserve, and takes more as requests need them.
 */
#define XPV_BLK_DISK_PAGES 4096u
/*
 * As many of them may hold data. Idle data pages go to the queue that lacks
 * some, but not to tables, which would else not be had once data has it all.
 */
#define XPV_BLK_DATA_PAGES 3584u
/* In place of a wire operation: the backend needs no flush, or has none. */
#define XPV_BLK_NO_FLUSH   0u

static_assert(PAGE_SIZE == XPV_PAGE_SIZE, "a segment is a page");

/* What the administrator wants: module parameters, within their limits. */
struct xpv_blk_wish {
	unsigned int irq_queues;
	unsigned int poll_queues;
	unsigned int ring_order;
	u32 max_indirect;
	bool persistent;
	bool trusted;
};

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
	bool persistent;
};

/* Rings, or hardware queues: those with interrupts come first. */
struct xpv_blk_shape {
	u8 irq; /* at least one */
	u8 poll;
};

/* The numbers and the name under which users know the disk. */
struct xpv_blk_number {
	struct list_head list; /* number.c */
	unsigned int first_minor;
	unsigned int minors;
	char name[DISK_NAME_LEN];
};

/* Grant references, kept for the next request. */
struct xpv_blk_refs {
	grant_ref_t head; /* meaningless while free is 0 */
	unsigned int free;
};

/* Pages that stand in for the callers' own (bounce.c). */
struct xpv_blk_pages {
	struct list_head list;
	unsigned int free;  /* in the list */
	unsigned int total; /* and in flight */
};

/*
 * What requests are made of: a queue's, or the disk's reserve (reserve.c).
 * Pages are linked through page->lru; page->private is the grant, if there is
 * one.
 */
struct xpv_blk_pool {
	struct xpv_blk_refs refs;
	struct xpv_blk_pages pages;
	struct list_head tables; /* of indirect requests, granted (slot.c) */
};

/* What an id stands for. */
struct xpv_blk_slot {
	struct xpv_blk_io *io; /* NULL: free */
	struct page *table;    /* of its indirect request, or NULL */
	u16 next_free;
};

/* What we remember of a request in flight (the pdu of struct request). */
struct xpv_blk_io {
	struct xpv_blk_io *next; /* in a list of finished ones */
	struct xpv_blk_queue *q;
	struct xpv_blk_pool *pool; /* what it has is from there */
	u32 life;		 /* of the queue when that was taken */
	u32 index;		 /* of its slot in the ring, free-running */
	u16 id;
	u16 nr_refs;		 /* grants that end with the response */
	u16 nr_pages;		 /* in `pages` */
	u8 op;			 /* that the response must carry */
	bool bounced;		 /* its data is in `pages` */
	bool indirect;		 /* its references are in the slot's page */
	bool again;		 /* not done, submit once more */
	blk_status_t status;
	struct list_head pages;
	grant_ref_t ref[XPV_BLKIF_DIRECT_SEGS];
};

struct xpv_blk;

struct xpv_blk_queue {
	struct xpv_blk *dev;
	spinlock_t lock;
	bool open;		    /* lock; ring, irq, slots may be used */
	struct xpv_front ring;	    /* lock */
	struct xpv_blk_pool pool;   /* lock */
	struct xpv_blk_slot *slot;  /* lock; by id */
	unsigned int free_slot;	    /* lock; an id, or the ring's entries */
	u32 life;		    /* lock; grows when the queue opens */
	/* dev->mutex, constant while open */
	void *memory;		    /* NULL: there is no channel */
	grant_ref_t ring_ref[XPV_BLK_MAX_PAGES];
	evtchn_port_t port;
	unsigned int irq;
	char irq_name[DISK_NAME_LEN + 12]; /* "xvda-0" */
	unsigned int max_segs;	    /* of one request */
	bool polled;		    /* asks for no events */
	bool bounce;		    /* xpv_blk_bounces() */
	bool persistent;	    /* xpv_blk_persistent() */
};

enum xpv_blk_flag {
	XPV_BLK_BROKEN,	 /* the backend broke the protocol: no more I/O */
	XPV_BLK_CLOSING, /* close() is under way; cleared under mutex */
	XPV_BLK_ADDED,	 /* the disk is in the system */
	XPV_BLK_LENT,	 /* the reserve is a request's */
};

struct xpv_blk {
	struct xenbus_device *xbdev;
	u32 vdevice;		/* virtual-device */
	u16 handle;		/* of requests */
	unsigned long flags;	/* enum xpv_blk_flag, atomic */
	struct mutex mutex;	/* see above: never held while I/O is awaited */
	bool paused;		/* mutex; queue quiesced until reconnected */
	bool trusted;		/* mutex; the backend may see whole pages */
	bool persistent;	/* mutex; we said that we can */
	bool limits_due;	/* mutex; the disk's are not those of offer yet */
	struct xpv_blk_number number;
	struct xpv_blk_offer offer; /* mutex */
	u8 flush_op;		/* as offered, or less (complete.c) */
	bool discard;		/* likewise */
	bool starving;		/* a request was put off */
	atomic_t nr_pages;	/* of our own that there are */
	atomic_t nr_refs;	/* grant references, used or kept */
	struct xpv_blk_pool reserve; /* who has XPV_BLK_LENT, under its lock */
	struct gendisk *disk;	/* mutex; from connect to close */
	struct blk_mq_tag_set tags;
	struct work_struct step;
	struct work_struct attach;
	struct delayed_work watchdog;
	struct work_struct replay;
	struct work_struct regroup;
	spinlock_t bios_lock;
	struct bio_list bios;	/* bios_lock; to be submitted again */
	unsigned int ring_order;    /* mutex */
	struct xpv_blk_shape rings; /* mutex; changes while nothing is sent */
	struct xpv_blk_shape hw;    /* of tags; changes while they are frozen */
	struct xpv_blk_shape hw_old; /* disk_make() and regroup, for map_queues() */
	struct xpv_blk_shape hw_new;
	struct xpv_blk_queue queue[XPV_BLK_MAX_QUEUES];
};

/* param.c */
struct xpv_blk_wish xpv_blk_wish(void);

/* connect.c */
void xpv_blk_step(struct work_struct *work);
void xpv_blk_otherend_changed(struct xenbus_device *xbdev,
			      enum xenbus_state back);

/* publish.c; under mutex */
int xpv_blk_publish(struct xpv_blk *dev);

/* channel.c: ring, event channel and grants of a queue; all under mutex */
enum xpv_blk_fate {
	XPV_BLK_FAIL,	 /* requests in flight end with an error */
	XPV_BLK_REQUEUE, /* they wait for the next ring */
};

int xpv_blk_channel_make(struct xpv_blk_queue *q);
void xpv_blk_channel_open(struct xpv_blk_queue *q);
void xpv_blk_channels_shut(struct xpv_blk *dev, enum xpv_blk_fate fate);
void xpv_blk_channels_steer(struct xpv_blk *dev);

/* slot.c; under queue lock, but for the two that make */
int xpv_blk_slots_make(struct xpv_blk_queue *q);
bool xpv_blk_slot_free(const struct xpv_blk_queue *q);
bool xpv_blk_slot_take(struct xpv_blk_queue *q, struct xpv_blk_io *io);
bool xpv_blk_slot_table(struct xpv_blk_queue *q, struct xpv_blk_io *io);
void xpv_blk_slot_give(struct xpv_blk_queue *q, struct xpv_blk_io *io);
struct page *xpv_blk_table_make(struct xpv_blk *dev,
				const struct xpv_blk_pool *pool);

/* queue.c */
extern const struct blk_mq_ops xpv_blk_mq_ops;

/* request.c */
enum xpv_blk_course {
	XPV_BLK_SEND,
	XPV_BLK_LATER,	/* no slot, page or grant now; blk-mq comes back */
	XPV_BLK_SKIP,	/* nothing to do: it is done */
	XPV_BLK_SPLIT,	/* made for a backend that could more: submit it anew */
	XPV_BLK_REFUSE, /* no such operation */
	XPV_BLK_ABORT,	/* no backend */
};

enum xpv_blk_course xpv_blk_submit(struct xpv_blk_queue *q, struct request *rq,
				   bool last);
void xpv_blk_push(struct xpv_blk_queue *q);

/* complete.c */
irqreturn_t xpv_blk_interrupt(int irq, void *queue);
bool xpv_blk_reap(struct xpv_blk_queue *q);
void xpv_blk_finish(struct xpv_blk_io *done);
void xpv_blk_complete(struct request *rq);

/* grant.c; under queue lock */
bool xpv_blk_refs_reserve(struct xpv_blk *dev, struct xpv_blk_refs *refs,
			  unsigned int nr);
void xpv_blk_refs_trim(struct xpv_blk *dev, struct xpv_blk_refs *refs,
		       unsigned int keep);
grant_ref_t xpv_blk_grant(struct xpv_blk *dev, struct xpv_blk_refs *refs,
			  struct page *page, bool readonly);
void xpv_blk_refs_return(struct xpv_blk_refs *refs, grant_ref_t ref);
bool xpv_blk_revoke(struct xpv_blk_queue *q, struct xpv_blk_io *io);

/* pool.c; drop and steal under queue lock */
void xpv_blk_pool_init(struct xpv_blk_pool *pool);
void xpv_blk_pool_drop(struct xpv_blk *dev, struct xpv_blk_pool *pool,
		       struct list_head *pages);
struct page *xpv_blk_page_get(struct xpv_blk *dev, int limit,
			      const struct xpv_blk_pool *pool);
void xpv_blk_pages_free(struct xpv_blk *dev, struct list_head *pages);
bool xpv_blk_pages_add(struct xpv_blk *dev, struct xpv_blk_pool *pool);
void xpv_blk_pages_steal(struct xpv_blk_queue *q, unsigned int nr);

/* reserve.c; make and drop under mutex, drop when all queues are shut */
int xpv_blk_reserve_make(struct xpv_blk *dev);
void xpv_blk_reserve_drop(struct xpv_blk *dev);
bool xpv_blk_reserve_take(struct xpv_blk_queue *q, struct xpv_blk_io *io);
bool xpv_blk_reserve_lent(const struct xpv_blk_io *io);
void xpv_blk_reserve_give(struct xpv_blk_io *io);

/* bounce.c; take, grant and revoke under queue lock */
bool xpv_blk_bounce_take(struct xpv_blk_queue *q, struct request *rq);
void xpv_blk_bounce(struct request *rq);
void xpv_blk_give_back(struct request *rq, bool from_backend);
bool xpv_blk_bounce_grant(struct xpv_blk_queue *q, struct xpv_blk_io *io,
			  bool readonly);
bool xpv_blk_bounce_revoke(struct xpv_blk_io *io);

/* device.c */
int xpv_blk_disk_make(struct xpv_blk *dev);
int xpv_blk_disk_renew(struct xpv_blk *dev);
void xpv_blk_disk_settle(struct xpv_blk *dev);
void xpv_blk_disk_drop(struct xpv_blk *dev);
void xpv_blk_disk_resize(struct xpv_blk *dev);
void xpv_blk_attach(struct work_struct *work);

/* number.c */
int xpv_blk_number_take(struct xpv_blk *dev);
void xpv_blk_number_release(struct xpv_blk *dev);

/* keys.c */
int xpv_blk_read_key(struct xpv_blk *dev, const char *dir, enum xpv_key key,
		     u64 *value);
u32 xpv_blk_read_feature(struct xpv_blk *dev, enum xpv_key key);
bool xpv_blk_read_trusted(struct xpv_blk *dev);
int xpv_blk_read_offer(struct xpv_blk *dev);
int xpv_blk_read_sectors(struct xpv_blk *dev, u64 *sectors);

/* close.c */
void xpv_blk_close(struct xpv_blk *dev, bool orderly);
void xpv_blk_watchdog(struct work_struct *work);
void xpv_blk_break(struct xpv_blk_queue *q, const char *why);

/* recover.c */
int xpv_blk_resume(struct xenbus_device *xbdev);
void xpv_blk_unpause(struct xpv_blk *dev);
void xpv_blk_replay_request(struct xpv_blk *dev, struct request *rq);
void xpv_blk_replay(struct work_struct *work);
void xpv_blk_regroup(struct work_struct *work);

static inline struct request *xpv_blk_rq(struct xpv_blk_io *io)
{
	return blk_mq_rq_from_pdu(io);
}

static inline unsigned int xpv_blk_total(struct xpv_blk_shape shape)
{
	return shape.irq + shape.poll;
}

/* Segments of one request. */
static inline unsigned int xpv_blk_max_segs(const struct xpv_blk *dev)
{
	return dev->offer.max_indirect ?: XPV_BLKIF_DIRECT_SEGS;
}

/* Both ends have said that pages stay granted. */
static inline bool xpv_blk_persistent(const struct xpv_blk *dev)
{
	return dev->persistent && dev->offer.persistent;
}

/* No page but our own goes to the backend. */
static inline bool xpv_blk_bounces(const struct xpv_blk *dev)
{
	return xpv_blk_persistent(dev) || !dev->trusted;
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
