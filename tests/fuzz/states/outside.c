// SPDX-License-Identifier: MIT
/* What else of the supervisor leads outside: errands, taps, scripts, words. */
#include "play.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "backend/port/tap_make.h"
#include "backend/supervisor/errand.h"
#include "backend/supervisor/hotplug.h"
#include "backend/supervisor/log.h"
#include "backend/supervisor/size_watch.h"

/* ---- errand.h: done when it is time, and not before ---- */

static STAILQ_HEAD(, errand) under_way = STAILQ_HEAD_INITIALIZER(under_way);

int errands_init(struct supervisor *sv)
{
	(void)sv;
	return 0;
}

void errands_fini(struct supervisor *sv)
{
	(void)sv;
}

void errand_start(struct supervisor *sv, struct errand *e)
{
	(void)sv;
	STAILQ_INSERT_TAIL(&under_way, e, next);
}

bool play_errand_ends(void)
{
	struct errand *e = STAILQ_FIRST(&under_way);

	if (!e)
		return false;
	STAILQ_REMOVE_HEAD(&under_way, next);
	e->run(e);
	e->done(e);
	return true;
}

/* ---- size_watch.h: `xpv resize` tells ---- */

int size_watch_init(struct supervisor *sv)
{
	(void)sv;
	return 0;
}

void size_watch_fini(struct supervisor *sv)
{
	(void)sv;
}

void size_watch_add(struct device *dev)
{
	(void)dev;
}

void size_watch_del(struct device *dev)
{
	(void)dev;
}

/* ---- hotplug.h ---- */

void hotplug_online(struct device *dev, const char *vif)
{
	(void)dev;
	(void)vif;
}

/* ---- tap_make.h ---- */

unsigned int play_taps_fail;

int tap_make(const struct tap_spec *spec, int *fds, struct reason *why)
{
	if (play_taps_fail) {
		play_taps_fail--;
		reason_set(why, "%s: there is one of that name", spec->name);
		return -EEXIST;
	}
	for (unsigned int i = 0; i < spec->nr_queues; i++) {
		fds[i] = eventfd(0, EFD_CLOEXEC);
		FUZZ_NEED(fds[i] >= 0);
	}
	return 0;
}

int tap_mtu(int fd, uint32_t *mtu, struct reason *why)
{
	(void)fd;
	(void)why;
	*mtu = 1500;
	return 0;
}

int tap_set_mtu(int fd, uint32_t mtu, struct reason *why)
{
	(void)fd;
	(void)mtu;
	(void)why;
	return 0;
}

int tap_share(int fd, unsigned int nr_queues, struct reason *why)
{
	(void)fd;
	(void)nr_queues;
	(void)why;
	return 0;
}

uint32_t tap_bridge_mtu(const char *bridge)
{
	(void)bridge;
	return 0;
}

int tap_join(const char *name, const char *bridge, struct reason *why)
{
	(void)name;
	(void)bridge;
	(void)why;
	return 0;
}

/* ---- log.h: what a guest may say is the unit tests' matter ---- */

void log_init(void)
{
}

void log_budget_init(struct log_budget *budget)
{
	*budget = (struct log_budget){0};
}

/* XPV_FUZZ_LOG=1: to see what happens. */
static void say(const char *who, const char *fmt, va_list args)
{
	if (!getenv("XPV_FUZZ_LOG"))
		return;
	fprintf(stderr, "  %s: ", who);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

void log_daemon(int level, const char *fmt, ...)
{
	va_list args;

	(void)level;
	va_start(args, fmt);
	say("xpvd", fmt, args);
	va_end(args);
}

void log_charged(struct log_budget *budget, int level, const char *who,
		 const char *fmt, ...)
{
	va_list args;

	(void)budget;
	(void)level;
	va_start(args, fmt);
	say(who, fmt, args);
	va_end(args);
}
