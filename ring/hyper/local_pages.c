// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The broker's side of grants: page frames, grant entries and the question
 * whether somebody still uses one (see local_shm.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "hyper/local_machine.h"

#define SHARE_MAX (LOCAL_DATA / sizeof(uint32_t))
#define COPY_WAIT 1000 /* yields until a copy under way counts as a use */

/* ---- frames ---- */

int pages_init(struct hyper_machine *m)
{
	m->frame_map = calloc(LOCAL_FRAMES / 64, sizeof(uint64_t));
	return m->frame_map ? 0 : -ENOMEM;
}

static bool frame_taken(const struct hyper_machine *m, uint32_t frame)
{
	return m->frame_map[frame / 64] >> (frame % 64) & 1;
}

static void frames_mark(struct hyper_machine *m, uint32_t first, uint32_t n,
			bool taken)
{
	uint32_t i;

	for (i = first; i < first + n; i++) {
		if (taken)
			m->frame_map[i / 64] |= 1ull << (i % 64);
		else
			m->frame_map[i / 64] &= ~(1ull << (i % 64));
	}
}

/* The start of @n free frames in a row between two bounds, or @high. */
static uint32_t frames_find(const struct hyper_machine *m, uint32_t low,
			    uint32_t high, uint32_t n)
{
	uint32_t i, run = 0;

	for (i = low; i < high; i++) {
		run = frame_taken(m, i) ? 0 : run + 1;
		if (run == n)
			return i + 1 - n;
	}
	return high;
}

static int frames_take(struct hyper_machine *m, uint32_t n, uint32_t *first)
{
	*first = frames_find(m, m->next_frame, LOCAL_FRAMES, n);
	if (*first == LOCAL_FRAMES) {
		*first = frames_find(m, 0, LOCAL_FRAMES, n);
		if (*first == LOCAL_FRAMES)
			return -ENOMEM;
	}
	frames_mark(m, *first, n, true);
	m->next_frame = *first + n;
	return 0;
}

/* Back to zeroes, as they were handed out: nothing leaks to the next user. */
static void frames_give(struct hyper_machine *m, uint32_t first, uint32_t n)
{
	off_t at = (off_t)offsetof(struct shm, frames) +
		   (off_t)first * XPV_PAGE_SIZE;

	if (fallocate(m->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
		      (off_t)n * XPV_PAGE_SIZE))
		memset(m->shm->frames[first], 0, (size_t)n * XPV_PAGE_SIZE);
	frames_mark(m, first, n, false);
	/* Low frames are touched already: better than ever new ones. */
	if (first < m->next_frame)
		m->next_frame = first;
}

/* ---- grant references ---- */

static int grefs_init(struct domain *d)
{
	uint32_t i;

	if (d->free_grefs)
		return 0;
	d->free_grefs = malloc(LOCAL_GRANTS * sizeof(*d->free_grefs));
	if (!d->free_grefs)
		return -ENOMEM;
	/* Pages side by side get no neighbouring references: nobody must
	 * count on that. */
	for (i = LOCAL_GREF_FIRST; i < LOCAL_GRANTS; i++)
		d->free_grefs[d->nr_free_grefs++] = (uint16_t)i;
	return 0;
}

static void grefs_give(struct hyper_machine *m, const struct grants *g)
{
	struct domain *d = &m->domains[g->slot];
	uint32_t i;

	for (i = 0; i < g->n; i++)
		d->free_grefs[d->nr_free_grefs++] = (uint16_t)g->gref[i];
}

/* ---- share ---- */

static struct grants *grants_new(struct hyper_machine *m, struct conn *c,
				 uint16_t to, uint32_t n)
{
	struct domain *d = &m->domains[c->slot];
	struct grants *g;
	uint32_t i;

	if (grefs_init(d) || d->nr_free_grefs < n)
		return NULL;
	g = malloc(sizeof(*g) + n * sizeof(g->gref[0]));
	if (!g)
		return NULL;
	if (frames_take(m, n, &g->frame)) {
		free(g);
		return NULL;
	}
	g->slot = c->slot;
	g->to = to;
	g->n = n;
	for (i = 0; i < n; i++)
		g->gref[i] = d->free_grefs[--d->nr_free_grefs];
	LIST_INSERT_HEAD(&c->grants, g, link);
	d->held++;
	return g;
}

int pages_share(struct hyper_machine *m, struct conn *c)
{
	uint32_t to = m->msg.arg[0], n = m->msg.arg[1], i;
	bool writable = m->msg.arg[2];
	struct grants *g;

	if (to >= LOCAL_DOMIDS || !n || n > SHARE_MAX)
		return -EINVAL;
	g = grants_new(m, c, (uint16_t)to, n);
	if (!g)
		return -ENOSPC;
	for (i = 0; i < n; i++)
		shm_store(&m->shm->domains[c->slot].grants[g->gref[i]],
			  grant_entry(g->to, writable, g->frame + i));
	m->msg.arg[0] = g->frame;
	m->msg.len = (uint32_t)(n * sizeof(uint32_t));
	memcpy(m->msg.data, g->gref, m->msg.len);
	return 0;
}

/* ---- in use? ---- */

/* The references of one struct grants, to be asked for one by one. */
struct gref_set {
	uint32_t slot;
	uint64_t bits[LOCAL_GRANTS / 64];
};

static bool in_set(const struct gref_set *set, uint64_t use)
{
	uint32_t gref = use_gref(use);

	return use & USE_VALID && use_slot(use) == set->slot &&
	       gref < LOCAL_GRANTS && set->bits[gref / 64] >> (gref % 64) & 1;
}

/* A copy ends soon, so it is waited for; but not for ever (SIGSTOP). */
static bool copying(struct shm_handle *h, const struct gref_set *set)
{
	unsigned int i, tries = 0;

	for (i = 0; i < 2; i++)
		while (in_set(set, shm_load(&h->in_use[i]))) {
			if (++tries > COPY_WAIT)
				return true;
			sched_yield();
		}
	return false;
}

static bool mapped(struct hyper_machine *m, uint32_t id,
		   const struct gref_set *set)
{
	uint32_t i, n = shm_load(&m->shm->handles[id].nr_maps);

	for (i = 0; i < n && i < LOCAL_MAPS; i++)
		if (in_set(set, shm_load(&m->shm->maps[id][i])))
			return true;
	return false;
}

static bool in_use(struct hyper_machine *m, const struct grants *g)
{
	struct gref_set set = {.slot = g->slot};
	uint32_t i;

	for (i = 0; i < g->n; i++)
		set.bits[g->gref[i] / 64] |= 1ull << (g->gref[i] % 64);
	for (i = 0; i < LOCAL_HANDLES; i++) {
		struct conn *c = m->conns[i];

		/* Only that domain's handles can have passed the check. */
		if (c && c->ready && c->domid == g->to &&
		    (copying(&m->shm->handles[i], &set) || mapped(m, i, &set)))
			return true;
	}
	return false;
}

/* ---- unshare ---- */

static void grants_free(struct hyper_machine *m, struct grants *g)
{
	frames_give(m, g->frame, g->n);
	grefs_give(m, g);
	m->domains[g->slot].held--;
	LIST_REMOVE(g, link);
	free(g);
}

static void set_valid(struct hyper_machine *m, const struct grants *g, bool on)
{
	uint64_t *entry = m->shm->domains[g->slot].grants;
	uint32_t i;

	for (i = 0; i < g->n; i++) {
		if (on)
			shm_or(&entry[g->gref[i]], GRANT_VALID);
		else
			shm_and(&entry[g->gref[i]], ~GRANT_VALID);
	}
}

int pages_unshare(struct hyper_machine *m, struct conn *c)
{
	uint32_t frame = m->msg.arg[0];
	struct grants *g;

	m->msg.len = 0;
	LIST_FOREACH(g, &c->grants, link)
		if (g->frame == frame)
			break;
	if (!g)
		return -EINVAL;
	/*
	 * Look before the entries are touched, so that a peer which maps now
	 * finds them as they were; then close them and look again.
	 */
	if (in_use(m, g))
		return -EBUSY;
	set_valid(m, g, false);
	if (in_use(m, g)) {
		set_valid(m, g, true);
		return -EBUSY;
	}
	grants_free(m, g);
	return 0;
}

/* The handle is gone: no new uses; the pages wait for the old ones to end. */
void pages_close(struct hyper_machine *m, struct conn *c)
{
	struct grants *g;

	while ((g = LIST_FIRST(&c->grants))) {
		set_valid(m, g, false);
		LIST_REMOVE(g, link);
		LIST_INSERT_HEAD(&m->deferred, g, link);
	}
	pages_retry(m);
}

bool pages_retry(struct hyper_machine *m)
{
	struct grants *g, *next;

	for (g = LIST_FIRST(&m->deferred); g; g = next) {
		next = LIST_NEXT(g, link);
		if (!in_use(m, g))
			grants_free(m, g);
	}
	return !LIST_EMPTY(&m->deferred);
}

void pages_exit(struct hyper_machine *m)
{
	struct grants *g;
	uint32_t i;

	while ((g = LIST_FIRST(&m->deferred))) {
		LIST_REMOVE(g, link);
		free(g);
	}
	for (i = 0; i < LOCAL_SLOTS; i++)
		free(m->domains[i].free_grefs);
	free(m->frame_map);
}
