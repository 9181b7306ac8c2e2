// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages of our own: where they come from and where they go. A disk takes one
 * when a request needs it and none is free, and has no more than
 * XPV_BLK_DISK_PAGES; a queue keeps what it took for its next requests, unless
 * another one lacks it. What holds when there is none to be had is in
 * reserve.c.
 */
#include <linux/mm.h>

#include "blkfront.h"

void xpv_blk_pool_init(struct xpv_blk_pool *pool)
{
	INIT_LIST_HEAD(&pool->pages.list);
	INIT_LIST_HEAD(&pool->tables);
}

/* All that is not in flight: pages move to @pages. */
void xpv_blk_pool_drop(struct xpv_blk *dev, struct xpv_blk_pool *pool,
		       struct list_head *pages)
{
	list_splice_init(&pool->pages.list, pages);
	list_splice_init(&pool->tables, pages);
	pool->pages.free = 0;
	pool->pages.total = 0;
	xpv_blk_refs_trim(dev, &pool->refs, 0);
}

/*
 * Zeroed; one of @limit of the disk's. The reserve is waited for, and has a
 * claim to its pages even while those of a life before are not freed yet.
 */
struct page *xpv_blk_page_get(struct xpv_blk *dev, int limit,
			      const struct xpv_blk_pool *pool)
{
	bool reserve = pool == &dev->reserve;
	struct page *page = NULL;

	if (atomic_inc_return(&dev->nr_pages) <= limit || reserve)
		page = alloc_page((reserve ? GFP_NOIO :
					     GFP_NOWAIT | __GFP_NOWARN) |
				  __GFP_ZERO);
	if (page)
		set_page_private(page, INVALID_GRANT_REF);
	else
		atomic_dec(&dev->nr_pages);
	return page;
}

/* A page that is still mapped is freed when the backend lets go of it. */
void xpv_blk_pages_free(struct xpv_blk *dev, struct list_head *pages)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, pages, lru) {
		grant_ref_t ref = (grant_ref_t)page_private(page);

		list_del(&page->lru);
		set_page_private(page, 0);
		if (ref == INVALID_GRANT_REF)
			__free_page(page);
		else
			gnttab_end_foreign_access(ref, page);
		atomic_dec(&dev->nr_pages);
	}
}

bool xpv_blk_pages_add(struct xpv_blk *dev, struct xpv_blk_pool *pool)
{
	struct page *page = xpv_blk_page_get(dev, XPV_BLK_DATA_PAGES, pool);

	if (!page)
		return false;
	list_add_tail(&page->lru, &pool->pages.list);
	pool->pages.free++;
	pool->pages.total++;
	return true;
}

static void move(struct xpv_blk_pages *from, struct xpv_blk_pages *to)
{
	list_move_tail(from->list.prev, &to->list); /* unused for longest */
	from->free--;
	from->total--;
	to->free++;
	to->total++;
}

/*
 * Take from the other queues what they have no use for now, until @q has @nr
 * or there is none. A queue that is at work is passed over: who holds a
 * queue's lock must not wait for another's.
 */
void xpv_blk_pages_steal(struct xpv_blk_queue *q, unsigned int nr)
{
	struct xpv_blk_queue *from = q->dev->queue;
	struct xpv_blk_queue *end = from + XPV_BLK_MAX_QUEUES;

	for (; from < end && q->pool.pages.free < nr; from++) {
		if (from == q || !spin_trylock(&from->lock))
			continue;
		while (from->open && from->pool.pages.free &&
		       q->pool.pages.free < nr)
			move(&from->pool.pages, &q->pool.pages);
		spin_unlock(&from->lock);
	}
}
