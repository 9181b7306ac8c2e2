/* SPDX-License-Identifier: MIT */
/*
 * How long a loop with nothing to do looks on before it sleeps.
 *
 * To be woken on another processor costs some 40 us, to look on costs all of
 * one meanwhile. So it looks on for as long as it may after work that came
 * while it would have, and not at all after a sleep that was longer: a guest
 * that answers at once is served without a wake, one at leisure costs nothing.
 * Only the time since the last work counts, never the number of looks: the
 * guest's processor may be a far one.
 */
#ifndef XPV_WINDOW_H
#define XPV_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

/* Times are of any one clock, in ns, and never 0. */
struct window {
	uint64_t max; /* 0: sleep at once, always */
	uint64_t length; /* 0 or max */
	uint64_t idle_since; /* 0: was not idle when it was last asked */
};

/* A turn is over, and found work or not: go round again without sleeping? */
static inline bool window_open(struct window *w, bool found, uint64_t now)
{
	if (found) {
		w->idle_since = 0;
		return true;
	}
	if (!w->idle_since)
		w->idle_since = now;
	return now - w->idle_since < w->length;
}

/* It was closed, and something has come. */
static inline void window_slept(struct window *w, uint64_t now)
{
	w->length = now - w->idle_since < w->max ? w->max : 0;
}

#endif
