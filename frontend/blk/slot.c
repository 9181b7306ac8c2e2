// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ids of requests, and what belongs to each: the request in flight, and its
 * table, the page that holds the segments if it is an indirect one.
 *
 * There are as many ids as the ring has entries, so whoever has an id has
 * room in the ring.
 */
#include <linux/slab.h>

#include <xen/page.h>

#include "blkfront.h"

int xpv_blk_slots_make(struct xpv_blk_queue *q)
{
	u32 i, entries = q->ring.ring.entries;

	q->slot = kcalloc(entries, sizeof(*q->slot), GFP_NOIO);
	if (!q->slot)
		return -ENOMEM;
	for (i = 0; i < entries; i++)
		q->slot[i].next_free = (u16)(i + 1);
	q->free_slot = 0;
	return 0;
}

/*
 * A page for an indirect request, granted until it is freed. The backend may
 * only read it: the references in it are ours to rely on (grant.c). One that
 * keeps mappings makes these writable too, the stock backend at least; we do
 * not read them then, as those references are with the pages.
 */
struct page *xpv_blk_table_make(struct xpv_blk *dev,
				const struct xpv_blk_pool *pool)
{
	struct page *page = xpv_blk_page_get(dev, XPV_BLK_DISK_PAGES, pool);
	LIST_HEAD(list);
	int ref;

	if (!page)
		return NULL;
	ref = gnttab_grant_foreign_access((domid_t)dev->xbdev->otherend_id,
					  xen_page_to_gfn(page),
					  !xpv_blk_persistent(dev));
	if (ref < 0) {
		list_add(&page->lru, &list);
		xpv_blk_pages_free(dev, &list);
		return NULL;
	}
	set_page_private(page, (grant_ref_t)ref);
	return page;
}

bool xpv_blk_slot_free(const struct xpv_blk_queue *q)
{
	return q->free_slot < q->ring.ring.entries;
}

bool xpv_blk_slot_take(struct xpv_blk_queue *q, struct xpv_blk_io *io)
{
	unsigned int id = q->free_slot;

	if (!xpv_blk_slot_free(q))
		return false;
	q->free_slot = q->slot[id].next_free;
	q->slot[id].io = io;
	io->id = (u16)id;
	return true;
}

/*
 * The last table used is the next one: it is in the cache, and mapped by a
 * backend that keeps mappings. False: there is none now.
 */
bool xpv_blk_slot_table(struct xpv_blk_queue *q, struct xpv_blk_io *io)
{
	struct list_head *tables = &io->pool->tables;
	struct page *table =
		list_first_entry_or_null(tables, struct page, lru);

	if (table)
		list_del(&table->lru);
	else if (!xpv_blk_reserve_lent(io))
		table = xpv_blk_table_make(q->dev, io->pool);
	q->slot[io->id].table = table;
	return table;
}

void xpv_blk_slot_give(struct xpv_blk_queue *q, struct xpv_blk_io *io)
{
	struct xpv_blk_slot *slot = &q->slot[io->id];

	if (slot->table)
		list_add(&slot->table->lru, &io->pool->tables);
	slot->table = NULL;
	slot->io = NULL;
	slot->next_free = (u16)q->free_slot;
	q->free_slot = io->id;
}
