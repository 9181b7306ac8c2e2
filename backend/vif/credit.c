// SPDX-License-Identifier: MIT
#include "credit.h"

static credit_units full(const struct credit *c)
{
	uint64_t burst =
		c->bytes > CREDIT_MIN_BURST ? c->bytes : CREDIT_MIN_BURST;

	return (credit_units)burst * c->usec;
}

void credit_set(struct credit *c, uint64_t bytes, uint64_t usec, uint64_t now)
{
	c->bytes = usec ? bytes : 0;
	c->usec = usec;
	c->left = full(c);
	c->counted = now;
	c->waiting = 0;
	c->next = 0;
}

void credit_forget_queues(struct credit *c)
{
	c->waiting = 0;
}

static void grow(struct credit *c, uint64_t now)
{
	c->left += (credit_units)(now - c->counted) * c->bytes;
	if (c->left > full(c))
		c->left = full(c);
	c->counted = now;
}

/* The queue to go next, of those that wait and @queue; they go round. */
static unsigned int whose_turn(const struct credit *c, unsigned int queue)
{
	uint32_t asking = c->waiting | 1u << queue;
	uint32_t behind = asking & ~((1u << c->next) - 1);

	return (unsigned int)__builtin_ctz(behind ? behind : asking);
}

bool credit_take(struct credit *c, unsigned int queue, uint32_t size,
		 uint64_t now, uint64_t *wait_usec)
{
	credit_units need;

	*wait_usec = 0;
	if (!c->bytes)
		return true;
	grow(c, now);
	need = (credit_units)size * c->usec;
	if (c->left < need) {
		*wait_usec =
			(uint64_t)((need - c->left + c->bytes - 1) / c->bytes);
	} else if (whose_turn(c, queue) == queue) {
		c->left -= need;
		c->waiting &= ~(1u << queue);
		c->next = (queue + 1) % CREDIT_MAX_QUEUES;
		return true;
	}
	c->waiting |= 1u << queue;
	return false;
}

void credit_return(struct credit *c, uint32_t size)
{
	c->left += (credit_units)size * c->usec;
}
