// SPDX-License-Identifier: MIT
#include "credit.h"

static uint64_t burst(const struct credit *c)
{
	return c->bytes > CREDIT_MIN_BURST ? c->bytes : CREDIT_MIN_BURST;
}

void credit_set(struct credit *c, uint64_t bytes, uint64_t usec, uint64_t now)
{
	c->bytes = usec ? bytes : 0;
	c->usec = usec;
	c->left = burst(c);
	c->counted = now;
	c->has_first = false;
}

/*
 * Time moves on by whole bytes only: what a short while earned in part is not
 * lost, and none of it is counted twice.
 */
static void grow(struct credit *c, uint64_t now)
{
	uint64_t elapsed = now - c->counted, earned, room = burst(c) - c->left;

	/* More than fills it, and the product below stays within 64 bits. */
	if (elapsed / c->usec > room / c->bytes) {
		c->left = burst(c);
		c->counted = now;
		return;
	}
	earned = (uint64_t)((unsigned __int128)elapsed * c->bytes / c->usec);
	if (!earned)
		return;
	c->left += earned < room ? earned : room;
	c->counted +=
		(uint64_t)((unsigned __int128)earned * c->usec / c->bytes);
}

bool credit_take(struct credit *c, unsigned int queue, uint32_t size,
		 uint64_t now, uint64_t *wait_usec)
{
	*wait_usec = 0;
	if (!c->bytes)
		return true;
	grow(c, now);
	if (c->left >= size && (!c->has_first || c->first == queue)) {
		c->left -= size;
		c->has_first = false;
		return true;
	}
	if (!c->has_first) {
		c->has_first = true;
		c->first = queue;
	}
	if (c->first == queue)
		*wait_usec = (uint64_t)((unsigned __int128)(size - c->left) *
					c->usec / c->bytes) +
			     1;
	return false;
}
