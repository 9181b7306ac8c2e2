// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data through pages of our own. Two reasons:
 *
 *	persistent	both ends agreed to keep pages granted and mapped
 *	not trusted	a grant shows a whole page, so what lies beside the
 *			data in the caller's page would be seen (XSA-403)
 *
 * The pages start zeroed and hold data of this disk alone, which its backend
 * knows. A request's data lies in them without gaps, from the first byte of
 * the first page on. They live as long as the channel: a request that
 * outlives it returns pages that are then freed (q->life).
 */
#include <linux/bvec.h>
#include <linux/mm.h>

#include "blkfront.h"

static_assert(XPV_BLK_MAX_BOUNCE >= XPV_BLK_MAX_SEGS);

static grant_ref_t ref_of(const struct page *page)
{
	return (grant_ref_t)page_private(page);
}

static bool add_page(struct xpv_blk_pages *pool, gfp_t gfp)
{
	struct page *page = alloc_page(gfp | __GFP_ZERO);

	if (!page)
		return false;
	set_page_private(page, INVALID_GRANT_REF);
	list_add_tail(&page->lru, &pool->list);
	pool->free++;
	pool->total++;
	return true;
}

/*
 * What one request can need is there from the start, so I/O gets on even when
 * there is no memory left and the disk is where memory goes.
 */
int xpv_blk_bounce_make(struct xpv_blk_queue *q)
{
	while (q->pages.total < q->max_segs) {
		if (!add_page(&q->pages, GFP_NOIO))
			return -ENOMEM;
	}
	return 0;
}

/* All pages that are not in flight move to @pages. Under queue lock. */
void xpv_blk_bounce_drop(struct xpv_blk_queue *q, struct list_head *pages)
{
	list_splice_init(&q->pages.list, pages);
	q->pages.free = 0;
	q->pages.total = 0;
}

/* A page that is still mapped is freed when the backend lets go of it. */
void xpv_blk_bounce_free(struct list_head *pages)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, pages, lru) {
		grant_ref_t ref = ref_of(page);

		list_del(&page->lru);
		set_page_private(page, 0);
		if (ref == INVALID_GRANT_REF)
			__free_page(page);
		else
			gnttab_end_foreign_access(ref, page);
	}
}

/* Pages for a request's data. False: not enough now. Under queue lock. */
bool xpv_blk_bounce_take(struct xpv_blk_queue *q, struct request *rq)
{
	struct xpv_blk_io *io = blk_mq_rq_to_pdu(rq);
	struct xpv_blk_pages *pool = &q->pages;
	unsigned int nr = DIV_ROUND_UP(blk_rq_bytes(rq), PAGE_SIZE);

	while (pool->free < nr) {
		if (pool->total >= XPV_BLK_MAX_BOUNCE ||
		    !add_page(pool, GFP_NOWAIT | __GFP_NOWARN))
			return false;
	}
	io->bounced = true;
	io->life = q->life;
	io->nr_pages = (u16)nr;
	INIT_LIST_HEAD(&io->pages);
	/* the last ones used: cached here, mapped over there */
	for (pool->free -= nr; nr; nr--)
		list_move_tail(pool->list.next, &io->pages);
	return true;
}

static void copy(struct request *rq, struct xpv_blk_io *io, bool to_backend)
{
	struct page *page =
		list_first_entry(&io->pages, struct page, lru);
	struct req_iterator iter;
	unsigned int at = 0;
	struct bio_vec bv;

	rq_for_each_segment(bv, rq, iter) {
		struct bio_vec rest = bv; /* the loop goes on by bv.bv_len */

		while (rest.bv_len) {
			struct bio_vec part = rest;

			if (at == PAGE_SIZE) {
				page = list_next_entry(page, lru);
				at = 0;
			}
			part.bv_len = min(rest.bv_len,
					  (unsigned int)PAGE_SIZE - at);
			if (to_backend)
				memcpy_from_bvec(page_address(page) + at, &part);
			else
				memcpy_to_bvec(&part, page_address(page) + at);
			at += part.bv_len;
			rest.bv_offset += part.bv_len;
			rest.bv_len -= part.bv_len;
		}
	}
}

/* Without queue lock, as it takes a while. */
void xpv_blk_bounce(struct request *rq)
{
	copy(rq, blk_mq_rq_to_pdu(rq), true);
}

/* The way back, whatever became of the request: its pages are returned. */
void xpv_blk_unbounce(struct request *rq, bool from_backend)
{
	struct xpv_blk_io *io = blk_mq_rq_to_pdu(rq);
	struct xpv_blk_queue *q = io->q;
	unsigned long flags;

	if (from_backend)
		copy(rq, io, false);
	io->bounced = false;
	spin_lock_irqsave(&q->lock, flags);
	if (q->open && q->life == io->life) {
		q->pages.free += io->nr_pages;
		list_splice_init(&io->pages, &q->pages.list);
	}
	spin_unlock_irqrestore(&q->lock, flags);
	xpv_blk_bounce_free(&io->pages);
}

/* Grant what is not granted yet. Under queue lock. */
bool xpv_blk_bounce_grant(struct xpv_blk_queue *q, struct xpv_blk_io *io,
			  bool readonly)
{
	unsigned int missing = 0;
	struct page *page;

	list_for_each_entry(page, &io->pages, lru)
		missing += ref_of(page) == INVALID_GRANT_REF;
	if (!xpv_blk_refs_reserve(&q->refs, missing))
		return false;
	list_for_each_entry(page, &io->pages, lru) {
		if (ref_of(page) == INVALID_GRANT_REF)
			set_page_private(page, xpv_blk_grant(q, page, readonly));
	}
	return true;
}

/* As xpv_blk_revoke(), for pages that are not to stay granted. */
bool xpv_blk_bounce_revoke(struct xpv_blk_queue *q, struct xpv_blk_io *io)
{
	struct page *page, *next;
	bool all = true;

	list_for_each_entry_safe(page, next, &io->pages, lru) {
		grant_ref_t ref = ref_of(page);

		if (gnttab_end_foreign_access_ref(ref)) {
			xpv_blk_refs_return(&q->refs, ref);
			set_page_private(page, INVALID_GRANT_REF);
		} else {
			all = false; /* the page goes with the pool, soon */
		}
	}
	return all;
}
