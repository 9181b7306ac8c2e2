// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ids of requests, and what belongs to each: the request in flight, and the
 * page that holds the segments if it is an indirect one.
 *
 * There are as many ids as the ring has entries, so whoever has an id has
 * room in the ring. The last one freed is the next one used: its page is in
 * the cache, and mapped by a backend that keeps mappings.
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
 * Pages for indirect requests, granted as long as the ring is. The backend
 * may only read them: the references in them are ours to rely on (grant.c).
 * One that keeps mappings makes these writable too, the stock backend at
 * least; we do not read them then, as those references are with the pages.
 */
int xpv_blk_slots_indirect(struct xpv_blk_queue *q)
{
	u32 i, entries = q->ring.ring.entries;
	int ref;

	for (i = 0; i < entries; i++) {
		struct page *page = alloc_page(GFP_NOIO | __GFP_ZERO);

		if (!page)
			return -ENOMEM;
		ref = gnttab_grant_foreign_access(q->dev->xbdev->otherend_id,
						  xen_page_to_gfn(page),
						  !q->persistent);
		if (ref < 0) {
			__free_page(page);
			return ref;
		}
		q->slot[i].segs = page;
		q->slot[i].segs_ref = (grant_ref_t)ref;
	}
	return 0;
}

void xpv_blk_slots_drop(struct xpv_blk_queue *q)
{
	u32 i;

	if (!q->slot)
		return;
	for (i = 0; i < q->ring.ring.entries && q->slot[i].segs; i++)
		gnttab_end_foreign_access(q->slot[i].segs_ref,
					  q->slot[i].segs);
	kfree(q->slot);
	q->slot = NULL;
}

bool xpv_blk_slot_take(struct xpv_blk_queue *q, struct xpv_blk_io *io)
{
	unsigned int id = q->free_slot;

	if (id >= q->ring.ring.entries)
		return false;
	q->free_slot = q->slot[id].next_free;
	q->slot[id].io = io;
	io->id = (u16)id;
	return true;
}

void xpv_blk_slot_give(struct xpv_blk_queue *q, struct xpv_blk_io *io)
{
	struct xpv_blk_slot *slot = &q->slot[io->id];

	slot->io = NULL;
	slot->next_free = (u16)q->free_slot;
	q->free_slot = io->id;
}
