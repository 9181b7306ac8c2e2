// SPDX-License-Identifier: MIT
/*
 * A random mix of everything that a guest may ask for, in every way in which
 * its data can travel. Every sector carries a stamp of its own, and a copy of
 * the disk says which.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"
#include "suites.h"

#define SECTORS	  4096u
#define REQUESTS  16u /* at once, each in a part of the disk of its own */
#define PART	  (SECTORS / REQUESTS)
#define SEGS	  (PART / 8) /* whole pages of a part */
#define PAGES	  (REQUESTS * (SEGS + 1)) /* one for the descriptors */
#define WAVES	  40u
#define FILL	  0xa5
#define PAGE_SIZE 4096u

struct mix {
	bool persistent, bounced, indirect, x86_32;
	uint8_t nr_queues;
};

struct asked {
	struct xpv_blk_request req;
	struct xpv_blk_seg seg[SEGS];
	unsigned int first_page;
	bool answered;
};

static struct rig rig;
static uint8_t disk[SECTORS * 512], file[SECTORS * 512];
static struct asked asked[REQUESTS];

static uint32_t random_below(uint32_t n)
{
	static uint64_t x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x >> 32) % n;
}

static uint8_t *seg_data(const struct asked *a, unsigned int i)
{
	return (uint8_t *)userblk_page(rig.fe, a->first_page + i) +
	       a->seg[i].first * 512;
}

static uint8_t random_op(bool indirect)
{
	static const uint8_t ops[] = {
		XPV_BLKIF_READ,	 XPV_BLKIF_WRITE,	  XPV_BLKIF_READ,
		XPV_BLKIF_WRITE, XPV_BLKIF_WRITE_BARRIER, XPV_BLKIF_FLUSH,
		XPV_BLKIF_WRITE, XPV_BLKIF_DISCARD,
	};

	return ops[random_below(indirect ? 2 : sizeof(ops))];
}

static bool writes(uint8_t op)
{
	return op != XPV_BLKIF_READ && op != XPV_BLKIF_DISCARD;
}

/* Segments of all sizes; the data of a write has its stamps. */
static void fill_segs(struct asked *a, unsigned int n)
{
	uint64_t sector = a->req.sector;
	unsigned int i, len;
	uint32_t salt = random_below(1u << 30);

	a->req.nr_segs = (uint16_t)n;
	for (i = 0; i < n; i++) {
		a->seg[i].gref = rig.fe->gref[a->first_page + i];
		a->seg[i].first = (uint8_t)random_below(8);
		a->seg[i].last = (uint8_t)(a->seg[i].first +
					   random_below(8u - a->seg[i].first));
		memset(userblk_page(rig.fe, a->first_page + i), FILL,
		       PAGE_SIZE);
		len = xpv_blk_seg_sectors(&a->seg[i]);
		if (writes(a->req.op))
			rig_stamp(seg_data(a, i), len * 512, sector, salt);
		sector += len;
	}
	a->req.nr_sectors = sector - a->req.sector;
}

static void put_segs(struct asked *a)
{
	unsigned int i, page = a->first_page + SEGS;

	if (!a->req.indirect) {
		memcpy(a->req.seg, a->seg, a->req.nr_segs * sizeof(a->seg[0]));
		return;
	}
	memset(a->req.indirect_gref, 0, sizeof(a->req.indirect_gref));
	a->req.indirect_gref[0] = rig.fe->gref[page];
	for (i = 0; i < a->req.nr_segs; i++)
		xpv_blkif_encode_seg(&a->seg[i], userblk_page(rig.fe, page), i);
}

static void make_request(const struct mix *m, unsigned int part,
			 unsigned int pages)
{
	struct asked *a = &asked[part];
	unsigned int most = XPV_BLKIF_DIRECT_SEGS;

	memset(a, 0, sizeof(*a));
	a->first_page = pages * (SEGS + 1);
	a->req.id = part;
	a->req.indirect = m->indirect && random_below(4);
	a->req.op = random_op(a->req.indirect);
	a->req.sector = part * PART;
	if (a->req.op == XPV_BLKIF_DISCARD) {
		a->req.sector += random_below(PART / 2);
		a->req.nr_sectors = random_below(PART / 2);
		return;
	}
	if (a->req.indirect)
		most = SEGS;
	else
		a->req.sector += random_below(PART - 8 * most);
	if (a->req.op == XPV_BLKIF_FLUSH && random_below(2))
		most = 0;
	fill_segs(a, most ? 1 + random_below(most) : 0);
	put_segs(a);
}

/* What was read is there, byte for byte, and nothing was written beside it. */
static void check_read(const struct asked *a)
{
	const uint8_t *at = disk + a->req.sector * 512;
	unsigned int i, b, start, end;
	const uint8_t *page;

	for (i = 0; i < a->req.nr_segs; i++) {
		page = userblk_page(rig.fe, a->first_page + i);
		start = a->seg[i].first * 512u;
		end = (a->seg[i].last + 1) * 512u;
		ck_assert(!memcmp(page + start, at, end - start));
		at += end - start;
		for (b = 0; b < PAGE_SIZE; b++)
			if ((b < start || b >= end) && page[b] != FILL)
				ck_abort_msg("byte %u was written", b);
	}
}

static void note_write(const struct asked *a)
{
	uint8_t *at = disk + a->req.sector * 512;
	unsigned int i, len;

	for (i = 0; i < a->req.nr_segs; i++) {
		len = xpv_blk_seg_sectors(&a->seg[i]) * 512;
		memcpy(at, seg_data(a, i), len);
		at += len;
	}
}

static void answered(const struct xpv_blk_response *rsp, void *arg)
{
	struct asked *a = &asked[rsp->id];

	(void)arg;
	ck_assert_uint_lt(rsp->id, REQUESTS);
	ck_assert(!a->answered);
	a->answered = true;
	ck_assert_uint_eq(rsp->op, a->req.op);
	ck_assert_int_eq(rsp->status, XPV_BLKIF_OKAY);
	if (a->req.op == XPV_BLKIF_READ)
		check_read(a);
	else if (a->req.op == XPV_BLKIF_DISCARD)
		memset(disk + a->req.sector * 512, 0, a->req.nr_sectors * 512);
	else
		note_write(a);
}

static void wave(const struct mix *m)
{
	unsigned int of_queue[16] = {0}, i, q, turn = random_below(REQUESTS);

	/* Each time other pages: what one wave wrote from, the next reads
	 * into. */
	for (i = 0; i < REQUESTS; i++) {
		make_request(m, i, (i + turn) % REQUESTS);
		q = random_below(m->nr_queues);
		ck_assert(userblk_submit(rig.fe, q, &asked[i].req));
		of_queue[q]++;
	}
	for (q = 0; q < m->nr_queues; q++)
		userblk_push(rig.fe, q);
	for (q = 0; q < m->nr_queues; q++)
		rig_await(&rig, q, of_queue[q], answered, NULL);
	for (i = 0; i < REQUESTS; i++)
		ck_assert(asked[i].answered);
}

START_TEST(everything)
{
	const struct mix m = {
		.persistent = _i & 1,
		.bounced = _i & 2,
		.indirect = _i & 4,
		.x86_32 = _i & 8,
		.nr_queues = _i & 16 ? 4 : 1,
	};
	const struct rig_options o = {
		.sectors = SECTORS,
		.discard = true,
		.direct = m.bounced,
		.front = {.data_pages = PAGES,
			  .persistent = m.persistent,
			  .x86_32 = m.x86_32,
			  .nr_queues = m.nr_queues},
	};
	unsigned int i;

	rig_start(&rig, &o);
	memset(disk, 0, sizeof(disk));
	for (i = 0; i < WAVES; i++) {
		wave(&m);
		ck_assert_int_eq(pread(rig.fd, file, sizeof(file), 0),
				 sizeof(file));
		ck_assert(!memcmp(file, disk, sizeof(disk)));
	}
	rig_stop(&rig);
}
END_TEST

Suite *vbd_mix_suite(void)
{
	Suite *s = suite_create("vbd_mix");
	TCase *c = tcase_create("everything");

	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, everything, 0, 32);
	suite_add_tcase(s, c);
	return s;
}
