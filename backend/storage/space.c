// SPDX-License-Identifier: MIT
#include "space.h"

#include <limits.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

void space_init(struct space *sp, struct loop *loop)
{
	*sp = (struct space){.loop = loop, .timer = {.fd = -1}};
	STAILQ_INIT(&sp->queue);
}

void space_fini(struct space *sp)
{
	if (sp->timer.fd < 0)
		return;
	loop_del(sp->loop, &sp->timer);
	close(sp->timer.fd);
}

static void expired(struct loop_source *src, uint32_t events)
{
	struct space *sp = src->owner;
	uint64_t count;

	(void)events;
	if (read(src->fd, &count, sizeof(count)) != sizeof(count))
		return;
	sp->armed = false;
	if (!sp->go)
		sp->go = 1;
}

static bool make_timer(struct space *sp)
{
	if (sp->timer.fd >= 0)
		return true;
	sp->timer.fd =
		timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	sp->timer.ready = expired;
	sp->timer.owner = sp;
	if (sp->timer.fd < 0)
		return false;
	if (!loop_add(sp->loop, &sp->timer, EPOLLIN))
		return true;
	close(sp->timer.fd);
	sp->timer.fd = -1;
	return false;
}

static bool start_timer(struct space *sp)
{
	struct itimerspec when = {
		.it_value = {.tv_sec = sp->pause_ms / 1000,
			     .tv_nsec = sp->pause_ms % 1000 * 1000000l},
	};

	sp->armed = make_timer(sp) &&
		    !timerfd_settime(sp->timer.fd, 0, &when, NULL);
	return sp->armed;
}

bool space_wait(struct space *sp, struct storage_io *io)
{
	if (!sp->waiting)
		sp->pause_ms = SPACE_FIRST_MS;
	else if (!sp->armed && io->held && sp->pause_ms < SPACE_LAST_MS)
		sp->pause_ms *= 2;
	if (!sp->armed && !start_timer(sp))
		return false;
	sp->go = 0;
	if (io->held) {
		STAILQ_INSERT_HEAD(&sp->queue, io, next);
	} else {
		STAILQ_INSERT_TAIL(&sp->queue, io, next);
		sp->waiting++;
	}
	io->held = true;
	return true;
}

void space_done(struct space *sp, struct storage_io *io, bool good)
{
	io->held = false;
	sp->waiting--;
	if (good) {
		/* For one: perhaps for all. */
		sp->go = UINT_MAX;
		sp->pause_ms = SPACE_FIRST_MS;
	} else if (!sp->armed && !sp->go) {
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
