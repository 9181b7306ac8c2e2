// SPDX-License-Identifier: MIT
#include "settle.h"

void settle_init(struct settle *s,
		 void (*settled)(void *owner, struct storage_io *io),
		 void *owner)
{
	*s = (struct settle){.settled = settled, .owner = owner};
	STAILQ_INIT(&s->held);
	STAILQ_INIT(&s->next);
}

void settle_begin(struct settle *s, struct storage_io *io)
{
	io->period = s->now;
	s->under_way[io->period]++;
}

static void release(struct settle *s)
{
	struct storage_queue held = STAILQ_HEAD_INITIALIZER(held);
	struct storage_io *io;

	STAILQ_CONCAT(&held, &s->held);
	while ((io = STAILQ_FIRST(&held))) {
		STAILQ_REMOVE_HEAD(&held, next);
		s->settled(s->owner, io);
	}
}

static void look(struct settle *s)
{
	while (!s->under_way[!s->now]) {
		release(s);
		if (STAILQ_EMPTY(&s->next))
			return;
		STAILQ_CONCAT(&s->held, &s->next);
		s->now = !s->now;
	}
}

void settle_good(struct settle *s, struct storage_io *io)
{
	s->under_way[io->period]--;
	STAILQ_INSERT_TAIL(&s->next, io, next);
	look(s);
}

void settle_bad(struct settle *s, struct storage_io *io)
{
	s->under_way[io->period]--;
	look(s);
}
