// SPDX-License-Identifier: MIT
/* Several queues of one block device: what orders them, what they share. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "script.h"
#include "suites.h"

#define ALL 16u

static void start(uint8_t nr_queues)
{
	const struct script_options o = {
		.front = {.data_pages = 257, .nr_queues = nr_queues},
	};

	script_start(&o);
}

static void setup(void)
{
	start(3);
}

/* ---- barriers ---- */

/*
 * A barrier on one queue waits for what was taken before it on another, and
 * holds what comes on a third.
 */
START_TEST(barrier_is_of_the_device)
{
	script_ask(0, 1, XPV_BLKIF_WRITE, 0, 1);
	script_turns();
	script_ask(1, 2, XPV_BLKIF_WRITE_BARRIER, 0, 1);
	script_turns();
	script_ask(2, 3, XPV_BLKIF_WRITE, 0, 1);
	script_ask(0, 4, XPV_BLKIF_READ, 0, 1);
	script_turns();
	ck_assert_uint_eq(script_submitted(), 1);
	script_answer(STORAGE_WRITE, 1, 0);
	script_expect(0, 1, XPV_BLKIF_OKAY);

	ck_assert_uint_eq(script_submitted(), 1);
	script_answer(STORAGE_FLUSH, 0, 0);
	ck_assert_uint_eq(script_submitted(), 1);
	script_answer(STORAGE_WRITE, 2, 0);
	ck_assert_uint_eq(script_submitted(), 1);
	script_silence(1);
	script_answer(STORAGE_FLUSH, 0, 0);
	script_expect(1, 2, XPV_BLKIF_OKAY);

	ck_assert_uint_eq(script_submitted(), 2);
	script_answer_all(NULL);
	script_expect(2, 3, XPV_BLKIF_OKAY);
	script_expect(0, 4, XPV_BLKIF_OKAY);
}
END_TEST

/* One on each queue at once: they go one after the other. */
START_TEST(barriers_in_turn)
{
	unsigned int q, answered = 0, done;
	struct xpv_blk_response rsp;

	for (q = 0; q < 3; q++)
		script_ask(q, q, XPV_BLKIF_WRITE_BARRIER, 0, 1);
	for (done = 1; done <= 3; done++) {
		script_turns();
		ck_assert_uint_eq(script_submitted(), 1);
		script_next(STORAGE_FLUSH);
		script_answer(STORAGE_FLUSH, 0, 0);
		script_answer(STORAGE_WRITE,
			      script_next(STORAGE_WRITE)->offset / 4096, 0);
		script_answer(STORAGE_FLUSH, 0, 0);
		for (q = 0; q < 3; q++)
			answered += userblk_reap(script.fe, q, &rsp, 1) == 1;
		ck_assert_uint_eq(answered, done);
	}
}
END_TEST

/* A barrier that is answered with an error at once is none. */
START_TEST(bad_barrier_holds_nobody)
{
	struct xpv_blk_request bad = {.id = 9, .op = XPV_BLKIF_WRITE_BARRIER};

	userblk_segments(script.fe, &bad, 0, 1);
	bad.sector = SCRIPT_SECTORS;
	script_ask(0, 1, XPV_BLKIF_WRITE, 0, 1);
	script_send(1, &bad);
	bad.sector = 0;
	bad.seg[0].gref = 30000; /* fails in the copy */
	script_send(1, &bad);
	script_ask(2, 2, XPV_BLKIF_WRITE, 0, 1);
	script_turns();
	script_expect(1, 9, XPV_BLKIF_ERROR);
	script_expect(1, 9, XPV_BLKIF_ERROR);
	script_answer_all(NULL);
	script_expect(0, 1, XPV_BLKIF_OKAY);
	script_expect(2, 2, XPV_BLKIF_OKAY);
}
END_TEST

/* It waits for memory that requests of other queues have, which go on. */
START_TEST(barrier_without_memory)
{
	unsigned int i, n = BUFFERS_PAGES / 257;

	for (i = 0; i <= n; i++)
		script_ask(0, i, XPV_BLKIF_WRITE, 0, 256); /* one too many */
	script_turns();
	ck_assert_uint_eq(script_submitted(), n);
	script_ask(1, 50, XPV_BLKIF_WRITE_BARRIER, 0, 11);
	script_turns();
	script_ask(2, 60, XPV_BLKIF_READ, 0, 1);
	for (i = 0; i <= n; i++)
		script_answer(STORAGE_WRITE, i, 0);
	script_answer(STORAGE_FLUSH, 0, 0);
	script_answer(STORAGE_WRITE, 50, 0);
	ck_assert_uint_eq(script_submitted(), 1);
	script_answer(STORAGE_FLUSH, 0, 0);
	script_expect(1, 50, XPV_BLKIF_OKAY);
	script_answer(STORAGE_READ, 60, 0);
	script_expect(2, 60, XPV_BLKIF_OKAY);
}
END_TEST

/* The device goes while a barrier waits; the next connection knows nothing. */
START_TEST(disconnect_under_barrier)
{
	script_ask(0, 1, XPV_BLKIF_READ, 0, 1);
	script_turns();
	script_ask(1, 2, XPV_BLKIF_WRITE_BARRIER, 0, 1);
	script_turns();
	script_ask(2, 3, XPV_BLKIF_READ, 0, 1);
	script_turns();
	vbd_disconnect(script.vbd, false);
	script_answer(STORAGE_READ, 1, 0);
	ck_assert_int_eq(script.vbd->state, VBD_IDLE);
	ck_assert_uint_eq(script_submitted(), 0);
	userblk_reset(script.fe);
	script_connect();
	script_ask(2, 4, XPV_BLKIF_WRITE_BARRIER, 0, 0);
	script_answer(STORAGE_FLUSH, 0, 0);
	script_expect(2, 4, XPV_BLKIF_OKAY);
}
END_TEST

/* ---- fairness ---- */

static void serve_one(unsigned int *served)
{
	struct storage_io *io = script_next(STORAGE_WRITE);
	uint64_t id = io->offset / 4096;

	script_answer(STORAGE_WRITE, id, 0);
	served[id / 32]++;
}

/*
 * Every queue is full of requests of 1 MiB, and there is memory for seven:
 * none is served twice before another was served once.
 */
START_TEST(memory_is_shared_out)
{
	unsigned int served[ALL] = {0}, i, q, least, most;

	start(ALL);
	for (q = 0; q < ALL; q++)
		for (i = 0; i < 32; i++)
			script_ask(q, 32 * q + i, XPV_BLKIF_WRITE, 0, 256);
	/* The first turn cannot know who will come. */
	for (i = 0; i < BUFFERS_PAGES / 257; i++)
		serve_one(served);
	memset(served, 0, sizeof(served));
	for (i = 0; i < 20 * ALL; i++) {
		serve_one(served);
		least = most = served[0];
		for (q = 1; q < ALL; q++) {
			least = served[q] < least ? served[q] : least;
			most = served[q] > most ? served[q] : most;
		}
		ck_assert_uint_le(most, least + 2);
	}
	script_answer_all(NULL);
	while (script_submitted())
		script_answer_all(NULL);
	script_stop();
}
END_TEST

/* ---- limits ---- */

START_TEST(segments_as_offered)
{
	static const uint16_t offer[] = {16, 256, XPV_BLKIF_MAX_SEGS};
	const struct script_options o = {
		.front = {.data_pages = 600},
		.max_indirect = offer[_i],
	};

	script_start(&o);
	script_ask(0, 1, XPV_BLKIF_WRITE, 0, offer[_i]);
	ck_assert_uint_eq(script_next(STORAGE_WRITE)->length,
			  4096u * offer[_i]);
	script_answer(STORAGE_WRITE, 1, 0);
	script_expect(0, 1, XPV_BLKIF_OKAY);
	if (offer[_i] < XPV_BLKIF_MAX_SEGS) {
		script_ask(0, 2, XPV_BLKIF_WRITE, 0, offer[_i] + 1u);
		script_expect(0, 2, XPV_BLKIF_ERROR);
	}
	ck_assert_uint_eq(script_submitted(), 0);
	script_stop();
}
END_TEST

/* ---- discard ---- */

static void ask_discard(uint64_t id, bool secure, uint64_t sectors)
{
	const struct xpv_blk_request req = {
		.id = id,
		.op = XPV_BLKIF_DISCARD,
		.sector = 8 * id,
		.nr_sectors = sectors,
		.secure = secure,
	};

	script_send(0, &req);
}

/* In both layouts, and only where it is offered. */
START_TEST(secure_discard)
{
	const struct script_options o = {
		.front = {.x86_32 = _i & 1},
		.discard_secure = _i & 2,
	};

	script_start(&o);
	ask_discard(1, false, 16);
	ck_assert_uint_eq(script_next(STORAGE_DISCARD)->length, 16 * 512);
	ck_assert(!script_next(STORAGE_DISCARD)->secure);
	script_answer(STORAGE_DISCARD, 1, 0);
	script_expect(0, 1, XPV_BLKIF_OKAY);
	ask_discard(2, true, 24);
	if (o.discard_secure) {
		ck_assert_uint_eq(script_next(STORAGE_DISCARD)->length,
				  24 * 512);
		ck_assert(script_next(STORAGE_DISCARD)->secure);
		script_answer(STORAGE_DISCARD, 2, 0);
		script_expect(0, 2, XPV_BLKIF_OKAY);
		ask_discard(3, true, 8);
		script_answer(STORAGE_DISCARD, 3, -EOPNOTSUPP);
		script_expect(0, 3, XPV_BLKIF_EOPNOTSUPP);
	} else {
		script_expect(0, 2, XPV_BLKIF_EOPNOTSUPP);
	}
	/* Of nothing: done. */
	ask_discard(4, false, 0);
	script_expect(0, 4, XPV_BLKIF_OKAY);
	ck_assert_uint_eq(script_submitted(), 0);
	script_stop();
}
END_TEST

Suite *vbd_queues_suite(void)
{
	Suite *s = suite_create("vbd_queues");
	TCase *c = tcase_create("three queues");

	tcase_add_checked_fixture(c, setup, script_stop);
	tcase_add_test(c, barrier_is_of_the_device);
	tcase_add_test(c, barriers_in_turn);
	tcase_add_test(c, bad_barrier_holds_nobody);
	tcase_add_test(c, barrier_without_memory);
	tcase_add_test(c, disconnect_under_barrier);
	suite_add_tcase(s, c);

	c = tcase_create("offers");
	tcase_set_timeout(c, 60);
	tcase_add_test(c, memory_is_shared_out);
	tcase_add_loop_test(c, segments_as_offered, 0, 3);
	tcase_add_loop_test(c, secure_discard, 0, 4);
	suite_add_tcase(s, c);
	return s;
}
