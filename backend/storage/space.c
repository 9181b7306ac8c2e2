// SPDX-License-Identifier: MIT
#include "space.h"

#include <limits.h>

static void expired(struct loop_timer *timer)
{
	struct space *sp = timer->owner;

	if (!sp->go)
		sp->go = 1;
}

void space_init(struct space *sp, struct loop *loop)
{
	*sp = (struct space){
		.loop = loop,
		.timer = {.expired = expired, .owner = sp},
	};
	STAILQ_INIT(&sp->queue);
}

void space_fini(struct space *sp)
{
	loop_timer_cancel(&sp->timer);
}

void space_wait(struct space *sp, struct storage_io *io)
{
	if (!sp->waiting)
		sp->pause_ms = SPACE_FIRST_MS;
	else if (!sp->timer.set && io->held && sp->pause_ms < SPACE_LAST_MS)
		sp->pause_ms *= 2;
	if (!sp->timer.set)
		loop_timer_set(sp->loop, &sp->timer, loop_now() + sp->pause_ms);
	sp->go = 0;
	if (io->held) {
		STAILQ_INSERT_HEAD(&sp->queue, io, next);
	} else {
		STAILQ_INSERT_TAIL(&sp->queue, io, next);
		sp->waiting++;
	}
	io->held = true;
}

void space_done(struct space *sp, struct storage_io *io, bool good)
{
	io->held = false;
	sp->waiting--;
	if (good) {
		/* For one: perhaps for all. */
		sp->go = UINT_MAX;
		sp->pause_ms = SPACE_FIRST_MS;
	} else if (!sp->timer.set && !sp->go) {
		sp->go = 1; /* it said nothing about those behind it */
	}
}

bool space_ready(const struct space *sp)
{
	return sp->go && !STAILQ_EMPTY(&sp->queue);
}

struct storage_io *space_next(struct space *sp)
{
	struct storage_io *io = STAILQ_FIRST(&sp->queue);

	if (!space_ready(sp))
		return NULL;
	STAILQ_REMOVE_HEAD(&sp->queue, next);
	sp->go--;
	return io;
}

void space_give_up(struct space *sp)
{
	sp->go = UINT_MAX;
}
