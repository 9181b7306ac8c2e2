// SPDX-License-Identifier: MIT
/*
 * Persistent grants: which pages stay mapped, for how long, and what the
 * hypervisor is asked for meanwhile.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pages.h"
#include "rig.h"
#include "suites.h"

#define DEPTH 32u

/* ---- what a steady state costs ---- */

/* A ring full of 4 KiB requests, in one go. */
static void full_ring(uint8_t op)
{
	struct xpv_blk_response rsp[DEPTH];
	unsigned int i;

	for (i = 0; i < DEPTH; i++) {
		struct xpv_blk_request req = {
			.id = i, .op = op, .sector = 8 * i};

		userblk_segments(script.fe, &req, i, 1);
		ck_assert(userblk_submit(script.fe, 0, &req));
	}
	userblk_push(script.fe, 0);
	script_answer_all(pages_stamp);
	ck_assert_int_eq(userblk_reap(script.fe, 0, rsp, DEPTH), DEPTH);
	for (i = 0; i < DEPTH; i++)
		ck_assert_int_eq(rsp[i].status, XPV_BLKIF_OKAY);
}

/* Persistent, in place or not: once mapped, nothing is asked for any more. */
START_TEST(kept_costs_nothing)
{
	unsigned int round;

	pages_start(true, _i);
	full_ring(XPV_BLKIF_WRITE);
	pages_read(1, 0, 200);
	ck_assert_uint_eq(script.maps, 200 + 1); /* and the descriptors */
	ck_assert_uint_eq(script.copies, 0);
	script_count();
	for (round = 0; round < 10; round++) {
		full_ring(round % 2 ? XPV_BLKIF_READ : XPV_BLKIF_WRITE);
		pages_read(1, 0, 200);
		pages_write(1, 0, 200);
	}
	ck_assert_uint_eq(script.maps, 0);
	ck_assert_uint_eq(script.unmaps, 0);
	ck_assert_uint_eq(script.copies, 0);
	script_stop();
}
END_TEST

/* Not negotiated: nothing is mapped, and 32 requests are one copy. */
START_TEST(copies_are_batched)
{
	unsigned int round;

	pages_start(false, _i);
	for (round = 0; round < 10; round++)
		full_ring(round % 2 ? XPV_BLKIF_READ : XPV_BLKIF_WRITE);
	ck_assert_uint_eq(script.maps, 0);
	ck_assert_uint_eq(script.unmaps, 0);
	ck_assert_uint_eq(script.copies, 10);
	ck_assert_uint_eq(script.ops, 10 * DEPTH);
	pages_round_trip(0, 200);
	ck_assert_uint_eq(script.maps, 0);
	script_stop();
}
END_TEST

static bool event_came(void)
{
	const struct hyper_ops *ops = script.guest->ops;
	int port = ops->evtchn_next(script.guest);

	if (port >= 0)
		ops->evtchn_unmask(script.guest, (uint32_t)port);
	return port >= 0;
}

/*
 * Of a long burst the guest sees the first answers while the last requests are
 * still served, but one event is for all.
 */
START_TEST(shown_early_told_once)
{
	const struct script_options o = {
		.front = {.data_pages = 1, .ring_order = 1, .persistent = true},
	};
	const unsigned int part = VBD_TURN_MAPPED, parts = 3;
	struct xpv_blk_request req = {.op = XPV_BLKIF_READ};
	struct xpv_blk_response rsp[64];
	struct storage *scripted, *null;
	unsigned int i;

	script_start(&o);
	scripted = script.vbd->storage;
	null = storage_null(SCRIPT_SECTORS * 512ull);
	script.vbd->storage = null;
	while (event_came())
		;
	userblk_segments(script.fe, &req, 0, 1);
	for (i = 0; i < parts * part; i++)
		ck_assert(userblk_submit(script.fe, 0, &req));
	userblk_push(script.fe, 0);
	for (i = 1; i <= parts; i++) {
		ck_assert_int_eq(loop_turn(script.worker.loop, false), 0);
		ck_assert_int_eq(userblk_reap(script.fe, 0, rsp, 64), part);
		ck_assert_int_eq(event_came(), i == parts);
	}
	script.vbd->storage = scripted;
	storage_close(null);
	script_stop();
}
END_TEST

/* The storage is given the guest's pages, or it is not. */
START_TEST(in_place)
{
	struct storage_io *io;
	void *mapped;

	pages_start(true, _i);
	pages_use(0, 1);
	script_ask(0, 7, XPV_BLKIF_WRITE, 0, 1);
	io = script_next(STORAGE_WRITE);
	mapped = kept_at(pages_kept(), pages_gref(0));
	ck_assert_uint_eq(io->nr_iov, 1);
	ck_assert_int_eq(io->iov[0].iov_base == mapped, !_i);
	script_answer_all(NULL);
	script_expect(0, 7, XPV_BLKIF_OKAY);
	/* No memory of ours without need. */
	script_ask(0, 8, XPV_BLKIF_WRITE, 0, 200);
	script_turns();
	ck_assert_uint_eq(script.vbd->common->buffers.in_use, _i ? 200 + 2 : 2);
	script_answer_all(NULL);
	script_stop();
}
END_TEST

/* Pages that lie side by side are one piece for the storage. */
START_TEST(neighbours_are_one)
{
	struct storage_io *io;
	unsigned int i, pieces = 0;
	uint8_t *last = NULL, *at;

	pages_round_trip(0, 8);
	for (i = 0; i < 8; i++) {
		at = kept_at(pages_kept(), pages_gref(i));
		pieces += !last || at != last + 4096;
		last = at;
	}
	script_ask(0, 3, XPV_BLKIF_READ, 0, 8);
	io = script_next(STORAGE_READ);
	ck_assert_uint_eq(io->nr_iov, pieces);
	script_answer_all(pages_stamp);
	script_expect(0, 3, XPV_BLKIF_OKAY);
}
END_TEST

/* ---- the same page again ---- */

START_TEST(one_page_many_users)
{
	struct xpv_blk_request twice = {
		.id = 5, .op = XPV_BLKIF_WRITE, .sector = 40};
	unsigned int i;

	userblk_segments(script.fe, &twice, 0, 2);
	twice.seg[1].gref = pages_gref(0);
	script_send(0, &twice);
	script_ask(0, 6, XPV_BLKIF_READ, 0, 1);
	script_turns();
	ck_assert_uint_eq(script.maps, 1);
	ck_assert_uint_eq(pages_kept()->page[0].users, 3);
	script_answer(STORAGE_WRITE, 5, 0);
	script_expect(0, 5, XPV_BLKIF_OKAY);
	ck_assert_uint_eq(pages_kept()->page[0].users, 1);
	/* In use: time does nothing to it. */
	script_pass(10 * KEPT_UNUSED_MS);
	ck_assert(pages_mapped(0));
	ck_assert(!pages_kept()->timer.set);
	script_answer(STORAGE_READ, 6, 0);
	script_expect(0, 6, XPV_BLKIF_OKAY);
	ck_assert_uint_eq(pages_kept()->page[0].users, 0);
	for (i = 0; i < 3; i++)
		pages_round_trip(0, 1);
	ck_assert_uint_eq(script.maps, 1);
}
END_TEST

/* ---- time ---- */

START_TEST(unused_pages_go)
{
	ck_assert(!pages_kept()->timer.set);
	pages_use(0, 4);
	ck_assert(pages_kept()->timer.set);
	script_pass(KEPT_UNUSED_MS / 2);
	pages_use(2, 2);
	script_pass(KEPT_UNUSED_MS / 2 - 1);
	ck_assert_uint_eq(script.unmaps, 0);
	script_pass(1);
	ck_assert_uint_eq(script.unmaps, 2);
	ck_assert(!pages_mapped(0) && !pages_mapped(1));
	ck_assert(pages_mapped(2) && pages_mapped(3));
	ck_assert(pages_kept()->timer.set);
	script_pass(KEPT_UNUSED_MS / 2);
	ck_assert_uint_eq(script.unmaps, 4);
	/* Nothing is left that could run out: nobody wakes us. */
	ck_assert(!pages_kept()->timer.set);
	pages_use(0, 4);
	ck_assert_uint_eq(script.maps, 8);
}
END_TEST

/* Many at once go in several turns. */
START_TEST(unused_pages_go_in_turns)
{
	unsigned int n;

	script_ask(0, 0, XPV_BLKIF_WRITE, 0, 256);
	script_answer_all(NULL);
	script_expect(0, 0, XPV_BLKIF_OKAY);
	pages_use(256, 40);
	n = pages_kept()->mapped;
	ck_assert_uint_eq(n, 256 + 1 + 40);
	script_pass(KEPT_UNUSED_MS);
	ck_assert_uint_eq(script.unmaps, KEPT_UNUSED_BATCH);
	ck_assert_uint_eq(pages_kept()->timer.when, script.now + 1);
	script_pass(1);
	ck_assert_uint_eq(script.unmaps, n);
	ck_assert(!pages_kept()->timer.set);
}
END_TEST

/* A guest at rest wakes nobody: every timer ends by itself. */
START_TEST(rest_is_silent)
{
	struct buffers *b;
	unsigned int i;

	pages_start(_i, false);
	b = &script.vbd->common->buffers;
	pages_round_trip(0, 200);
	script_pass(KEPT_UNUSED_MS);
	ck_assert(!pages_kept()->timer.set);
	ck_assert_uint_gt(b->touched, 0);
	for (i = 0; i < 2; i++) {
		ck_assert(b->idle.set);
		loop_timer_cancel(&b->idle);
		b->idle.expired(&b->idle);
	}
	ck_assert(!b->idle.set);
	ck_assert_uint_eq(b->touched, 0);
	script_stop();
}
END_TEST

/* ---- limits ---- */

static void set_limit(unsigned int limit)
{
	ck_assert_uint_eq(pages_kept()->limit, KEPT_PER_QUEUE);
	pages_kept()->limit = limit;
}

/* What is beyond the limit is copied, and beside what is mapped. */
START_TEST(beyond_the_limit)
{
	unsigned int i;

	pages_start(true, _i);
	set_limit(5);
	/* The last ones come first: 3-7 are mapped, 0-2 are not. */
	for (i = 0; i < 3; i++) {
		script_count();
		pages_round_trip(0, 8);
		ck_assert_uint_eq(script.copies, 2);
		ck_assert_uint_eq(script.ops, 6);
		ck_assert_uint_eq(script.unmaps, 0);
		ck_assert_uint_eq(pages_kept()->mapped, 5);
	}
	script_stop();
}
END_TEST

/* The longest unused ones make room, a few, and not all the time. */
START_TEST(room_is_made)
{
	unsigned int part = 40 / KEPT_RELEASE_PART + 1, i;

	set_limit(40);
	for (i = 0; i < 40; i++) {
		pages_use(i, 1);
		script_pass(1);
	}
	pages_use(0, 1); /* not the oldest any more */
	ck_assert_uint_eq(script.maps, 40);
	pages_use(100, 1);
	ck_assert_uint_eq(script.unmaps, part);
	ck_assert(pages_mapped(0) && pages_mapped(100));
	for (i = 1; i <= part; i++)
		ck_assert(!pages_mapped(i));
	pages_use(101, 50);
	ck_assert_uint_eq(script.unmaps, part);
	ck_assert_uint_eq(pages_kept()->mapped, 40);
	script_pass(KEPT_RELEASE_MS);
	pages_use(200, 1);
	ck_assert_uint_eq(script.unmaps, 2 * part);
	ck_assert(pages_mapped(200));
}
END_TEST

/* A guest that names new pages for ever. */
START_TEST(ever_new_pages)
{
	const struct script_options o = {
		.front = {.data_pages = 3 * KEPT_PER_QUEUE, .persistent = true},
	};
	unsigned int i, round;

	script_start(&o);
	for (round = 0; round < 2; round++)
		for (i = 0; i + 11 <= o.front.data_pages; i += 11) {
			script_ask(0, i, XPV_BLKIF_WRITE, i, 11);
			script_answer(STORAGE_WRITE, i, 0);
			script_expect(0, i, XPV_BLKIF_OKAY);
			ck_assert_uint_le(pages_kept()->mapped, KEPT_PER_QUEUE);
			ck_assert_uint_eq(pages_kept()->mapped,
					  script.maps - script.unmaps);
		}
	/* No time passed: room was made once. */
	ck_assert_uint_eq(script.unmaps,
			  KEPT_PER_QUEUE / KEPT_RELEASE_PART + 1);
	script_stop();
}
END_TEST

/* All disks of a guest together have a limit, too. */
START_TEST(limit_of_the_guest)
{
	unsigned int *mapped = &script.vbd->common->mapped_pages;

	*mapped += KEPT_PER_GUEST - 2;
	pages_round_trip(0, 8);
	ck_assert_uint_eq(pages_kept()->mapped, 2);
	ck_assert_uint_eq(*mapped, KEPT_PER_GUEST);
	*mapped -= KEPT_PER_GUEST - 2;
}
END_TEST

/* ---- endings ---- */

START_TEST(disconnect_unmaps)
{
	pages_round_trip(0, 200);
	script_ask(0, 1, XPV_BLKIF_READ, 0, 11);
	script_turns();
	vbd_disconnect(script.vbd, false);
	/* The storage still writes there. */
	ck_assert_int_eq(script.vbd->state, VBD_CLOSING);
	ck_assert_uint_eq(script.unmaps, 0);
	script_answer_all(pages_stamp);
	ck_assert_int_eq(script.vbd->state, VBD_IDLE);
	ck_assert_uint_eq(script.vbd->common->mapped_pages, 0);
	ck_assert_uint_eq(script.unmaps, script.maps + 1); /* the ring */
	script.fe->config.persistent = _i;
	userblk_reset(script.fe);
	script_connect();
	pages_round_trip(0, 200);
	ck_assert_uint_eq(pages_kept()->mapped, _i ? 201 : 0);
}
END_TEST

/* The frontend breaks its ring with pages mapped and requests under way. */
START_TEST(broken_unmaps)
{
	pages_round_trip(0, 20);
	script_ask(0, 1, XPV_BLKIF_READ, 0, 11);
	script_turns();
	script.fe->queue[0].front.ring.shared->req_prod += 1000;
	script_turns();
	ck_assert_int_eq(script.vbd->state, VBD_BROKEN);
	script_answer_all(pages_stamp);
	vbd_disconnect(script.vbd, false);
	ck_assert_int_eq(script.vbd->state, VBD_IDLE);
	ck_assert_uint_eq(script.unmaps, script.maps + 1);
	userblk_reset(script.fe);
	script_connect();
	pages_round_trip(0, 20);
}
END_TEST

/* What waits for memory or as a barrier holds its pages, and lets go. */
START_TEST(waiting_ones_let_go)
{
	unsigned int i;

	pages_start(true, true);
	for (i = 0; i < 12; i++)
		script_ask(0, i, XPV_BLKIF_WRITE, 0, 256);
	script_turns();
	i = script_submitted();
	ck_assert_uint_lt(i, 12);
	vbd_disconnect(script.vbd, false);
	script_answer_all(NULL);
	ck_assert_int_eq(script.vbd->state, VBD_IDLE);
	userblk_reset(script.fe);
	script_connect();
	script_ask(0, 1, XPV_BLKIF_READ, 0, 1);
	script_ask(0, 2, XPV_BLKIF_WRITE_BARRIER, 0, 3);
	script_turns();
	vbd_disconnect(script.vbd, false);
	script_answer_all(NULL);
	ck_assert_int_eq(script.vbd->state, VBD_IDLE);
	userblk_reset(script.fe);
	script_connect();
	pages_round_trip(0, 3);
	script_stop();
}
END_TEST

Suite *vbd_kept_suite(void)
{
	Suite *s = suite_create("vbd_kept");
	TCase *c = tcase_create("in place");

	tcase_add_checked_fixture(c, pages_setup, script_stop);
	tcase_add_test(c, neighbours_are_one);
	tcase_add_test(c, one_page_many_users);
	tcase_add_test(c, unused_pages_go);
	tcase_add_test(c, unused_pages_go_in_turns);
	tcase_add_test(c, room_is_made);
	tcase_add_test(c, limit_of_the_guest);
	tcase_add_loop_test(c, disconnect_unmaps, 0, 2);
	tcase_add_test(c, broken_unmaps);
	suite_add_tcase(s, c);

	c = tcase_create("of all kinds");
	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, kept_costs_nothing, 0, 2);
	tcase_add_loop_test(c, copies_are_batched, 0, 2);
	tcase_add_test(c, shown_early_told_once);
	tcase_add_loop_test(c, in_place, 0, 2);
	tcase_add_loop_test(c, beyond_the_limit, 0, 2);
	tcase_add_loop_test(c, rest_is_silent, 0, 2);
	tcase_add_test(c, ever_new_pages);
	tcase_add_test(c, waiting_ones_let_go);
	suite_add_tcase(s, c);
	return s;
}
