// SPDX-License-Identifier: GPL-2.0-only
/*
 * Grants of data pages: given per segment, ended when the response is there.
 *
 * References stay in the queue's pool after use, so the I/O path neither
 * takes the grant table's lock nor runs out of references once it has had
 * them. The pool never holds more than a full ring needs.
 *
 * A grant covers a whole page, so the backend sees what else is in it. This
 * is the place where pages for a backend with `trusted` = 0 would be replaced
 * by zeroed ones (XSA-403).
 */
#include <linux/slab.h>

#include <xen/page.h>

#include "blkfront.h"

/* The queue's references grow to what one more request needs. */
static bool reserve(struct xpv_blk_pool *pool, unsigned int nr)
{
	unsigned int missing;
	grant_ref_t fresh;

	if (pool->free >= nr)
		return true;
	missing = nr - pool->free;
	if (gnttab_alloc_grant_references((u16)missing, &fresh))
		return false;
	if (!pool->free) {
		pool->head = fresh;
	} else {
		while (missing--) {
			int ref = gnttab_claim_grant_reference(&fresh);

			gnttab_release_grant_reference(&pool->head, ref);
		}
	}
	pool->free = nr;
	return true;
}

/* Grant the @nr segments in io->sg to the backend, or none. */
bool xpv_blk_grant(struct xpv_blk_queue *q, struct xpv_blk_io *io,
		   unsigned int nr, bool readonly)
{
	domid_t backend = (domid_t)q->dev->xbdev->otherend_id;
	struct scatterlist *sg;
	unsigned int i;

	if (!reserve(&q->pool, nr))
		return false;
	for_each_sg(io->sg, sg, nr, i) {
		int ref = gnttab_claim_grant_reference(&q->pool.head);

		gnttab_page_grant_foreign_access_ref_one(ref, backend,
							 sg_page(sg), readonly);
		io->ref[i] = ref;
	}
	q->pool.free -= nr;
	io->nr_refs = nr;
	return true;
}

/*
 * End the grants of a request. False: the backend still has a page mapped,
 * against the protocol. Such a page keeps an extra reference until it lets
 * go, so the page is not given to anyone else meanwhile (XSA-396).
 */
bool xpv_blk_revoke(struct xpv_blk_queue *q, struct xpv_blk_io *io)
{
	bool all = true;
	unsigned int i;

	for (i = 0; i < io->nr_refs; i++) {
		if (gnttab_end_foreign_access_ref(io->ref[i])) {
			gnttab_release_grant_reference(&q->pool.head,
						       io->ref[i]);
			q->pool.free++;
		} else {
			gnttab_end_foreign_access(io->ref[i], NULL);
			all = false;
		}
	}
	io->nr_refs = 0;
	return all;
}

void xpv_blk_pool_drain(struct xpv_blk_pool *pool)
{
	if (pool->free)
		gnttab_free_grant_references(pool->head);
	pool->free = 0;
}

/*
 * Pages for the segments of indirect requests, one a slot, granted as long
 * as the ring is: the backend reads them, and they hold no one's data.
 */
int xpv_blk_indirect_make(struct xpv_blk_queue *q)
{
	u32 i, entries = q->ring.ring.entries;
	struct xpv_blk_indirect *pages;
	int ref;

	pages = kcalloc(entries, sizeof(*pages), GFP_NOIO);
	if (!pages)
		return -ENOMEM;
	q->indirect = pages;
	for (i = 0; i < entries; i++) {
		pages[i].page = alloc_page(GFP_NOIO | __GFP_ZERO);
		if (!pages[i].page)
			return -ENOMEM;
		ref = gnttab_grant_foreign_access(q->dev->xbdev->otherend_id,
						  xen_page_to_gfn(pages[i].page),
						  true);
		if (ref < 0) {
			__free_page(pages[i].page);
			pages[i].page = NULL;
			return ref;
		}
		pages[i].ref = ref;
	}
	return 0;
}

void xpv_blk_indirect_drop(struct xpv_blk_queue *q)
{
	u32 i;

	if (!q->indirect)
		return;
	for (i = 0; i < q->ring.ring.entries && q->indirect[i].page; i++)
		gnttab_end_foreign_access(q->indirect[i].ref,
					  q->indirect[i].page);
	kfree(q->indirect);
	q->indirect = NULL;
}
