// SPDX-License-Identifier: MIT
/* A block device as a well-behaved guest meets it. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"
#include "suites.h"

#define FILL 0xa5

static struct rig rig;

static const struct rig_options plain = {
	.discard = true,
	.front = {.data_pages = 300},
};

static void setup(void)
{
	rig_start(&rig, &plain);
}

static void teardown(void)
{
	rig_stop(&rig);
}

/* ---- data ---- */

/* What a segment list describes, gathered from the data pages or spread. */
static size_t gather(const struct xpv_blk_seg *seg, unsigned int n,
		     uint8_t *flat, bool spread)
{
	size_t done = 0, len;
	unsigned int i;
	uint8_t *at;

	for (i = 0; i < n; i++) {
		at = (uint8_t *)userblk_page(rig.fe, i) + seg[i].first * 512;
		len = xpv_blk_seg_sectors(&seg[i]) * 512;
		memcpy(spread ? at : flat + done, spread ? flat + done : at,
		       len);
		done += len;
	}
	return done;
}

static uint32_t random_below(uint32_t n)
{
	static uint64_t x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x >> 32) % n;
}

static void random_segs(struct xpv_blk_seg *seg, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		seg[i].gref = rig.fe->gref[i];
		seg[i].first = (uint8_t)random_below(8);
		seg[i].last = (uint8_t)(seg[i].first +
					random_below(8u - seg[i].first));
	}
}

static void set_segs(struct xpv_blk_request *req, const struct xpv_blk_seg *seg,
		     unsigned int n, bool indirect)
{
	unsigned int i;

	req->nr_segs = (uint16_t)n;
	req->indirect = indirect;
	if (!indirect) {
		memcpy(req->seg, seg, n * sizeof(*seg));
		return;
	}
	userblk_indirect(rig.fe, req, 299, 0, n);
	for (i = 0; i < n; i++)
		xpv_blkif_encode_seg(&seg[i], userblk_page(rig.fe, 299), i);
}

/* Outside of its segment a page still holds what it was filled with. */
static bool untouched(const uint8_t *page, const struct xpv_blk_seg *seg)
{
	unsigned int b;

	for (b = 0; b < 4096; b++)
		if ((b / 512 < seg->first || b / 512 > seg->last) &&
		    page[b] != FILL)
			return false;
	return true;
}

static uint8_t flat[256 * 4096], back[256 * 4096];

/*
 * Write with one layout: the file has it, sector for sector, and nothing
 * beside it. Read with the same layout into clean pages: the same, and not a
 * byte beside the segments is touched.
 */
static void check_layout(const struct xpv_blk_seg *seg, unsigned int n,
			 bool indirect)
{
	struct xpv_blk_request req = {.id = 42, .op = XPV_BLKIF_WRITE};
	uint32_t salt = random_below(1u << 30);
	unsigned int i;
	size_t bytes;

	req.sector = random_below(1024);
	bytes = gather(seg, n, flat, false);
	rig_stamp(flat, bytes, req.sector, salt);
	gather(seg, n, flat, true);
	set_segs(&req, seg, n, indirect);
	ck_assert_int_eq(rig_call(&rig, &req), XPV_BLKIF_OKAY);
	ck_assert_int_eq(pread(rig.fd, back, bytes, (off_t)req.sector * 512),
			 (ssize_t)bytes);
	ck_assert(!memcmp(back, flat, bytes));

	for (i = 0; i < n; i++)
		memset(userblk_page(rig.fe, i), FILL, 4096);
	req.op = XPV_BLKIF_READ;
	ck_assert_int_eq(rig_call(&rig, &req), XPV_BLKIF_OKAY);
	gather(seg, n, back, false);
	ck_assert(!memcmp(back, flat, bytes));
	for (i = 0; i < n; i++)
		ck_assert(untouched(userblk_page(rig.fe, i), &seg[i]));
}

START_TEST(every_segment)
{
	struct xpv_blk_seg seg = {.gref = rig.fe->gref[0]};

	for (seg.first = 0; seg.first < 8; seg.first++)
		for (seg.last = seg.first; seg.last < 8; seg.last++) {
			check_layout(&seg, 1, false);
			check_layout(&seg, 1, true);
		}
}
END_TEST

START_TEST(random_layouts)
{
	struct xpv_blk_seg seg[XPV_BLKIF_OFFER_SEGS];
	unsigned int round, n;

	for (n = 1; n <= XPV_BLKIF_DIRECT_SEGS; n++)
		for (round = 0; round < 20; round++) {
			random_segs(seg, n);
			check_layout(seg, n, false);
		}
	for (round = 0; round < 40; round++) {
		n = 1 + random_below(XPV_BLKIF_OFFER_SEGS);
		random_segs(seg, n);
		check_layout(seg, n, true);
	}
	random_segs(seg, XPV_BLKIF_OFFER_SEGS);
	check_layout(seg, XPV_BLKIF_OFFER_SEGS, true);
}
END_TEST

/* ---- whole rings, in every shape ---- */

struct shape {
	uint8_t ring_order, nr_queues;
	bool x86_32;
};

static const struct shape shapes[] = {
	{0, 1, false}, {0, 1, true}, {1, 1, false}, {2, 3, true},
	{3, 2, false}, {4, 1, true}, {4, 4, false}, {0, 16, false},
};

static void count_okay(const struct xpv_blk_response *rsp, void *arg)
{
	bool *seen = arg;

	ck_assert_int_eq(rsp->status, XPV_BLKIF_OKAY);
	ck_assert(!seen[rsp->id]);
	seen[rsp->id] = true;
}

/* Fill one ring to the brim with requests of a page each. */
static void fill_ring(unsigned int queue, enum xpv_blkif_op op)
{
	uint32_t n = rig.fe->queue[queue].front.ring.entries, i;
	bool seen[512] = {false};

	for (i = 0; i < n; i++) {
		struct xpv_blk_request req = {
			.id = i,
			.op = (uint8_t)op,
			.sector = 8ull * i,
		};

		userblk_segments(rig.fe, &req, i, 1);
		ck_assert(userblk_submit(rig.fe, queue, &req));
	}
	ck_assert_ptr_null(userblk_slot(rig.fe, queue));
	userblk_push(rig.fe, queue);
	rig_await(&rig, queue, n, count_okay, seen);
}

START_TEST(full_rings)
{
	const struct shape *s = &shapes[_i / 2];
	struct rig_options o = {
		.sectors = 8192,
		.front = {.ring_order = s->ring_order,
			  .nr_queues = s->nr_queues,
			  .x86_32 = s->x86_32,
			  .persistent = _i % 2,
			  .data_pages = 512},
	};
	size_t bytes;
	unsigned int q;
	uint32_t salt;

	rig_start(&rig, &o);
	bytes = rig.fe->queue[0].front.ring.entries * 4096ul;
	for (q = 0; q < s->nr_queues; q++) {
		salt = random_below(1u << 30);
		rig_stamp(rig.fe->data, bytes, 0, salt);
		fill_ring(q, XPV_BLKIF_WRITE);
		memset(rig.fe->data, 0, bytes);
		fill_ring(q, XPV_BLKIF_READ);
		ck_assert(rig_stamped(rig.fe->data, bytes, 0, salt));
	}
	rig_stop(&rig);
}
END_TEST

static void okay(const struct xpv_blk_response *rsp, void *arg)
{
	(void)arg;
	ck_assert_int_eq(rsp->status, XPV_BLKIF_OKAY);
}

/* More than the worker's memory holds at once: the rest waits its turn. */
START_TEST(more_than_memory)
{
	struct xpv_blk_request req = {.op = XPV_BLKIF_WRITE, .sector = 64};
	unsigned int round, i;

	userblk_indirect(rig.fe, &req, 299, 0, XPV_BLKIF_OFFER_SEGS);
	rig_stamp(rig.fe->data, 256 * 4096, req.sector, 5);
	for (round = 0; round < 5; round++) {
		for (i = 0; i < 32; i++)
			ck_assert(userblk_submit(rig.fe, 0, &req));
		userblk_push(rig.fe, 0);
		rig_await(&rig, 0, 32, okay, NULL);
	}
	ck_assert_int_eq(pread(rig.fd, back, sizeof(back), 64 * 512),
			 sizeof(back));
	ck_assert(rig_stamped(back, sizeof(back), 64, 5));
}
END_TEST

/* ---- operations ---- */

START_TEST(flush)
{
	struct xpv_blk_request req = {
		.id = 1,
		.op = XPV_BLKIF_FLUSH,
		.sector = ~0ull, /* an empty flush has no place */
	};

	ck_assert_int_eq(rig_call(&rig, &req), XPV_BLKIF_OKAY);
	req.op = XPV_BLKIF_WRITE_BARRIER;
	ck_assert_int_eq(rig_call(&rig, &req), XPV_BLKIF_OKAY);
}
END_TEST

START_TEST(flush_with_data)
{
	static const enum xpv_blkif_op op[] = {XPV_BLKIF_FLUSH,
					       XPV_BLKIF_WRITE_BARRIER};
	uint32_t salt;

	for (salt = 0; salt < 2; salt++) {
		rig_stamp(rig.fe->data, 3 * 4096, 16, salt);
		ck_assert_int_eq(rig_pages(&rig, op[salt], 16, 0, 3),
				 XPV_BLKIF_OKAY);
		ck_assert_int_eq(pread(rig.fd, back, 3 * 4096, 16 * 512),
				 3 * 4096);
		ck_assert(rig_stamped(back, 3 * 4096, 16, salt));
	}
}
END_TEST

/*
 * Writes of one place, a barrier in their middle: the last one wins, whatever
 * order the storage would have preferred.
 */
START_TEST(barrier_orders)
{
	static const enum xpv_blkif_op op[] = {
		XPV_BLKIF_WRITE, XPV_BLKIF_WRITE_BARRIER, XPV_BLKIF_WRITE,
		XPV_BLKIF_WRITE_BARRIER, XPV_BLKIF_WRITE};
	unsigned int round, i;

	for (round = 0; round < 100; round++) {
		for (i = 0; i < 5; i++) {
			struct xpv_blk_request req = {
				.id = i,
				.op = (uint8_t)op[i],
				.sector = 800,
			};

			rig_stamp(userblk_page(rig.fe, 4 * i), 4 * 4096, 800,
				  8 * round + i);
			userblk_segments(rig.fe, &req, 4 * i, 4);
			ck_assert(userblk_submit(rig.fe, 0, &req));
		}
		userblk_push(rig.fe, 0);
		rig_await(&rig, 0, 5, okay, NULL);
		ck_assert_int_eq(pread(rig.fd, back, 4 * 4096, 800 * 512),
				 4 * 4096);
		ck_assert(rig_stamped(back, 4 * 4096, 800, 8 * round + 4));
	}
}
END_TEST

START_TEST(discard)
{
	struct xpv_blk_request req = {
		.id = 9,
		.op = XPV_BLKIF_DISCARD,
		.sector = 8,
		.nr_sectors = 16,
	};

	rig_stamp(rig.fe->data, 4 * 4096, 0, 3);
	ck_assert_int_eq(rig_pages(&rig, XPV_BLKIF_WRITE, 0, 0, 4),
			 XPV_BLKIF_OKAY);
	ck_assert_int_eq(rig_call(&rig, &req), XPV_BLKIF_OKAY);
	ck_assert_int_eq(rig_pages(&rig, XPV_BLKIF_READ, 0, 4, 4),
			 XPV_BLKIF_OKAY);
	ck_assert(rig_stamped(userblk_page(rig.fe, 4), 4096, 0, 3));
	memset(flat, 0, 2 * 4096);
	ck_assert(!memcmp(userblk_page(rig.fe, 5), flat, 2 * 4096));
	ck_assert(rig_stamped(userblk_page(rig.fe, 7), 4096, 24, 3));
}
END_TEST

START_TEST(resize)
{
	struct ipc_msg msg = {
		.type = IPC_RESIZE,
		.dev = {.class = IPC_VBD, .handle = RIG_DISK},
		.sectors = 8192,
	};

	ck_assert_int_eq(rig_pages(&rig, XPV_BLKIF_WRITE, 4096, 0, 1),
			 XPV_BLKIF_ERROR);
	ck_assert_int_lt(drive_request(&rig.drive, &msg, NULL, 0), 0);
	ck_assert_str_eq(rig.drive.text,
			 "sectors 8192, but the target has 4096");
	ck_assert_int_eq(ftruncate(rig.fd, 8192 * 512), 0);
	ck_assert_int_eq(drive_request(&rig.drive, &msg, NULL, 0), 0);
	ck_assert_int_eq(rig_pages(&rig, XPV_BLKIF_WRITE, 4096, 0, 1),
			 XPV_BLKIF_OKAY);
}
END_TEST

/* What is not whole sectors is refused, in every layout and way. */
START_TEST(sectors_of_4096)
{
	struct rig_options o = {
		.sector_size = 4096,
		.discard = true,
		.front = {.data_pages = 300,
			  .x86_32 = _i & 1,
			  .persistent = _i & 2},
	};
	struct xpv_blk_request req = {.id = 1, .op = XPV_BLKIF_WRITE};
	struct xpv_blk_seg seg[12];
	unsigned int i;

	rig_start(&rig, &o);
	for (i = 0; i < 12; i++)
		seg[i] = (struct xpv_blk_seg){rig.fe->gref[i], 0, 7};
	for (i = 0; i < 9; i++) {
		req.sector = 8 + i;
		set_segs(&req, seg, 11, false);
		ck_assert_int_eq(rig_call(&rig, &req),
				 i % 8 ? XPV_BLKIF_ERROR : XPV_BLKIF_OKAY);
		set_segs(&req, seg, 12, true);
		ck_assert_int_eq(rig_call(&rig, &req),
				 i % 8 ? XPV_BLKIF_ERROR : XPV_BLKIF_OKAY);
	}
	req.sector = 8;
	for (i = 0; i < 7; i++) {
		seg[i].last = (uint8_t)i;
		set_segs(&req, seg, 11, false);
		ck_assert_int_eq(rig_call(&rig, &req), XPV_BLKIF_ERROR);
		set_segs(&req, seg, 12, true);
		ck_assert_int_eq(rig_call(&rig, &req), XPV_BLKIF_ERROR);
		seg[i].last = 7;
	}
	req = (struct xpv_blk_request){.op = XPV_BLKIF_DISCARD};
	for (i = 0; i < 9; i++) {
		req.sector = i;
		req.nr_sectors = 16;
		ck_assert_int_eq(rig_call(&rig, &req),
				 i % 8 ? XPV_BLKIF_ERROR : XPV_BLKIF_OKAY);
		req.sector = 16;
		req.nr_sectors = 8 + i;
		ck_assert_int_eq(rig_call(&rig, &req),
				 i % 8 ? XPV_BLKIF_ERROR : XPV_BLKIF_OKAY);
	}
	rig_check_alive(&rig);
	rig_stop(&rig);
}
END_TEST

Suite *vbd_suite(void)
{
	Suite *s = suite_create("vbd");
	TCase *c = tcase_create("one disk");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, every_segment);
	tcase_add_test(c, random_layouts);
	tcase_add_test(c, more_than_memory);
	tcase_add_test(c, flush);
	tcase_add_test(c, flush_with_data);
	tcase_add_test(c, barrier_orders);
	tcase_add_test(c, discard);
	tcase_add_test(c, resize);
	suite_add_tcase(s, c);

	c = tcase_create("shapes");
	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, full_rings, 0,
			    2 * sizeof(shapes) / sizeof(shapes[0]));
	tcase_add_loop_test(c, sectors_of_4096, 0, 4);
	suite_add_tcase(s, c);
	return s;
}
