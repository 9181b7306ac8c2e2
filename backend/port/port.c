// SPDX-License-Identifier: MIT
#include "port.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096u

_Static_assert(PORT_BATCH_BYTES + PAGE + PORT_HEADROOM + PORT_MAX_FRAME <=
		       PORT_ARENA_SIZE,
	       "the frame that fills a batch must fit behind the others");
_Static_assert(PORT_HEADROOM % 64 == 0, "frames start on cache lines");

int port_batch_init(struct port_batch *b)
{
	void *mem = mmap(NULL, PORT_ARENA_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	port_batch_reset(b);
	b->arena = NULL;
	if (mem == MAP_FAILED)
		return -errno;
	b->arena = mem;
	return 0;
}

void port_batch_fini(struct port_batch *b)
{
	if (b->arena)
		munmap(b->arena, PORT_ARENA_SIZE);
	b->arena = NULL;
}

void port_batch_release(struct port_batch *b)
{
	if (b->arena)
		madvise(b->arena, PORT_ARENA_SIZE, MADV_DONTNEED);
}

/*
 * A frame of several pages starts on a page, so that each of the pages it is
 * copied into or from takes one copy and not two. Its length is not known
 * yet; one long frame is usually followed by others.
 */
static uint32_t next_start(const struct port_batch *b)
{
	uint32_t start = b->used + PORT_HEADROOM;
	uint32_t align = 64;

	if (!b->nr || b->frame[b->nr - 1].len > PAGE)
		align = PAGE;
	return (start + align - 1) & ~(align - 1);
}

uint8_t *port_batch_room(struct port_batch *b)
{
	if (b->nr == PORT_BATCH || b->used >= PORT_BATCH_BYTES)
		return NULL;
	return b->arena + next_start(b);
}

struct port_frame *port_batch_add(struct port_batch *b, uint32_t len)
{
	uint32_t start = next_start(b);
	struct port_frame *frame = &b->frame[b->nr++];

	memset(frame, 0, sizeof(*frame));
	frame->data = b->arena + start;
	frame->len = len;
	b->used = start + len;
	return frame;
}

void port_batch_keep(struct port_batch *b, unsigned int keep)
{
	unsigned int first = b->nr - keep;

	if (!first)
		return;
	port_batch_reset(b);
	for (unsigned int i = 0; i < keep; i++) {
		struct port_frame old = b->frame[first + i];
		struct port_frame *new = port_batch_add(b, old.len);

		memmove(new->data, old.data, old.len);
		new->off = old.off;
	}
}
