// SPDX-License-Identifier: MIT
#include "model_disk.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR	    512u
#define MAX_PENDING 64

/* One sector in the cache. */
struct cached {
	uint64_t sector;
	uint64_t order; /* of completion */
	uint8_t content[SECTOR];
	TAILQ_ENTRY(cached) next;
};

struct pending {
	struct storage_io *io;
	uint64_t order; /* writes up to here were done when it was submitted */
};

struct model_disk {
	struct engine engine;
	unsigned int seed;
	uint64_t order;
	unsigned int flushes;
	unsigned int fails; /* one in so many; 0: none */
	bool broken;
	uint8_t platter[MODEL_SECTORS][SECTOR];
	TAILQ_HEAD(, cached) cache; /* in order */
	struct pending pending[MAX_PENDING];
	unsigned int nr_pending;
};

static unsigned int chance(struct model_disk *m, unsigned int n)
{
	return (unsigned int)rand_r(&m->seed) % n;
}

static void drop(struct model_disk *m, struct cached *c)
{
	TAILQ_REMOVE(&m->cache, c, next);
	free(c);
}

/* In order, so that the last one stays. */
static void flush(struct model_disk *m, uint64_t order)
{
	struct cached *c;

	while ((c = TAILQ_FIRST(&m->cache)) && c->order <= order) {
		memcpy(m->platter[c->sector], c->content, SECTOR);
		drop(m, c);
	}
}

static void put_sector(struct model_disk *m, uint64_t sector, const void *data,
		       bool durable)
{
	struct cached *c, *after;

	if (durable) {
		for (c = TAILQ_FIRST(&m->cache); c; c = after) {
			after = TAILQ_NEXT(c, next);
			if (c->sector == sector)
				drop(m, c);
		}
		memcpy(m->platter[sector], data, SECTOR);
		return;
	}
	c = malloc(sizeof(*c));
	assert(c);
	c->sector = sector;
	c->order = ++m->order;
	memcpy(c->content, data, SECTOR);
	TAILQ_INSERT_TAIL(&m->cache, c, next);
}

static const void *get_sector(struct model_disk *m, uint64_t sector)
{
	const void *content = m->platter[sector];
	struct cached *c;

	TAILQ_FOREACH(c, &m->cache, next)
		if (c->sector == sector)
			content = c->content;
	return content;
}

/* The sector at @at of the buffers, whose pieces are whole sectors. */
static uint8_t *sector_at(const struct attempt *a, uint64_t at)
{
	const struct iovec *iov = a->iov;

	if (!iov)
		return (uint8_t *)a->buf + at;
	while (at >= iov->iov_len)
		at -= iov++->iov_len;
	assert(at + SECTOR <= iov->iov_len);
	return (uint8_t *)iov->iov_base + at;
}

static ssize_t transfer(struct model_disk *m, const struct attempt *a)
{
	uint64_t sectors = a->length / SECTOR;

	assert(!(a->offset % SECTOR));
	assert(!(a->length % SECTOR));
	if (sectors > 1 && !chance(m, 4))
		sectors = 1 + chance(m, (unsigned int)sectors - 1);
	for (uint64_t i = 0; i < sectors; i++) {
		uint64_t sector = a->offset / SECTOR + i;
		uint8_t *data = sector_at(a, i * SECTOR);

		if (a->call == ATTEMPT_READ)
			memcpy(data, get_sector(m, sector), SECTOR);
		else
			put_sector(m, sector, data, a->flags);
	}
	return (ssize_t)(sectors * SECTOR);
}

static ssize_t attempt(struct model_disk *m, const struct pending *p)
{
	struct attempt a;

	if (!chance(m, 16))
		return -EINTR;
	if (m->fails && !chance(m, m->fails))
		return -EIO;
	attempt_plan(p->io, &a);
	if (a.call != ATTEMPT_SYNC)
		return transfer(m, &a);
	if (m->broken)
		return -EIO;
	flush(m, p->order);
	m->flushes++;
	return 0;
}

static void model_submit(struct engine *e, struct storage_io *io)
{
	struct model_disk *m = (struct model_disk *)e;

	assert(m->nr_pending < MAX_PENDING);
	m->pending[m->nr_pending++] =
		(struct pending){.io = io, .order = m->order};
}

/* One attempt of one of them, or none. */
static bool model_kick(struct engine *e)
{
	struct model_disk *m = (struct model_disk *)e;
	struct pending p;
	unsigned int i;

	if (!m->nr_pending || !chance(m, 3))
		return false;
	i = chance(m, m->nr_pending);
	p = m->pending[i];
	m->pending[i] = m->pending[--m->nr_pending];
	e->finished(e->owner, p.io, attempt(m, &p));
	return true;
}

static bool model_arm(struct engine *e)
{
	return ((struct model_disk *)e)->nr_pending > 0;
}

static void model_close(struct engine *e)
{
	(void)e;
}

static const struct engine_ops model_ops = {
	.submit = model_submit,
	.kick = model_kick,
	.arm = model_arm,
	.close = model_close,
};

struct model_disk *model_disk_new(unsigned int seed)
{
	struct model_disk *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->engine.ops = &model_ops;
	m->seed = seed;
	TAILQ_INIT(&m->cache);
	return m;
}

void model_disk_free(struct model_disk *m)
{
	while (!TAILQ_EMPTY(&m->cache))
		drop(m, TAILQ_FIRST(&m->cache));
	free(m);
}

struct engine *model_disk_engine(struct model_disk *m)
{
	return &m->engine;
}

void model_disk_break(struct model_disk *m)
{
	m->broken = true;
}

void model_disk_fail(struct model_disk *m, unsigned int one_in)
{
	m->fails = one_in;
}

void model_disk_orphan(struct model_disk *m)
{
	while (m->nr_pending) {
		struct pending *p = &m->pending[--m->nr_pending];

		if (chance(m, 2))
			attempt(m, p);
	}
}

unsigned int model_disk_flushes(const struct model_disk *m)
{
	return m->flushes;
}

void model_disk_cut(struct model_disk *m, uint64_t sector,
		    void (*each)(const void *content, void *arg), void *arg)
{
	struct cached *c;

	each(m->platter[sector], arg);
	TAILQ_FOREACH(c, &m->cache, next)
		if (c->sector == sector)
			each(c->content, arg);
}

void model_disk_stamp(void *data, uint64_t sector, uint32_t version)
{
	uint32_t *word = data;

	word[0] = version;
	for (uint32_t i = 1; i < SECTOR / sizeof(*word); i++)
		word[i] = version * 2654435761u ^ (uint32_t)sector * 40503u ^ i;
	if (!version)
		memset(data, 0, SECTOR);
}

bool model_disk_whole(const void *data, uint64_t sector, uint32_t *version)
{
	uint8_t wanted[SECTOR];

	memcpy(version, data, sizeof(*version));
	model_disk_stamp(wanted, sector, *version);
	return !memcmp(data, wanted, SECTOR);
}
