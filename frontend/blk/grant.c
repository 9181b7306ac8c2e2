// SPDX-License-Identifier: GPL-2.0-only
/*
 * Grants: given per segment, ended when the response is there.
 *
 * References stay in the queue's pool after use, so that small requests do
 * not take the grant table's lock. The table is the whole guest's (32768
 * grants by default) and other devices need it too: a disk takes a part of it,
 * and what it does not use goes back.
 */
#include <xen/page.h>

#include "blkfront.h"

/* Grants of one disk at a time: 32 MiB of data. */
#define MOST 8192

static_assert(MOST >= XPV_BLK_DISK_PAGES + XPV_BLK_MAX_SEGS);

static bool alloc_refs(struct xpv_blk *dev, unsigned int nr, grant_ref_t *refs)
{
	if (atomic_add_return((int)nr, &dev->nr_refs) <= MOST &&
	    !gnttab_alloc_grant_references((u16)nr, refs))
		return true;
	atomic_sub((int)nr, &dev->nr_refs);
	return false;
}

/* The references of a pool grow to what one more request needs. */
bool xpv_blk_refs_reserve(struct xpv_blk *dev, struct xpv_blk_refs *refs,
			  unsigned int nr)
{
	unsigned int missing;
	grant_ref_t fresh;

	if (refs->free >= nr)
		return true;
	missing = nr - refs->free;
	if (!alloc_refs(dev, missing, &fresh))
		return false;
	if (!refs->free) {
		refs->head = fresh;
	} else {
		while (missing--) {
			int ref = gnttab_claim_grant_reference(&fresh);

			gnttab_release_grant_reference(&refs->head, ref);
		}
	}
	refs->free = nr;
	return true;
}

void xpv_blk_refs_trim(struct xpv_blk *dev, struct xpv_blk_refs *refs,
		       unsigned int keep)
{
	if (refs->free <= keep)
		return;
	atomic_sub((int)(refs->free - keep), &dev->nr_refs);
	if (!keep) {
		gnttab_free_grant_references(refs->head);
		refs->free = 0;
	}
	for (; refs->free > keep; refs->free--)
		gnttab_free_grant_reference(
			gnttab_claim_grant_reference(&refs->head));
}

/* One of the references that were reserved. */
grant_ref_t xpv_blk_grant(struct xpv_blk *dev, struct xpv_blk_refs *refs,
			  struct page *page, bool readonly)
{
	int ref = gnttab_claim_grant_reference(&refs->head);

	refs->free--;
	gnttab_page_grant_foreign_access_ref_one(
		ref, (domid_t)dev->xbdev->otherend_id, page, readonly);
	return (grant_ref_t)ref;
}

void xpv_blk_refs_return(struct xpv_blk_refs *refs, grant_ref_t ref)
{
	gnttab_release_grant_reference(&refs->head, ref);
	refs->free++;
}

static grant_ref_t ref_of(struct xpv_blk_queue *q, struct xpv_blk_io *io,
			  unsigned int i)
{
	if (!io->indirect)
		return io->ref[i];
	return xpv_blkif_seg_gref(page_address(q->slot[io->id].table), i);
}

/*
 * End the grants of a request that holds its callers' own pages. False: the
 * backend still has one mapped, against the protocol. Such a page keeps an
 * extra reference until it lets go, so that the page is not given to anyone
 * else meanwhile (XSA-396).
 */
bool xpv_blk_revoke(struct xpv_blk_queue *q, struct xpv_blk_io *io)
{
	bool all = true;
	unsigned int i;

	for (i = 0; i < io->nr_refs; i++) {
		grant_ref_t ref = ref_of(q, io, i);

		if (gnttab_end_foreign_access_ref(ref)) {
			xpv_blk_refs_return(&io->pool->refs, ref);
		} else {
			gnttab_end_foreign_access(ref, NULL);
			all = false;
		}
	}
	io->nr_refs = 0;
	return all;
}
