// SPDX-License-Identifier: MIT
/*
 * What a block device makes of its storage's answers: over a storage that
 * answers when and as the test says, in one thread.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"
#include "suites.h"

static void setup(void)
{
	static const struct script_options o = {.front = {.data_pages = 257}};

	script_start(&o);
}

static void ask(uint64_t id, uint8_t op, unsigned int pages)
{
	script_ask(0, id, op, 0, pages);
}

static void expect(uint64_t id, int status)
{
	script_expect(0, id, status);
}

static void expect_silence(void)
{
	script_silence(0);
}

/* ---- tests ---- */

START_TEST(okay_when_storage_says_so)
{
	ask(1, XPV_BLKIF_WRITE, 1);
	ask(2, XPV_BLKIF_WRITE, 11);
	ask(3, XPV_BLKIF_READ, 1);
	expect_silence();
	ck_assert_uint_eq(script_submitted(), 3);
	/* Reads go first: they need no copy before. */
	script_answer(STORAGE_READ, 3, -EIO);
	expect(3, XPV_BLKIF_ERROR);
	expect_silence();
	script_answer(STORAGE_WRITE, 1, 0);
	expect(1, XPV_BLKIF_OKAY);
	expect_silence();
	script_answer(STORAGE_WRITE, 2, -ENOSPC);
	expect(2, XPV_BLKIF_ERROR);
}
END_TEST

/* A failed read leaves the guest's page alone. */
START_TEST(failed_read_says_nothing)
{
	struct storage_io *io;

	memset(script.fe->data, 0xaa, 4096);
	ask(1, XPV_BLKIF_READ, 1);
	script_turns();
	io = STAILQ_FIRST(&script.submitted);
	memset(io->iov[0].iov_base, 0x55, 4096);
	script_answer(STORAGE_READ, 1, -EIO);
	expect(1, XPV_BLKIF_ERROR);
	ck_assert_uint_eq(script.fe->data[0], 0xaa);
}
END_TEST

START_TEST(flush_does_not_wait)
{
	ask(1, XPV_BLKIF_WRITE, 1);
	ask(2, XPV_BLKIF_FLUSH, 0);
	script_turns();
	ck_assert_uint_eq(script_submitted(), 2);
	script_answer(STORAGE_FLUSH, 0, 0);
	expect(2, XPV_BLKIF_OKAY);
	expect_silence();
	script_answer(STORAGE_WRITE, 1, 0);
	expect(1, XPV_BLKIF_OKAY);
}
END_TEST

START_TEST(flush_with_data)
{
	ask(1, XPV_BLKIF_FLUSH, 2);
	script_turns();
	ck_assert_uint_eq(script_submitted(), 1);
	script_answer(STORAGE_FLUSH, 0, 0);
	expect_silence();
	script_answer(STORAGE_WRITE, 1, 0);
	/* Nor is it said to be done before it is durable. */
	expect_silence();
	script_answer(STORAGE_FLUSH, 0, 0);
	expect(1, XPV_BLKIF_OKAY);

	/* Without the flush there is no point in the data. */
	ask(2, XPV_BLKIF_FLUSH, 2);
	script_answer(STORAGE_FLUSH, 0, -EIO);
	expect(2, XPV_BLKIF_ERROR);
	ck_assert_uint_eq(script_submitted(), 0);
	ask(3, XPV_BLKIF_FLUSH, 2);
	script_answer(STORAGE_FLUSH, 0, 0);
	script_answer(STORAGE_WRITE, 3, 0);
	script_answer(STORAGE_FLUSH, 0, -EIO);
	expect(3, XPV_BLKIF_ERROR);
}
END_TEST

START_TEST(barrier_drains_and_holds)
{
	ask(1, XPV_BLKIF_WRITE, 1);
	ask(2, XPV_BLKIF_READ, 1);
	ask(3, XPV_BLKIF_WRITE_BARRIER, 1);
	ask(4, XPV_BLKIF_WRITE, 1);
	script_turns();
	ck_assert_uint_eq(script_submitted(), 2);
	script_answer(STORAGE_READ, 2, 0);
	expect(2, XPV_BLKIF_OKAY);
	expect_silence();
	ck_assert_uint_eq(script_submitted(), 1);
	script_answer(STORAGE_WRITE, 1, 0);
	expect(1, XPV_BLKIF_OKAY);

	ck_assert_uint_eq(script_submitted(), 1);
	script_answer(STORAGE_FLUSH, 0, 0);
	ck_assert_uint_eq(script_submitted(), 1);
	script_answer(STORAGE_WRITE, 3, 0);
	ck_assert_uint_eq(script_submitted(), 1);
	expect_silence();
	script_answer(STORAGE_FLUSH, 0, 0);
	expect(3, XPV_BLKIF_OKAY);
	script_answer(STORAGE_WRITE, 4, 0);
	expect(4, XPV_BLKIF_OKAY);
}
END_TEST

/* Its data is not safe before the second flush: each step may fail it. */
START_TEST(barrier_fails)
{
	ask(1, XPV_BLKIF_WRITE_BARRIER, 1);
	script_answer(STORAGE_FLUSH, 0, 0);
	script_answer(STORAGE_WRITE, 1, 0);
	script_answer(STORAGE_FLUSH, 0, -EIO);
	expect(1, XPV_BLKIF_ERROR);
	ask(2, XPV_BLKIF_WRITE_BARRIER, 1);
	script_answer(STORAGE_FLUSH, 0, -EIO);
	expect(2, XPV_BLKIF_ERROR);
	/* The ring goes on. */
	ask(3, XPV_BLKIF_WRITE, 1);
	script_answer(STORAGE_WRITE, 3, 0);
	expect(3, XPV_BLKIF_OKAY);
}
END_TEST

/* A guest that is told so stops flushing, and believes that all is well. */
START_TEST(only_discard_is_unsupported)
{
	ask(1, XPV_BLKIF_DISCARD, 0);
	script_answer(STORAGE_DISCARD, 1, -EOPNOTSUPP);
	expect(1, XPV_BLKIF_EOPNOTSUPP);
	ask(2, XPV_BLKIF_FLUSH, 0);
	script_answer(STORAGE_FLUSH, 0, -EOPNOTSUPP);
	expect(2, XPV_BLKIF_ERROR);
	ask(3, XPV_BLKIF_WRITE_BARRIER, 0);
	script_answer(STORAGE_FLUSH, 0, -EOPNOTSUPP);
	expect(3, XPV_BLKIF_ERROR);
}
END_TEST

/* ---- what a successor finds ---- */

#define RING 32u

/* The requests that a worker which takes over from ours would take, as bits. */
static uint32_t left_in_ring(void)
{
	uint8_t slot[XPV_BLKIF_MAX_SLOT];
	struct xpv_blk_request req;
	struct xpv_back next;
	uint32_t left = 0;

	ck_assert_int_eq(xpv_back_attach(&next, script.vbd->queue[0].ring,
					 XPV_PAGE_SIZE,
					 xpv_blkif_x86_64.slot_size),
			 0);
	for (int n = xpv_back_pending(&next); n > 0; n--) {
		xpv_back_take(&next, slot, sizeof(slot));
		ck_assert_int_eq(xpv_blkif_decode(&xpv_blkif_x86_64,
						  &script.vbd->limits, slot,
						  &req),
				 XPV_BLK_OK);
		ck_assert_uint_lt(req.id, RING);
		ck_assert_msg(!(left & 1u << req.id),
			      "request %u is there twice",
			      (unsigned int)req.id);
		left |= 1u << req.id;
	}
	return left;
}

/* One in so many of what the storage has, in one turn and in any order. */
static void finish_one_in(unsigned int n)
{
	struct storage_queue held = STAILQ_HEAD_INITIALIZER(held);
	struct storage_queue done = STAILQ_HEAD_INITIALIZER(done);
	struct storage_io *io;

	while ((io = STAILQ_FIRST(&script.submitted))) {
		STAILQ_REMOVE_HEAD(&script.submitted, next);
		if ((unsigned int)random() % n)
			STAILQ_INSERT_TAIL(&held, io, next);
		else if (random() % 2)
			STAILQ_INSERT_TAIL(&done, io, next);
		else
			STAILQ_INSERT_HEAD(&done, io, next);
	}
	STAILQ_CONCAT(&script.submitted, &done);
	script_answer_all(NULL);
	STAILQ_CONCAT(&script.submitted, &held);
}

/*
 * A worker that dies leaves nothing but the ring: from the last answer on, it
 * has to hold what is unanswered, all of it and nothing else, whatever the
 * order of the answers.
 */
START_TEST(successor_finds_what_is_left)
{
	struct xpv_blk_response rsp;
	uint32_t asked = 0, id;

	for (unsigned int round = 0; round < 2000; round++) {
		for (unsigned int n = (unsigned int)random() % 12; n; n--) {
			id = (uint32_t)random() % RING;
			if (asked & 1u << id)
				continue;
			ask(id, XPV_BLKIF_DISCARD, 0);
			asked |= 1u << id;
		}
		script_turns();
		ck_assert_uint_eq(left_in_ring(), asked);
		finish_one_in(1 + (unsigned int)random() % 5);
		while (userblk_reap(script.fe, 0, &rsp, 1) == 1) {
			ck_assert_int_eq(rsp.status, XPV_BLKIF_OKAY);
			ck_assert_uint_ne(asked & 1u << rsp.id, 0);
			asked &= ~(1u << rsp.id);
		}
		ck_assert_uint_eq(left_in_ring(), asked);
	}
	script_answer_all(NULL);
}
END_TEST

static int overflows;
static unsigned int unmasked;
static struct hyper_ops flooded;
static int (*unmask)(struct hyper *h, uint32_t port);

static int next_or_overflow(struct hyper *h)
{
	(void)h;
	return overflows-- > 0 ? -EOVERFLOW : -EAGAIN;
}

static int counted_unmask(struct hyper *h, uint32_t port)
{
	unmasked++;
	return unmask(h, port);
}

/* Events were lost: no reason to end, and every port has to work again. */
START_TEST(events_overflow)
{
	const struct hyper_ops *ops = script.back->ops;

	flooded = *ops;
	unmask = ops->evtchn_unmask;
	flooded.evtchn_next = next_or_overflow;
	flooded.evtchn_unmask = counted_unmask;
	script.back->ops = &flooded;
	overflows = 1;
	ask(1, XPV_BLKIF_WRITE, 1);
	script_turns();
	script.back->ops = ops;
	ck_assert_int_lt(overflows, 1);
	ck_assert_uint_eq(unmasked, 1);
	script_answer(STORAGE_WRITE, 1, 0);
	expect(1, XPV_BLKIF_OKAY);
}
END_TEST

/* 32 requests of 1 MiB do not get 32 MiB; they get their turn. */
START_TEST(memory_is_bounded)
{
	unsigned int i, held;

	for (i = 0; i < 32; i++)
		ask(i, XPV_BLKIF_WRITE, 256);
	script_turns();
	held = script_submitted();
	ck_assert_uint_eq(held, BUFFERS_PAGES / 257);
	for (i = 0; i < 32; i++) {
		script_answer(STORAGE_WRITE, i, 0);
		expect(i, XPV_BLKIF_OKAY);
		ck_assert_uint_le(script.vbd->common->buffers.in_use,
				  BUFFERS_PAGES);
		ck_assert_uint_eq(script_submitted(),
				  31 - i < held ? 31 - i : held);
	}
}
END_TEST

/* A disk that hangs does not take all of it from the guest's other ones. */
START_TEST(memory_is_shared)
{
	const struct ipc_vbd_attach a = {.sectors = 8, .sector_size = 512};
	struct buffers *b = &script.vbd->common->buffers;
	struct buffers_waiter other = {.waiting = false};
	struct vbd *second;
	unsigned int i;
	void *mem;

	second = vbd_make(&script.worker,
			  (struct ipc_device){.class = IPC_VBD, .handle = 1},
			  &a, -1);
	ck_assert_ptr_nonnull(second);
	second->storage = storage_null(4096);
	for (i = 0; i < 8; i++)
		ask(i, XPV_BLKIF_WRITE, 256);
	script_turns();
	ck_assert_uint_eq(script_submitted(), VBD_BUFFERS_SHARE / 257);
	mem = buffers_get(b, VBD_BUFFERS_SHARE, &other);
	ck_assert_ptr_nonnull(mem);
	buffers_put(b, mem, VBD_BUFFERS_SHARE);
	for (i = 0; i < 8; i++) {
		script_answer(STORAGE_WRITE, i, 0);
		expect(i, XPV_BLKIF_OKAY);
	}
	ck_assert_uint_eq(script.vbd->memory, 0);
	vbd_detach(second);
}
END_TEST

/* The storage still writes to our memory and reads from it: we wait. */
START_TEST(disconnect_waits)
{
	unsigned int i;

	for (i = 0; i < 12; i++)
		ask(i, XPV_BLKIF_WRITE, 256); /* some of them stall */
	ask(12, XPV_BLKIF_WRITE_BARRIER, 1);
	script_turns();
	i = script_submitted();
	vbd_disconnect(script.vbd, false);
	ck_assert_int_eq(script.vbd->state, VBD_CLOSING);
	ck_assert_int_eq(userblk_free(script.fe), -EBUSY);
	while (i) {
		script_turns();
		ck_assert_int_eq(script.vbd->state, VBD_CLOSING);
		ck_assert_uint_eq(script_submitted(), i); /* nothing new */
		script_answer(STORAGE_WRITE, BUFFERS_PAGES / 257 - i, 0);
		i--;
	}
	script_turns();
	ck_assert_int_eq(script.vbd->state, VBD_IDLE);
	ck_assert_uint_eq(script.vbd->common->buffers.in_use, 0);
	userblk_reset(script.fe);
	script_connect();
	ask(1, XPV_BLKIF_WRITE, 1);
	script_answer(STORAGE_WRITE, 1, 0);
	expect(1, XPV_BLKIF_OKAY);
}
END_TEST

/* One that waits for its turn as barrier is simply forgotten. */
START_TEST(disconnect_under_barrier)
{
	ask(1, XPV_BLKIF_READ, 1);
	ask(2, XPV_BLKIF_WRITE_BARRIER, 1);
	ask(3, XPV_BLKIF_READ, 1);
	script_turns();
	ck_assert_uint_eq(script_submitted(), 1);
	vbd_disconnect(script.vbd, false);
	script_answer(STORAGE_READ, 1, 0);
	ck_assert_int_eq(script.vbd->state, VBD_IDLE);
	ck_assert_uint_eq(script_submitted(), 0);
}
END_TEST

/* Small ones that keep coming do not starve a large one. */
START_TEST(large_ones_get_memory)
{
	struct buffers *b = &script.vbd->common->buffers;
	struct buffers_waiter small = {.waiting = false}, large = small;
	void *mem[8], *big;
	unsigned int i;

	for (i = 0; i < 8; i++)
		mem[i] = buffers_get(b, BUFFERS_PAGES / 8, &small);
	ck_assert_ptr_null(buffers_get(b, 257, &large));
	buffers_put(b, mem[0], BUFFERS_PAGES / 8);
	ck_assert_ptr_null(buffers_get(b, 1, &small));
	ck_assert(small.waiting);
	ck_assert_ptr_null(buffers_get(b, 257, &large));
	buffers_put(b, mem[1], BUFFERS_PAGES / 8);
	big = buffers_get(b, 257, &large);
	ck_assert_ptr_nonnull(big);
	mem[0] = buffers_get(b, 1, &small);
	ck_assert_ptr_nonnull(mem[0]);
	buffers_put(b, mem[0], 1);
	/* Who goes away does not stand in the way. */
	ck_assert_ptr_null(buffers_get(b, BUFFERS_PAGES, &large));
	buffers_forget(b, &large);
	buffers_put(b, big, 257);
	big = buffers_get(b, BUFFERS_PAGES / 4, &small);
	ck_assert_ptr_nonnull(big);
	buffers_put(b, big, BUFFERS_PAGES / 4);
	for (i = 2; i < 8; i++)
		buffers_put(b, mem[i], BUFFERS_PAGES / 8);
	ck_assert_uint_eq(b->in_use, 0);
}
END_TEST

Suite *vbd_order_suite(void)
{
	Suite *s = suite_create("vbd_order");
	TCase *c = tcase_create("scripted storage");

	tcase_add_checked_fixture(c, setup, script_stop);
	tcase_add_test(c, okay_when_storage_says_so);
	tcase_add_test(c, failed_read_says_nothing);
	tcase_add_test(c, flush_does_not_wait);
	tcase_add_test(c, flush_with_data);
	tcase_add_test(c, barrier_drains_and_holds);
	tcase_add_test(c, barrier_fails);
	tcase_add_test(c, only_discard_is_unsupported);
	tcase_add_test(c, successor_finds_what_is_left);
	tcase_add_test(c, events_overflow);
	tcase_add_test(c, memory_is_bounded);
	tcase_add_test(c, memory_is_shared);
	tcase_add_test(c, disconnect_waits);
	tcase_add_test(c, disconnect_under_barrier);
	tcase_add_test(c, large_ones_get_memory);
	suite_add_tcase(s, c);
	return s;
}
