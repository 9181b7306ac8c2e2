// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Using what other domains granted to us. No broker on these paths: see
 * local_shm.h for how a use is made known before the grant is looked at.
 */
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hyper/local.h"

#include <xen/grant_table.h> /* wants <stdint.h> before it */

/* ---- the check that everything goes through ---- */

/*
 * Publish in *@record that we use @gref of @domid, then look whether we may.
 * GNTST_okay and *frame; otherwise the record is empty again.
 */
static int use(struct local *l, uint64_t *record, uint16_t domid, uint32_t gref,
	       bool write, uint32_t *frame)
{
	int slot = shm_slot(l->shm, domid);
	uint64_t entry;

	if (slot < 0)
		return GNTST_bad_domain;
	if (gref >= LOCAL_GRANTS)
		return GNTST_bad_gntref;
	shm_store(record, use_record((uint32_t)slot, gref));
	entry = shm_load(&l->shm->domains[slot].grants[gref]);
	/* The domain again: the slot may have changed hands before our store */
	if (entry & GRANT_VALID && grant_to(entry) == l->base.self &&
	    !(write && entry & GRANT_RO) && shm_slot(l->shm, domid) == slot) {
		*frame = grant_frame(entry);
		return GNTST_okay;
	}
	xpv_store_release(record, 0);
	if (write && entry & GRANT_VALID && grant_to(entry) == l->base.self &&
	    entry & GRANT_RO)
		return GNTST_permission_denied;
	return GNTST_bad_gntref;
}

/* ---- copy ---- */

#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZED
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZED
#endif
#endif

#ifdef THREAD_SANITIZED
/*
 * The other domain may write its page while we copy: that is its problem and
 * no finding. Our own memory stays watched.
 */
__attribute__((no_sanitize("thread"))) static void raw_copy(
	volatile unsigned char *dst, const volatile unsigned char *src,
	size_t len)
{
	while (len--)
		*dst++ = *src++;
}

static void copy_bytes(const struct hyper_copy *op, void *dst, const void *src)
{
	unsigned char bounce[XPV_PAGE_SIZE];

	if (op->src.is_grant)
		raw_copy(bounce, src, op->len);
	else
		memcpy(bounce, src, op->len);
	if (op->dst.is_grant)
		raw_copy(dst, bounce, op->len);
	else
		memcpy(dst, bounce, op->len);
}
#else
static void copy_bytes(const struct hyper_copy *op, void *dst, const void *src)
{
	/* Source and destination may be one page, granted twice. */
	memmove(dst, src, op->len);
}
#endif

/* Where the bytes of one end are; a grant is in use until the record clears. */
static int copy_end(struct local *l, const struct hyper_copy_end *end,
		    uint16_t len, bool write, uint64_t *record, void **at)
{
	uint32_t frame;
	int status;

	if (!end->is_grant) {
		*at = end->virt;
		return GNTST_okay;
	}
	if ((uint32_t)end->offset + len > XPV_PAGE_SIZE)
		return GNTST_bad_copy_arg;
	status = use(l, record, local_domid(l, end->domid), end->gref, write,
		     &frame);
	if (status == GNTST_okay)
		*at = &l->shm->frames[frame][end->offset];
	return status;
}

static int16_t copy_one(struct local *l, const struct hyper_copy *op)
{
	uint64_t *in_use = l->me->in_use;
	void *src, *dst;
	int status;

	status = copy_end(l, &op->src, op->len, false, &in_use[0], &src);
	if (status == GNTST_okay) {
		status = copy_end(l, &op->dst, op->len, true, &in_use[1], &dst);
		if (status == GNTST_okay)
			copy_bytes(op, dst, src);
	}
	if (op->src.is_grant)
		xpv_store_release(&in_use[0], 0);
	if (op->dst.is_grant)
		xpv_store_release(&in_use[1], 0);
	return (int16_t)status;
}

int local_copy(struct hyper *h, struct hyper_copy *ops, unsigned int n)
{
	struct local *l = local_of(h);
	unsigned int i;

	if (!local_has(l, HYPER_GRANT))
		return -EINVAL;
	if (local_dead(l))
		return -ESRCH;
	/* As gntdev: it has no copy from our memory to our memory. */
	for (i = 0; i < n; i++)
		if (!ops[i].src.is_grant && !ops[i].dst.is_grant)
			return -EINVAL;
	for (i = 0; i < n; i++)
		ops[i].status = copy_one(l, &ops[i]);
	return 0;
}

/* ---- map ---- */

static int track_take(struct local *l, uint32_t *track)
{
	if (l->nr_free_tracks) {
		*track = l->free_tracks[--l->nr_free_tracks];
		return 0;
	}
	*track = l->me->nr_maps;
	if (*track == LOCAL_MAPS)
		return -ENOSPC;
	/* The broker looks at the records below nr_maps only. */
	shm_store(&l->me->nr_maps, *track + 1);
	return 0;
}

/* There is room: track_reserve() was called when the record was taken. */
static void track_give(struct local *l, uint32_t track)
{
	xpv_store_release(&l->shm->maps[l->id][track], 0);
	l->free_tracks[l->nr_free_tracks++] = track;
}

/* Room for @n more tracks to be given back: unmap must not fail for memory. */
static int track_reserve(struct local *l, unsigned int n)
{
	uint32_t want = l->me->nr_maps + n, cap = l->cap_free_tracks;
	uint32_t *grown;

	if (want <= cap)
		return 0;
	while (cap < want)
		cap = cap ? cap * 2 : 64;
	grown = realloc(l->free_tracks, cap * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	l->free_tracks = grown;
	l->cap_free_tracks = cap;
	return 0;
}

/* Map frames[n] side by side at @addr, a run of neighbours at a time. */
static int place(struct local *l, char *addr, const uint32_t *frames,
		 unsigned int n, int prot)
{
	unsigned int i, run;
	off_t at;

	for (i = 0; i < n; i += run) {
		for (run = 1; i + run < n; run++)
			if (frames[i + run] != frames[i] + run)
				break;
		at = (off_t)offsetof(struct shm, frames) +
		     (off_t)frames[i] * XPV_PAGE_SIZE;
		if (mmap(addr + (size_t)i * XPV_PAGE_SIZE,
			 (size_t)run * XPV_PAGE_SIZE, prot,
			 MAP_SHARED | MAP_FIXED, l->view->memfd,
			 at) == MAP_FAILED)
			return -errno;
	}
	return 0;
}

static void *map_pages(struct local *l, const uint32_t *frames, unsigned int n,
		       int prot)
{
	int mmap_prot = (prot & HYPER_READ ? PROT_READ : 0) |
			(prot & HYPER_WRITE ? PROT_READ | PROT_WRITE : 0);
	size_t len = (size_t)n * XPV_PAGE_SIZE;
	char *addr;
	int rc;

	addr = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (addr == MAP_FAILED)
		return NULL;
	rc = place(l, addr, frames, n, mmap_prot);
	if (!rc) {
		/* As gntdev: a child does not inherit foreign pages, which
		 * would outlive the records. */
		madvise(addr, len, MADV_DONTFORK);
		return addr;
	}
	munmap(addr, len);
	errno = -rc;
	return NULL;
}

/* Take a record for each page and check its grant. */
static int use_all(struct local *l, struct local_map *map, uint16_t domid,
		   const uint32_t *grefs, unsigned int n, bool write,
		   uint32_t *frames)
{
	int rc;

	for (map->n = 0; map->n < n; map->n++) {
		uint32_t *track = &map->track[map->n];

		rc = track_take(l, track);
		if (rc)
			return rc;
		if (use(l, &l->shm->maps[l->id][*track], domid, grefs[map->n],
			write, &frames[map->n]) != GNTST_okay) {
			map->n++; /* this track is to be given back too */
			return -EINVAL; /* all that gntdev says */
		}
	}
	return 0;
}

static void drop(struct local *l, struct local_map *map)
{
	while (map->n)
		track_give(l, map->track[--map->n]);
	free(map);
}

static int map_all(struct local *l, struct local_map *map, uint16_t domid,
		   const uint32_t *grefs, unsigned int n, int prot)
{
	uint32_t *frames = malloc(n * sizeof(*frames));
	int rc;

	if (!frames)
		return -ENOMEM;
	rc = use_all(l, map, domid, grefs, n, prot & HYPER_WRITE, frames);
	if (!rc) {
		map->addr = map_pages(l, frames, n, prot);
		if (!map->addr)
			rc = -errno;
	}
	if (!rc && !tsearch(map, &l->maps, local_by_addr)) {
		munmap(map->addr, (size_t)n * XPV_PAGE_SIZE);
		rc = -ENOMEM;
	}
	free(frames);
	return rc;
}

void *local_map(struct hyper *h, uint16_t domid, const uint32_t *grefs,
		unsigned int n, int prot)
{
	struct local *l = local_of(h);
	struct local_map *map = NULL;
	int rc = 0;

	if (local_dead(l))
		rc = -ESRCH;
	else if (!local_has(l, HYPER_GRANT) || !n || n > LOCAL_MAPS ||
		 !(prot & (HYPER_READ | HYPER_WRITE)))
		rc = -EINVAL;
	if (!rc)
		rc = track_reserve(l, n);
	if (!rc) {
		map = malloc(sizeof(*map) + n * sizeof(map->track[0]));
		rc = map ? map_all(l, map, local_domid(l, domid), grefs, n,
				   prot)
			 : -ENOMEM;
	}
	if (!rc)
		return map->addr;
	if (map)
		drop(l, map);
	errno = -rc;
	return NULL;
}

int local_unmap(struct hyper *h, void *addr, unsigned int n)
{
	struct local *l = local_of(h);
	struct local_map **found = tfind(&addr, &l->maps, local_by_addr);
	struct local_map *map = found ? *found : NULL;

	if (!map || map->n != n)
		return -EINVAL;
	tdelete(map, &l->maps, local_by_addr);
	/* The page first, then the record that keeps it ours. */
	munmap(addr, (size_t)n * XPV_PAGE_SIZE);
	drop(l, map);
	return 0;
}

void local_grant_close(struct local *l)
{
	struct local_map *map;

	while (l->maps) {
		map = *(struct local_map **)l->maps;
		if (l->sock >= 0) {
			local_unmap(&l->base, map->addr, map->n);
			continue;
		}
		/* A forked child: neither pages nor records are ours. */
		tdelete(map, &l->maps, local_by_addr);
		free(map);
	}
	free(l->free_tracks);
}
