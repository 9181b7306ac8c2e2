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

static_assert(XPV_BLK_QUEUE_PAGES >= XPV_BLK_MAX_SEGS);
/* the reserve, its table, and as much for the pools */
static_assert(XPV_BLK_DATA_PAGES >= 2 * (XPV_BLK_MAX_SEGS + 1));

static grant_ref_t ref_of(const struct page *page)
{
	return (grant_ref_t)page_private(page);
}

/* As many free pages as a request needs. Only a queue's pool can grow. */
static bool find_pages(struct xpv_blk_queue *q, struct xpv_blk_io *io,
		       unsigned int nr)
{
	struct xpv_blk_pages *pages = &io->pool->pages;

	if (pages->free >= nr)
		return true;
	if (xpv_blk_reserve_lent(io) ||
	    pages->total - pages->free + nr > XPV_BLK_QUEUE_PAGES)
		return false;
	while (pages->free < nr && xpv_blk_pages_add(q->dev, io->pool))
		;
	if (pages->free < nr)
		xpv_blk_pages_steal(q, nr);
	return pages->free >= nr;
}

/* Pages for a request's data. False: not enough now. Under queue lock. */
bool xpv_blk_bounce_take(struct xpv_blk_queue *q, struct request *rq)
{
	struct xpv_blk_io *io = blk_mq_rq_to_pdu(rq);
	struct xpv_blk_pages *pages = &io->pool->pages;
	unsigned int nr = DIV_ROUND_UP(blk_rq_bytes(rq), PAGE_SIZE);

	if (!find_pages(q, io, nr))
		return false;
	io->bounced = true;
	io->life = q->life;
	io->nr_pages = (u16)nr;
	INIT_LIST_HEAD(&io->pages);
	/* the last ones used: cached here, mapped over there */
	for (pages->free -= nr; nr; nr--)
		list_move_tail(pages->list.next, &io->pages);
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

/* The way back, whatever became of the request: what it had is returned. */
void xpv_blk_give_back(struct request *rq, bool from_backend)
{
	struct xpv_blk_io *io = blk_mq_rq_to_pdu(rq);
	struct xpv_blk_queue *q = io->q;
	bool lent = xpv_blk_reserve_lent(io);
	LIST_HEAD(pages);
	unsigned long flags;

	if (!io->bounced && !lent)
		return;
	if (io->bounced && from_backend)
		copy(rq, io, false);
	if (io->bounced)
		list_splice_init(&io->pages, &pages);
	spin_lock_irqsave(&q->lock, flags);
	if (q->open && q->life == io->life) {
		if (io->bounced)
			io->pool->pages.free += io->nr_pages;
		list_splice_init(&pages, &io->pool->pages.list);
		if (lent)
			xpv_blk_reserve_give(io);
	}
	spin_unlock_irqrestore(&q->lock, flags);
	io->bounced = false;
	xpv_blk_pages_free(q->dev, &pages);
}

/* Grant what is not granted yet. Under queue lock. */
bool xpv_blk_bounce_grant(struct xpv_blk_queue *q, struct xpv_blk_io *io,
			  bool readonly)
{
	unsigned int missing = 0;
	struct page *page;

	list_for_each_entry(page, &io->pages, lru)
		missing += ref_of(page) == INVALID_GRANT_REF;
	if (!xpv_blk_refs_reserve(q->dev, &io->pool->refs, missing))
		return false;
	list_for_each_entry(page, &io->pages, lru) {
		if (ref_of(page) == INVALID_GRANT_REF)
			set_page_private(page, xpv_blk_grant(q->dev,
							     &io->pool->refs,
							     page, readonly));
	}
	return true;
}

/* As xpv_blk_revoke(), for pages that are not to stay granted. */
bool xpv_blk_bounce_revoke(struct xpv_blk_io *io)
{
	struct page *page, *next;
	bool all = true;

	list_for_each_entry_safe(page, next, &io->pages, lru) {
		grant_ref_t ref = ref_of(page);

		if (gnttab_end_foreign_access_ref(ref)) {
			xpv_blk_refs_return(&io->pool->refs, ref);
			set_page_private(page, INVALID_GRANT_REF);
		} else {
			all = false; /* the page goes with the pool, soon */
		}
	}
	return all;
}
