// SPDX-License-Identifier: MIT
#include "buffers.h"

#include <errno.h>
#include <sys/mman.h>
#include <string.h>

#include "barrier.h"

#define IDLE_MS 1000

/* Runs while nothing is in use, until a whole period has passed like that. */
static void idle(struct loop_timer *timer)
{
	struct buffers *b = timer->owner;

	if (b->in_use)
		return;
	if (b->used_lately) {
		b->used_lately = false;
		loop_timer_set(b->loop, timer, loop_now() + IDLE_MS);
		return;
	}
	madvise(b->mem, (size_t)b->touched * XPV_PAGE_SIZE, MADV_DONTNEED);
	b->touched = 0;
}

int buffers_init(struct buffers *b, struct loop *loop)
{
	memset(b, 0, sizeof(*b));
	STAILQ_INIT(&b->waiters);
	b->loop = loop;
	b->idle.expired = idle;
	b->idle.owner = b;
	b->mem = mmap(NULL, (size_t)BUFFERS_PAGES * XPV_PAGE_SIZE,
		      PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return b->mem == MAP_FAILED ? -errno : 0;
}

void buffers_fini(struct buffers *b)
{
	loop_timer_cancel(&b->idle);
	munmap(b->mem, (size_t)BUFFERS_PAGES * XPV_PAGE_SIZE);
}

/* The first page at or after @page whose bit is @set; @end or later if none. */
static unsigned int find(const struct buffers *b, unsigned int page,
			 unsigned int end, bool set)
{
	uint64_t flip = set ? 0 : ~0ull, word;

	while (page < end) {
		word = (b->used[page / 64] ^ flip) >> (page % 64);
		if (word)
			return page + (unsigned int)__builtin_ctzll(word);
		page = (page / 64 + 1) * 64;
	}
	return page;
}

static void mark(struct buffers *b, unsigned int page, unsigned int n)
{
	for (; n; n--, page++)
		b->used[page / 64] ^= 1ull << (page % 64);
}

/* The lowest place that fits: pages used a moment ago are still in cache. */
static unsigned int find_room(const struct buffers *b, unsigned int pages)
{
	unsigned int start = find(b, 0, BUFFERS_PAGES, false), used;

	while (start + pages <= BUFFERS_PAGES) {
		used = find(b, start, start + pages, true);
		if (used >= start + pages)
			return start;
		start = find(b, used, BUFFERS_PAGES, false);
	}
	return BUFFERS_PAGES;
}

static void *wait_for_room(struct buffers *b, struct buffers_waiter *who)
{
	if (!who->waiting)
		STAILQ_INSERT_TAIL(&b->waiters, who, next);
	who->waiting = true;
	return NULL;
}

void *buffers_get(struct buffers *b, unsigned int pages,
		  struct buffers_waiter *who)
{
	struct buffers_waiter *first = STAILQ_FIRST(&b->waiters);
	unsigned int start;

	if (first && first != who)
		return wait_for_room(b, who);
	start = find_room(b, pages);
	if (start == BUFFERS_PAGES)
		return wait_for_room(b, who);
	buffers_forget(b, who);
	mark(b, start, pages);
	b->in_use += pages;
	b->used_lately = true;
	if (b->touched < start + pages)
		b->touched = start + pages;
	return b->mem + (size_t)start * XPV_PAGE_SIZE;
}

void buffers_put(struct buffers *b, void *mem, unsigned int pages)
{
	size_t offset = (size_t)((uint8_t *)mem - b->mem);

	mark(b, (unsigned int)(offset / XPV_PAGE_SIZE), pages);
	b->in_use -= pages;
	if (!b->in_use && !b->idle.set)
		loop_timer_set(b->loop, &b->idle, loop_now() + IDLE_MS);
}

void buffers_forget(struct buffers *b, struct buffers_waiter *who)
{
	if (who->waiting)
		STAILQ_REMOVE(&b->waiters, who, buffers_waiter, next);
	who->waiting = false;
}
