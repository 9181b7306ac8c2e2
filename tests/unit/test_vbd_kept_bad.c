// SPDX-License-Identifier: MIT
/*
 * Persistent grants of a guest whose references are none, or of other pages
 * than they were.
 */
#include <errno.h>
#include <check.h>

#include "pages.h"
#include "rig.h"
#include "suites.h"

#define BAD_GREF 30000u

/* ---- bad references ---- */

/* At each place of n: that request fails alone, and nothing stays behind. */
/* Of requests 1 and 2, in whatever order. */
static void expect_error_and_okay(void)
{
	struct xpv_blk_response rsp[2];

	ck_assert_int_eq(userblk_reap(script.fe, 0, rsp, 2), 2);
	ck_assert_uint_eq(rsp[0].id + rsp[1].id, 3);
	for (unsigned int i = 0; i < 2; i++)
		ck_assert_int_eq(rsp[i].status, rsp[i].id == 1
							? XPV_BLKIF_ERROR
							: XPV_BLKIF_OKAY);
}

START_TEST(bad_grefs)
{
	static const uint8_t ops[] = {XPV_BLKIF_READ, XPV_BLKIF_WRITE};
	struct xpv_blk_request req = {.id = 1, .op = ops[_i]};
	unsigned int n, bad;

	for (n = 1; n <= XPV_BLKIF_DIRECT_SEGS; n++)
		for (bad = 0; bad < n; bad++) {
			userblk_segments(script.fe, &req, 0, n);
			req.seg[bad].gref = BAD_GREF + bad;
			script_send(0, &req);
			script_ask(0, 2, XPV_BLKIF_READ, 0, 11);
			script_answer_all(pages_stamp);
			expect_error_and_okay();
			ck_assert(rig_stamped(pages_at(0), 11 * 4096, 16, 1));
			if (ops[_i] == XPV_BLKIF_READ)
				memset(pages_at(0), 0, 11 * 4096);
		}
	ck_assert_uint_eq(script.maps, 11);
	ck_assert_uint_eq(pages_kept()->mapped, 11);
	/* Each was tried once: a guest cannot make us try for ever. */
	ck_assert_uint_eq(script.refused, 11);
	for (n = 0; n < 11; n++)
		ck_assert_uint_eq(pages_kept()->page[n].users, 0);
}
END_TEST

/* What could not be mapped is tried again when the disk has been at rest. */
START_TEST(refused_for_a_while)
{
	struct xpv_blk_request req = {.id = 1, .op = XPV_BLKIF_WRITE};
	unsigned int i;

	for (i = 0; i < 4; i++) {
		userblk_segments(script.fe, &req, 0, 2);
		req.seg[0].gref = BAD_GREF;
		script_send(0, &req);
		script_expect(0, 1, XPV_BLKIF_ERROR);
		ck_assert_uint_eq(script.refused, 1 + i / 2);
		if (i == 1)
			script_pass(KEPT_UNUSED_MS);
	}
}
END_TEST

/* References that no table of ours holds. */
START_TEST(wild_grefs)
{
	static const uint32_t wild[] = {0, KEPT_GREFS - 1, KEPT_GREFS, 1u << 31,
					UINT32_MAX};
	struct xpv_blk_request req = {.id = 1, .op = XPV_BLKIF_WRITE};
	unsigned int i;

	for (i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
		userblk_segments(script.fe, &req, 0, 1);
		req.seg[0].gref = wild[i];
		script_send(0, &req);
		script_expect(0, 1, XPV_BLKIF_ERROR);
		userblk_indirect(script.fe, &req, 1, 0, 1);
		req.indirect_gref[0] = wild[i];
		script_send(0, &req);
		script_expect(0, 1, XPV_BLKIF_ERROR);
	}
	pages_round_trip(0, 4);
}
END_TEST

/* A page that may only be read cannot be kept, but it can be written from. */
START_TEST(read_only_page)
{
	struct xpv_blk_request req = {.id = 1, .op = XPV_BLKIF_WRITE};
	uint32_t ref;
	void *mem = script.guest->ops->share(script.guest, 0, 1, false, &ref);

	ck_assert_ptr_nonnull(mem);
	rig_stamp(mem, 4096, 0, 2);
	userblk_segments(script.fe, &req, 0, 1);
	req.seg[0].gref = ref;
	script_send(0, &req);
	ck_assert(pages_stamped(script_next(STORAGE_WRITE), 2));
	script_answer_all(NULL);
	script_expect(0, 1, XPV_BLKIF_OKAY);
	req.op = XPV_BLKIF_READ;
	script_send(0, &req);
	script_answer_all(pages_stamp);
	script_expect(0, 1, XPV_BLKIF_ERROR);
	ck_assert_uint_eq(pages_kept()->mapped, 0);
	ck_assert_int_eq(script.guest->ops->unshare(script.guest, mem, 1), 0);
}
END_TEST

/* ---- a guest that changes its mind ---- */

/* Descriptors are what they were when they were fetched (XSA-155). */
START_TEST(descriptors_are_copied)
{
	const struct xpv_blk_seg other = {pages_gref(100), 0, 0};
	unsigned int i, round;

	for (round = 0; round < 2; round++) {
		rig_stamp(pages_at(0), 20 * 4096, 8, 2);
		script_ask(0, 1, XPV_BLKIF_WRITE, 0, 20);
		script_turns();
		for (i = 0; i < 20; i++)
			xpv_blkif_encode_seg(&other, pages_at(PAGES - 1), i);
		ck_assert(pages_stamped(script_next(STORAGE_WRITE), 2));
		script_answer_all(NULL);
		script_expect(0, 1, XPV_BLKIF_OKAY);
		ck_assert(!pages_mapped(100));
	}
	for (i = 0; i < pages_kept()->mapped; i++)
		ck_assert_uint_eq(pages_kept()->page[i].users, 0);
}
END_TEST

/* Its pages are ours while they are mapped, whatever it wants. */
START_TEST(revoked_in_flight)
{
	struct xpv_blk_request req = {.id = 1, .op = XPV_BLKIF_READ};
	uint32_t ref;
	void *mem = script.guest->ops->share(script.guest, 0, 1, true, &ref);

	ck_assert_ptr_nonnull(mem);
	userblk_segments(script.fe, &req, 0, 1);
	req.seg[0].gref = ref;
	script_send(0, &req);
	script_turns();
	ck_assert_int_eq(script.guest->ops->unshare(script.guest, mem, 1),
			 -EBUSY);
	script_answer_all(pages_stamp);
	script_expect(0, 1, XPV_BLKIF_OKAY);
	ck_assert(rig_stamped(mem, 4096, 0, 1));
	script_pass(KEPT_UNUSED_MS);
	ck_assert_int_eq(script.guest->ops->unshare(script.guest, mem, 1), 0);
	/* Gone: an error, and only for it. */
	script_send(0, &req);
	script_answer_all(pages_stamp);
	script_expect(0, 1, XPV_BLKIF_ERROR);
	pages_round_trip(0, 3);
}
END_TEST

static void write_gref(uint32_t ref, int status)
{
	struct xpv_blk_request req = {.id = 1, .op = XPV_BLKIF_WRITE};

	userblk_segments(script.fe, &req, 0, 1);
	req.seg[0].gref = ref;
	script_send(0, &req);
	script_turns();
	if (status == XPV_BLKIF_OKAY)
		ck_assert(pages_stamped(script_next(STORAGE_WRITE), 2));
	script_answer_all(NULL);
	script_expect(0, 1, status);
}

/* One reference, one page after the other: never the one before. */
START_TEST(gref_of_another_page)
{
	const struct hyper_ops *ops = script.guest->ops;
	uint32_t ref, again;
	unsigned int i;
	void *mem;

	for (i = 0; i < 4; i++) {
		mem = ops->share(script.guest, 0, 1, true, &again);
		ck_assert_ptr_nonnull(mem);
		if (i)
			ck_assert_uint_eq(again, ref);
		ref = again;
		rig_stamp(mem, 4096, 0, 2);
		write_gref(ref, XPV_BLKIF_OKAY);
		/* After it was seen to be none, it is copied for a while. */
		ck_assert_int_eq(!kept_at(pages_kept(), ref), i % 2);
		pages_use(0, 1);
		script_pass(KEPT_UNUSED_MS);
		ck_assert_int_eq(ops->unshare(script.guest, mem, 1), 0);
		if (i % 2 == 0)
			write_gref(ref, XPV_BLKIF_ERROR);
	}
}
END_TEST

Suite *vbd_kept_bad_suite(void)
{
	Suite *s = suite_create("vbd_kept_bad");
	TCase *c = tcase_create("in place");

	tcase_add_checked_fixture(c, pages_setup, script_stop);
	tcase_add_loop_test(c, bad_grefs, 0, 2);
	tcase_add_test(c, refused_for_a_while);
	tcase_add_test(c, wild_grefs);
	tcase_add_test(c, read_only_page);
	tcase_add_test(c, descriptors_are_copied);
	tcase_add_test(c, revoked_in_flight);
	tcase_add_test(c, gref_of_another_page);
	suite_add_tcase(s, c);
	return s;
}
