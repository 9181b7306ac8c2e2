// SPDX-License-Identifier: MIT
#include "kept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hyper/hyper.h"

/*
 * What by_gref holds. A reference that could not be mapped once is not tried
 * again before the disk has been at rest: a guest that names bad ones costs us
 * one attempt for each, and read-only grants are copied from.
 */
enum {
	NEVER_SEEN,
	REFUSED,
	FIRST_PAGE, /* and on: an index into page[] */
};

static const size_t table_bytes = KEPT_GREFS * sizeof(uint32_t);

static struct page *find(const struct kept *k, uint32_t gref)
{
	return &k->page[k->by_gref[gref] - FIRST_PAGE];
}

/* ---- release ---- */

static void release(struct kept *k, struct page *page)
{
	TAILQ_REMOVE(&k->idle, page, next);
	k->hyper->ops->unmap(k->hyper, page->addr, 1);
	page->addr = NULL;
	k->by_gref[page->gref] = NEVER_SEEN;
	k->mapped--;
	(*k->of_guest)--;
	TAILQ_INSERT_HEAD(&k->free, page, next);
}

static void set_timer(struct kept *k, const struct page *oldest)
{
	uint64_t when = oldest->last_used + KEPT_UNUSED_MS;

	/* Never in this turn again. */
	loop_timer_set(k->loop, &k->timer, when > k->now ? when : k->now + 1);
}

/* The timer runs while there is an idle page, and then it is for the oldest. */
static void expire(struct loop_timer *timer)
{
	struct kept *k = timer->owner;
	unsigned int n = KEPT_UNUSED_BATCH;
	struct page *page;

	k->now = k->clock();
	while ((page = TAILQ_FIRST(&k->idle)) && n-- &&
	       k->now - page->last_used >= KEPT_UNUSED_MS)
		release(k, page);
	if (page)
		set_timer(k, page);
	else if (!k->mapped)
		/* All zero again, refused ones as well: NEVER_SEEN. */
		madvise(k->by_gref, table_bytes, MADV_DONTNEED);
}

/*
 * At the limit: the longest unused ones go, but a guest that runs through more
 * pages than we keep must not make us map and unmap all the time.
 */
static void make_room(struct kept *k)
{
	unsigned int n = k->limit / KEPT_RELEASE_PART + 1;
	struct page *page;

	if (k->released && k->now - k->released < KEPT_RELEASE_MS)
		return;
	k->released = k->now;
	for (; n && (page = TAILQ_FIRST(&k->idle)); n--)
		release(k, page);
}

/* ---- life ---- */

int kept_init(struct kept *k, struct loop *loop, uint16_t domid,
	      unsigned int limit, unsigned int *of_guest)
{
	memset(k, 0, sizeof(*k));
	TAILQ_INIT(&k->idle);
	TAILQ_INIT(&k->free);
	k->page = calloc(limit, sizeof(*k->page));
	if (!k->page)
		return -ENOMEM;
	/* Of a table this size only the parts that are used cost memory. */
	k->by_gref = mmap(NULL, table_bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (k->by_gref == MAP_FAILED) {
		free(k->page);
		k->page = NULL;
		return -ENOMEM;
	}
	k->loop = loop;
	k->hyper = loop_hyper(loop);
	k->domid = domid;
	k->limit = limit;
	k->of_guest = of_guest;
	k->clock = loop_now;
	k->now = k->clock();
	k->timer.expired = expire;
	k->timer.owner = k;
	return 0;
}

void kept_fini(struct kept *k)
{
	unsigned int i;

	if (!k->limit)
		return;
	loop_timer_cancel(&k->timer);
	for (i = 0; i < k->fresh; i++)
		if (k->page[i].addr)
			k->hyper->ops->unmap(k->hyper, k->page[i].addr, 1);
	*k->of_guest -= k->mapped;
	munmap(k->by_gref, table_bytes);
	free(k->page);
	memset(k, 0, sizeof(*k));
}

void kept_turn(struct kept *k)
{
	if (k->limit)
		k->now = k->clock();
}

/* ---- use ---- */

static bool full(const struct kept *k)
{
	return k->mapped == k->limit || *k->of_guest == KEPT_PER_GUEST;
}

static struct page *take_free(struct kept *k)
{
	struct page *page = TAILQ_FIRST(&k->free);

	if (!page)
		return &k->page[k->fresh++];
	TAILQ_REMOVE(&k->free, page, next);
	return page;
}

static struct page *map(struct kept *k, uint32_t gref)
{
	struct page *page;
	void *addr;

	if (full(k))
		make_room(k);
	if (full(k))
		return NULL;
	addr = k->hyper->ops->map(k->hyper, k->domid, &gref, 1,
				  HYPER_READ | HYPER_WRITE);
	if (!addr) {
		k->by_gref[gref] = REFUSED;
		return NULL;
	}
	page = take_free(k);
	page->addr = addr;
	page->gref = gref;
	k->by_gref[gref] = FIRST_PAGE + (uint32_t)(page - k->page);
	k->mapped++;
	(*k->of_guest)++;
	return page;
}

void *kept_get(struct kept *k, uint32_t gref)
{
	struct page *page;
	uint32_t known;

	if (!k->limit || gref >= KEPT_GREFS)
		return NULL;
	known = k->by_gref[gref];
	if (known >= FIRST_PAGE) {
		page = &k->page[known - FIRST_PAGE];
		if (!page->users)
			TAILQ_REMOVE(&k->idle, page, next);
	} else {
		page = known == REFUSED ? NULL : map(k, gref);
		if (!page)
			return NULL;
	}
	page->users++;
	return page->addr;
}

void *kept_at(const struct kept *k, uint32_t gref)
{
	return k->by_gref[gref] >= FIRST_PAGE ? find(k, gref)->addr : NULL;
}

void kept_put(struct kept *k, uint32_t gref)
{
	struct page *page = find(k, gref);

	if (--page->users)
		return;
	page->last_used = k->now;
	TAILQ_INSERT_TAIL(&k->idle, page, next);
	if (!k->timer.set)
		set_timer(k, page);
}
