// SPDX-License-Identifier: MIT
/*
 * A block device as a hostile or unlucky guest meets it. ERROR: the ring goes
 * on. Broken: this device is let go of, and the others are untouched.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"
#include "suites.h"

#define SECTORS	 4096u
#define BAD_GREF 30000u

static struct rig rig;

static void setup(void)
{
	static const struct rig_options o = {
		.discard = true,
		.front = {.data_pages = 300},
	};

	rig_start(&rig, &o);
}

static void setup_read_only(void)
{
	static const struct rig_options o = {
		.read_only = true,
		.discard = true,
		.front = {.data_pages = 4},
	};

	rig_start(&rig, &o);
}

static void teardown(void)
{
	rig_stop(&rig);
}

static int call(struct xpv_blk_request req)
{
	req.id = 0x1122334455667788ull;
	return rig_call(&rig, &req);
}

/* ---- arithmetic ---- */

START_TEST(ranges)
{
	static const uint8_t ops[] = {XPV_BLKIF_READ, XPV_BLKIF_WRITE,
				      XPV_BLKIF_FLUSH, XPV_BLKIF_WRITE_BARRIER};
	static const uint64_t bad[] = {
		SECTORS - 7, SECTORS,	 SECTORS + 1, 1ull << 40,
		1ull << 55,  1ull << 63, ~0ull - 6,   ~0ull,
	};
	uint8_t op = ops[_i];
	unsigned int i;

	ck_assert_int_eq(call(rig_request(&rig, op, SECTORS - 8, 1)),
			 XPV_BLKIF_OKAY);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct xpv_blk_request req = rig_request(&rig, op, bad[i], 1);

		ck_assert_int_eq(call(req), XPV_BLKIF_ERROR);
		if (op != XPV_BLKIF_READ && op != XPV_BLKIF_WRITE)
			continue;
		userblk_indirect(rig.fe, &req, 299, 0, 1);
		ck_assert_int_eq(call(req), XPV_BLKIF_ERROR);
	}
	ck_assert_int_eq(lseek(rig.fd, 0, SEEK_END), SECTORS * 512);
	rig_check_alive(&rig);
}
END_TEST

START_TEST(segments)
{
	struct xpv_blk_request req;
	unsigned int first, last;

	for (first = 0; first < 256; first += first < 9 ? 1 : 41)
		for (last = 0; last < 256; last += last < 9 ? 1 : 41) {
			bool good = first <= last && last < 8;

			req = rig_request(&rig, XPV_BLKIF_WRITE, 0, 2);
			req.seg[1].first = (uint8_t)first;
			req.seg[1].last = (uint8_t)last;
			ck_assert_int_eq(call(req), good ? XPV_BLKIF_OKAY
							 : XPV_BLKIF_ERROR);
			userblk_indirect(rig.fe, &req, 299, 0, 2);
			xpv_blkif_encode_seg(
				&(struct xpv_blk_seg){rig.fe->gref[1],
						      (uint8_t)first,
						      (uint8_t)last},
				userblk_page(rig.fe, 299), 1);
			ck_assert_int_eq(call(req), good ? XPV_BLKIF_OKAY
							 : XPV_BLKIF_ERROR);
		}
	rig_check_alive(&rig);
}
END_TEST

/* Send a slot made by hand and take its response. */
static struct xpv_blk_response call_raw(const void *bytes)
{
	struct xpv_blk_response rsp;

	memcpy(userblk_slot(rig.fe, 0), bytes, rig.fe->abi->slot_size);
	userblk_push(rig.fe, 0);
	ck_assert_int_eq(userblk_wait(rig.fe, RIG_WAIT), 1);
	ck_assert_int_eq(userblk_reap(rig.fe, 0, &rsp, 1), 1);
	return rsp;
}

START_TEST(counts)
{
	struct xpv_blk_request req = rig_request(&rig, XPV_BLKIF_READ, 0, 11);
	uint8_t slot[XPV_BLKIF_MAX_SLOT];
	unsigned int n;

	xpv_blkif_encode(rig.fe->abi, &req, slot);
	for (n = 0; n < 256; n++) {
		bool good = n > 0 && n <= XPV_BLKIF_DIRECT_SEGS;

		slot[1] = (uint8_t)n;
		ck_assert_int_eq(call_raw(slot).status,
				 good ? XPV_BLKIF_OKAY : XPV_BLKIF_ERROR);
	}
	userblk_indirect(rig.fe, &req, 299, 0, 257);
	ck_assert_int_eq(call(req), XPV_BLKIF_ERROR);
	req.nr_segs = 0;
	ck_assert_int_eq(call(req), XPV_BLKIF_ERROR);
	req.nr_segs = 65535;
	ck_assert_int_eq(call(req), XPV_BLKIF_ERROR);
	rig_check_alive(&rig);
}
END_TEST

/* Unknown, but answered. */
START_TEST(operations)
{
	struct xpv_blk_request req = rig_request(&rig, XPV_BLKIF_READ, 0, 1);
	uint8_t slot[XPV_BLKIF_MAX_SLOT];
	struct xpv_blk_response rsp;
	unsigned int op;

	xpv_blkif_encode(rig.fe->abi, &req, slot);
	for (op = XPV_BLKIF_INDIRECT + 1; op < 256; op++) {
		slot[0] = (uint8_t)op;
		slot[rig.fe->abi->id] = (uint8_t)op;
		rsp = call_raw(slot);
		ck_assert_uint_eq(rsp.id, op);
		ck_assert_uint_eq(rsp.op, op);
		ck_assert_int_eq(rsp.status, XPV_BLKIF_EOPNOTSUPP);
	}
	slot[0] = XPV_BLKIF_RESERVED;
	ck_assert_int_eq(call_raw(slot).status, XPV_BLKIF_EOPNOTSUPP);
	rig_check_alive(&rig);
}
END_TEST

/* The response carries the inner operation, whatever it was. */
START_TEST(inner_operations)
{
	struct xpv_blk_request req = rig_request(&rig, XPV_BLKIF_READ, 0, 1);
	unsigned int op;

	userblk_indirect(rig.fe, &req, 299, 0, 1);
	for (op = 0; op < 256; op++) {
		bool good = op == XPV_BLKIF_READ || op == XPV_BLKIF_WRITE;

		req.op = (uint8_t)op;
		ck_assert_int_eq(call(req),
				 good ? XPV_BLKIF_OKAY : XPV_BLKIF_ERROR);
	}
	rig_check_alive(&rig);
}
END_TEST

START_TEST(discards)
{
	struct xpv_blk_request req = {.op = XPV_BLKIF_DISCARD};

	req.sector = SECTORS - 8;
	req.nr_sectors = 9;
	ck_assert_int_eq(call(req), XPV_BLKIF_ERROR);
	req.nr_sectors = ~0ull;
	ck_assert_int_eq(call(req), XPV_BLKIF_ERROR);
	req.sector = 8;
	req.nr_sectors = ~0ull - 7;
	ck_assert_int_eq(call(req), XPV_BLKIF_ERROR);
	req.nr_sectors = 8;
	req.secure = true; /* is not offered */
	ck_assert_int_eq(call(req), XPV_BLKIF_EOPNOTSUPP);
	ck_assert_int_eq(lseek(rig.fd, 0, SEEK_END), SECTORS * 512);
	rig_check_alive(&rig);
}
END_TEST

START_TEST(read_only)
{
	static const uint8_t ops[] = {XPV_BLKIF_WRITE, XPV_BLKIF_WRITE_BARRIER,
				      XPV_BLKIF_FLUSH};
	struct xpv_blk_request req;
	static uint8_t disk[SECTORS * 512];
	unsigned int i;

	rig_stamp(rig.fe->data, 4 * 4096, 0, 1);
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(call(rig_request(&rig, ops[i], 0, 1)),
				 XPV_BLKIF_ERROR);
	req = rig_request(&rig, XPV_BLKIF_WRITE, 0, 1);
	userblk_indirect(rig.fe, &req, 3, 0, 1);
	ck_assert_int_eq(call(req), XPV_BLKIF_ERROR);
	req = (struct xpv_blk_request){.op = XPV_BLKIF_DISCARD,
				       .nr_sectors = 8};
	ck_assert_int_lt(call(req), 0);
	ck_assert_int_eq(call(rig_request(&rig, XPV_BLKIF_READ, 0, 1)),
			 XPV_BLKIF_OKAY);
	ck_assert_int_eq(call(rig_request(&rig, XPV_BLKIF_FLUSH, 0, 0)),
			 XPV_BLKIF_OKAY);
	ck_assert_int_eq(pread(rig.fd, disk, sizeof(disk), 0), sizeof(disk));
	for (i = 0; i < sizeof(disk); i++)
		if (disk[i])
			ck_abort_msg("byte %u was written", i);
}
END_TEST

/* ---- grants ---- */

/* A reference that is none, at each place of n: that request fails alone. */
static void check_bad_gref(uint8_t op, unsigned int n, unsigned int bad)
{
	struct xpv_blk_request req = rig_request(&rig, op, 0, n);

	req.seg[bad].gref = BAD_GREF;
	ck_assert_int_eq(call(req), XPV_BLKIF_ERROR);
	userblk_indirect(rig.fe, &req, 299, 0, n);
	xpv_blkif_encode_seg(&(struct xpv_blk_seg){BAD_GREF, 0, 7},
			     userblk_page(rig.fe, 299), bad);
	ck_assert_int_eq(call(req), XPV_BLKIF_ERROR);
}

START_TEST(bad_grefs)
{
	unsigned int n, bad;

	for (n = 1; n <= XPV_BLKIF_DIRECT_SEGS; n++)
		for (bad = 0; bad < n; bad++) {
			check_bad_gref(XPV_BLKIF_READ, n, bad);
			check_bad_gref(XPV_BLKIF_WRITE, n, bad);
		}
	rig_check_alive(&rig);
}
END_TEST

/* Nothing of a write whose data could not all be had reaches the disk. */
START_TEST(bad_gref_writes_nothing)
{
	struct xpv_blk_request req = rig_request(&rig, XPV_BLKIF_WRITE, 64, 3);
	static uint8_t disk[3 * 4096];
	unsigned int i;

	rig_stamp(rig.fe->data, 3 * 4096, 0, 9);
	req.seg[2].gref = BAD_GREF;
	ck_assert_int_eq(call(req), XPV_BLKIF_ERROR);
	ck_assert_int_eq(pread(rig.fd, disk, sizeof(disk), 64 * 512),
			 sizeof(disk));
	for (i = 0; i < sizeof(disk); i++)
		ck_assert_msg(!disk[i], "byte %u was written", i);
}
END_TEST

START_TEST(bad_indirect_page)
{
	struct xpv_blk_request req = rig_request(&rig, XPV_BLKIF_READ, 0, 1);

	userblk_indirect(rig.fe, &req, 299, 0, 8);
	req.indirect_gref[0] = BAD_GREF;
	ck_assert_int_eq(call(req), XPV_BLKIF_ERROR);
	req.op = XPV_BLKIF_WRITE;
	ck_assert_int_eq(call(req), XPV_BLKIF_ERROR);
	rig_check_alive(&rig);
}
END_TEST

static void count(const struct xpv_blk_response *rsp, void *arg)
{
	unsigned int *by_status = arg;

	/* Even ids named a page that is not there. */
	ck_assert_int_eq(rsp->status,
			 rsp->id % 2 ? XPV_BLKIF_OKAY : XPV_BLKIF_ERROR);
	by_status[rsp->id % 2]++;
}

/* Good and bad in one batch: each gets its own answer. */
START_TEST(bad_among_good)
{
	unsigned int round, i, n[2] = {0, 0};

	for (round = 0; round < 200; round++) {
		for (i = 0; i < 32; i++) {
			struct xpv_blk_request req = rig_request(
				&rig,
				round % 2 ? XPV_BLKIF_READ : XPV_BLKIF_WRITE,
				8 * i, 11);

			req.id = i;
			if (i % 2 == 0)
				req.seg[(i + round) % 11].gref = BAD_GREF;
			ck_assert(userblk_submit(rig.fe, 0, &req));
		}
		userblk_push(rig.fe, 0);
		rig_await(&rig, 0, 32, count, n);
	}
	ck_assert_uint_eq(n[0], 3200);
	ck_assert_uint_eq(n[1], 3200);
	rig_check_alive(&rig);
}
END_TEST

Suite *vbd_bad_suite(void)
{
	Suite *s = suite_create("vbd_bad");
	TCase *c = tcase_create("requests");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, ranges, 0, 4);
	tcase_add_test(c, segments);
	tcase_add_test(c, counts);
	tcase_add_test(c, operations);
	tcase_add_test(c, inner_operations);
	tcase_add_test(c, discards);
	tcase_add_test(c, bad_grefs);
	tcase_add_test(c, bad_gref_writes_nothing);
	tcase_add_test(c, bad_indirect_page);
	tcase_add_test(c, bad_among_good);
	suite_add_tcase(s, c);

	c = tcase_create("read only");
	tcase_add_checked_fixture(c, setup_read_only, teardown);
	tcase_add_test(c, read_only);
	suite_add_tcase(s, c);
	return s;
}
