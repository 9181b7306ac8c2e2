// SPDX-License-Identifier: GPL-2.0-only
/*
 * Grants: given per segment, ended when the response is there.
 *
 * References stay in the queue's pool after use, so that small requests do
 * not take the grant table's lock. The table is the whole guest's (32768
 * grants by default) and other devices need it too: a queue takes a small part
 * of it, and what it does not use goes back.
 */
#include <xen/page.h>

#include "blkfront.h"

/* Grants of one queue at a time: 8 MiB of data. */
#define MOST 2048u

static_assert(MOST >= XPV_BLK_MAX_BOUNCE + XPV_BLK_MAX_SEGS);

/* The queue's references grow to what one more request needs. */
bool xpv_blk_refs_reserve(struct xpv_blk_refs *refs, unsigned int nr)
{
	unsigned int missing;
	grant_ref_t fresh;

	if (refs->used + nr > MOST)
		return false;
	if (refs->free >= nr)
		return true;
	missing = nr - refs->free;
	if (gnttab_alloc_grant_references((u16)missing, &fresh))
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

void xpv_blk_refs_trim(struct xpv_blk_refs *refs, unsigned int keep)
{
	if (refs->free && !keep) {
		gnttab_free_grant_references(refs->head);
		refs->free = 0;
	}
	for (; refs->free > keep; refs->free--)
		gnttab_free_grant_reference(
			gnttab_claim_grant_reference(&refs->head));
}

/* One of the references that were reserved. */
grant_ref_t xpv_blk_grant(struct xpv_blk_queue *q, struct page *page,
			  bool readonly)
{
	int ref = gnttab_claim_grant_reference(&q->refs.head);

	q->refs.free--;
	q->refs.used++;
	gnttab_page_grant_foreign_access_ref_one(
		ref, (domid_t)q->dev->xbdev->otherend_id, page, readonly);
	return (grant_ref_t)ref;
}

void xpv_blk_refs_return(struct xpv_blk_refs *refs, grant_ref_t ref)
{
	gnttab_release_grant_reference(&refs->head, ref);
	refs->free++;
	refs->used--;
}

static grant_ref_t ref_of(struct xpv_blk_queue *q, struct xpv_blk_io *io,
			  unsigned int i)
{
	if (!io->indirect)
		return io->ref[i];
	return xpv_blkif_seg_gref(page_address(q->slot[io->id].segs), i);
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
			xpv_blk_refs_return(&q->refs, ref);
		} else {
			gnttab_end_foreign_access(ref, NULL);
			all = false;
		}
	}
	io->nr_refs = 0;
	return all;
}
