// SPDX-License-Identifier: MIT
#include "buffers.h"

#include <errno.h>
#include <sys/mman.h>
#include <string.h>
#include <time.h>

#include "barrier.h"

#define IDLE_SECONDS 1

int buffers_init(struct buffers *b)
{
	memset(b, 0, sizeof(*b));
	b->mem = mmap(NULL, (size_t)BUFFERS_PAGES * XPV_PAGE_SIZE,
		      PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return b->mem == MAP_FAILED ? -errno : 0;
}

void buffers_fini(struct buffers *b)
{
	munmap(b->mem, (size_t)BUFFERS_PAGES * XPV_PAGE_SIZE);
}

/* The first page at or after @page whose bit is @set; the end if none. */
static unsigned int find(const struct buffers *b, unsigned int page, bool set)
{
	uint64_t flip = set ? 0 : ~0ull, word;

	while (page < BUFFERS_PAGES) {
		word = (b->used[page / 64] ^ flip) >> (page % 64);
		if (word)
			return page + (unsigned int)__builtin_ctzll(word);
		page = (page / 64 + 1) * 64;
	}
	return BUFFERS_PAGES;
}

static void mark(struct buffers *b, unsigned int page, unsigned int n)
{
	for (; n; n--, page++)
		b->used[page / 64] ^= 1ull << (page % 64);
}

/* The lowest place that fits: pages used a moment ago are still in cache. */
static unsigned int find_room(const struct buffers *b, unsigned int pages)
{
	unsigned int start = find(b, 0, false), end;

	while (start + pages <= BUFFERS_PAGES) {
		end = find(b, start, true);
		if (end - start >= pages)
			return start;
		start = find(b, end, false);
	}
	return BUFFERS_PAGES;
}

void *buffers_get(struct buffers *b, unsigned int pages, const void *who)
{
	unsigned int start;

	if (b->waiter && b->waiter != who)
		return NULL;
	start = find_room(b, pages);
	if (start == BUFFERS_PAGES) {
		b->waiter = who;
		return NULL;
	}
	b->waiter = NULL;
	mark(b, start, pages);
	b->in_use += pages;
	b->idle_since = 0;
	if (b->touched < start + pages)
		b->touched = start + pages;
	return b->mem + (size_t)start * XPV_PAGE_SIZE;
}

void buffers_put(struct buffers *b, void *mem, unsigned int pages)
{
	size_t offset = (size_t)((uint8_t *)mem - b->mem);

	mark(b, (unsigned int)(offset / XPV_PAGE_SIZE), pages);
	b->in_use -= pages;
}

void buffers_forget(struct buffers *b, const void *who)
{
	if (b->waiter == who)
		b->waiter = NULL;
}

void buffers_trim(struct buffers *b)
{
	struct timespec now;

	if (b->in_use || !b->touched)
		return;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (!b->idle_since)
		b->idle_since = (uint64_t)now.tv_sec;
	if ((uint64_t)now.tv_sec <= b->idle_since + IDLE_SECONDS)
		return;
	madvise(b->mem, (size_t)b->touched * XPV_PAGE_SIZE, MADV_DONTNEED);
	b->touched = 0;
	b->idle_since = 0;
}
