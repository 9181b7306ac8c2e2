// SPDX-License-Identifier: MIT
/*
 * Persistent grants: which pages stay mapped, for how long, and what the
 * hypervisor is asked for meanwhile.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"
#include "script.h"
#include "suites.h"

#define PAGES	 300u
#define BAD_GREF 30000u
#define DEPTH	 32u

static void start(bool persistent, bool direct)
{
	const struct script_options o = {
		.front = {.data_pages = PAGES, .persistent = persistent},
		.direct = direct,
	};

	script_start(&o);
}

static void setup(void)
{
	start(true, false);
}

static void *page(unsigned int n)
{
	return userblk_page(script.fe, n);
}

static struct kept *kept(void)
{
	return &script.vbd->kept;
}

static uint32_t gref(unsigned int n)
{
	return script.fe->gref[n];
}

static bool is_mapped(unsigned int n)
{
	return kept_at(kept(), gref(n));
}

/* One write from each page, until it is answered. */
static void use(unsigned int first, unsigned int n)
{
	unsigned int i;

	for (i = first; i < first + n; i++) {
		script_ask(0, i, XPV_BLKIF_WRITE, i, 1);
		script_answer(STORAGE_WRITE, i, 0);
		script_expect(0, i, XPV_BLKIF_OKAY);
	}
}

/* ---- data ---- */

/* The storage reads: every sector its number. */
static void stamp(struct storage_io *io)
{
	uint64_t sector = io->offset / 512;
	unsigned int i;

	for (i = 0; i < io->nr_iov; i++) {
		rig_stamp(io->iov[i].iov_base, io->iov[i].iov_len, sector, 1);
		sector += io->iov[i].iov_len / 512;
	}
}

static bool stamped(const struct storage_io *io, uint32_t salt)
{
	uint64_t sector = io->offset / 512;
	unsigned int i;

	for (i = 0; i < io->nr_iov; i++) {
		if (!rig_stamped(io->iov[i].iov_base, io->iov[i].iov_len,
				 sector, salt))
			return false;
		sector += io->iov[i].iov_len / 512;
	}
	return sector == (io->offset + io->length) / 512;
}

static void read_pages(uint64_t id, unsigned int first, unsigned int n)
{
	memset(page(first), 0, n * 4096ul);
	script_ask(0, id, XPV_BLKIF_READ, first, n);
	script_answer_all(stamp);
	script_expect(0, id, XPV_BLKIF_OKAY);
	ck_assert(rig_stamped(page(first), n * 4096ul, 8 * id, 1));
}

static void write_pages(uint64_t id, unsigned int first, unsigned int n)
{
	rig_stamp(page(first), n * 4096ul, 8 * id, 2);
	script_ask(0, id, XPV_BLKIF_WRITE, first, n);
	ck_assert(stamped(script_next(STORAGE_WRITE), 2));
	script_answer_all(NULL);
	script_expect(0, id, XPV_BLKIF_OKAY);
}

static void round_trip(unsigned int first, unsigned int n)
{
	read_pages(1, first, n);
	write_pages(2, first, n);
}

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
	script_answer_all(stamp);
	ck_assert_int_eq(userblk_reap(script.fe, 0, rsp, DEPTH), DEPTH);
	for (i = 0; i < DEPTH; i++)
		ck_assert_int_eq(rsp[i].status, XPV_BLKIF_OKAY);
}

/* Persistent, in place or not: once mapped, nothing is asked for any more. */
START_TEST(kept_costs_nothing)
{
	unsigned int round;

	start(true, _i);
	full_ring(XPV_BLKIF_WRITE);
	read_pages(1, 0, 200);
	ck_assert_uint_eq(script.maps, 200 + 1); /* and the descriptors */
	ck_assert_uint_eq(script.copies, 0);
	script_count();
	for (round = 0; round < 10; round++) {
		full_ring(round % 2 ? XPV_BLKIF_READ : XPV_BLKIF_WRITE);
		read_pages(1, 0, 200);
		write_pages(1, 0, 200);
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

	start(false, _i);
	for (round = 0; round < 10; round++)
		full_ring(round % 2 ? XPV_BLKIF_READ : XPV_BLKIF_WRITE);
	ck_assert_uint_eq(script.maps, 0);
	ck_assert_uint_eq(script.unmaps, 0);
	ck_assert_uint_eq(script.copies, 10);
	ck_assert_uint_eq(script.ops, 10 * DEPTH);
	round_trip(0, 200);
	ck_assert_uint_eq(script.maps, 0);
	script_stop();
}
END_TEST

/* The storage is given the guest's pages, or it is not. */
START_TEST(in_place)
{
	struct storage_io *io;
	void *mapped;

	start(true, _i);
	use(0, 1);
	script_ask(0, 7, XPV_BLKIF_WRITE, 0, 1);
	io = script_next(STORAGE_WRITE);
	mapped = kept_at(kept(), gref(0));
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

	round_trip(0, 8);
	for (i = 0; i < 8; i++) {
		at = kept_at(kept(), gref(i));
		pieces += !last || at != last + 4096;
		last = at;
	}
	script_ask(0, 3, XPV_BLKIF_READ, 0, 8);
	io = script_next(STORAGE_READ);
	ck_assert_uint_eq(io->nr_iov, pieces);
	script_answer_all(stamp);
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
	twice.seg[1].gref = gref(0);
	script_send(0, &twice);
	script_ask(0, 6, XPV_BLKIF_READ, 0, 1);
	script_turns();
	ck_assert_uint_eq(script.maps, 1);
	ck_assert_uint_eq(kept()->page[0].users, 3);
	script_answer(STORAGE_WRITE, 5, 0);
	script_expect(0, 5, XPV_BLKIF_OKAY);
	ck_assert_uint_eq(kept()->page[0].users, 1);
	/* In use: time does nothing to it. */
	script_pass(10 * KEPT_UNUSED_MS);
	ck_assert(is_mapped(0));
	ck_assert(!kept()->timer.set);
	script_answer(STORAGE_READ, 6, 0);
	script_expect(0, 6, XPV_BLKIF_OKAY);
	ck_assert_uint_eq(kept()->page[0].users, 0);
	for (i = 0; i < 3; i++)
		round_trip(0, 1);
	ck_assert_uint_eq(script.maps, 1);
}
END_TEST

/* ---- time ---- */

START_TEST(unused_pages_go)
{
	ck_assert(!kept()->timer.set);
	use(0, 4);
	ck_assert(kept()->timer.set);
	script_pass(KEPT_UNUSED_MS / 2);
	use(2, 2);
	script_pass(KEPT_UNUSED_MS / 2 - 1);
	ck_assert_uint_eq(script.unmaps, 0);
	script_pass(1);
	ck_assert_uint_eq(script.unmaps, 2);
	ck_assert(!is_mapped(0) && !is_mapped(1));
	ck_assert(is_mapped(2) && is_mapped(3));
	ck_assert(kept()->timer.set);
	script_pass(KEPT_UNUSED_MS / 2);
	ck_assert_uint_eq(script.unmaps, 4);
	/* Nothing is left that could run out: nobody wakes us. */
	ck_assert(!kept()->timer.set);
	use(0, 4);
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
	use(256, 40);
	n = kept()->mapped;
	ck_assert_uint_eq(n, 256 + 1 + 40);
	script_pass(KEPT_UNUSED_MS);
	ck_assert_uint_eq(script.unmaps, KEPT_UNUSED_BATCH);
	ck_assert_uint_eq(kept()->timer.when, script.now + 1);
	script_pass(1);
	ck_assert_uint_eq(script.unmaps, n);
	ck_assert(!kept()->timer.set);
}
END_TEST

/* A guest at rest wakes nobody: every timer ends by itself. */
START_TEST(rest_is_silent)
{
	struct buffers *b;
	unsigned int i;

	start(_i, false);
	b = &script.vbd->common->buffers;
	round_trip(0, 200);
	script_pass(KEPT_UNUSED_MS);
	ck_assert(!kept()->timer.set);
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
	ck_assert_uint_eq(kept()->limit, KEPT_PER_QUEUE);
	kept()->limit = limit;
}

/* What is beyond the limit is copied, and beside what is mapped. */
START_TEST(beyond_the_limit)
{
	unsigned int i;

	start(true, _i);
	set_limit(5);
	/* The last ones come first: 3-7 are mapped, 0-2 are not. */
	for (i = 0; i < 3; i++) {
		script_count();
		round_trip(0, 8);
		ck_assert_uint_eq(script.copies, 2);
		ck_assert_uint_eq(script.ops, 6);
		ck_assert_uint_eq(script.unmaps, 0);
		ck_assert_uint_eq(kept()->mapped, 5);
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
		use(i, 1);
		script_pass(1);
	}
	use(0, 1); /* not the oldest any more */
	ck_assert_uint_eq(script.maps, 40);
	use(100, 1);
	ck_assert_uint_eq(script.unmaps, part);
	ck_assert(is_mapped(0) && is_mapped(100));
	for (i = 1; i <= part; i++)
		ck_assert(!is_mapped(i));
	use(101, 50);
	ck_assert_uint_eq(script.unmaps, part);
	ck_assert_uint_eq(kept()->mapped, 40);
	script_pass(KEPT_RELEASE_MS);
	use(200, 1);
	ck_assert_uint_eq(script.unmaps, 2 * part);
	ck_assert(is_mapped(200));
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
			ck_assert_uint_le(kept()->mapped, KEPT_PER_QUEUE);
			ck_assert_uint_eq(kept()->mapped,
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
	round_trip(0, 8);
	ck_assert_uint_eq(kept()->mapped, 2);
	ck_assert_uint_eq(*mapped, KEPT_PER_GUEST);
	*mapped -= KEPT_PER_GUEST - 2;
}
END_TEST

/* ---- bad references ---- */

/* At each place of n: that request fails alone, and nothing stays behind. */
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
			script_answer_all(stamp);
			script_expect(0, 1, XPV_BLKIF_ERROR);
			script_expect(0, 2, XPV_BLKIF_OKAY);
			ck_assert(rig_stamped(page(0), 11 * 4096, 16, 1));
			if (ops[_i] == XPV_BLKIF_READ)
				memset(page(0), 0, 11 * 4096);
		}
	ck_assert_uint_eq(script.maps, 11);
	ck_assert_uint_eq(kept()->mapped, 11);
	/* Each was tried once: a guest cannot make us try for ever. */
	ck_assert_uint_eq(script.refused, 11);
	for (n = 0; n < 11; n++)
		ck_assert_uint_eq(kept()->page[n].users, 0);
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
	round_trip(0, 4);
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
	ck_assert(stamped(script_next(STORAGE_WRITE), 2));
	script_answer_all(NULL);
	script_expect(0, 1, XPV_BLKIF_OKAY);
	req.op = XPV_BLKIF_READ;
	script_send(0, &req);
	script_answer_all(stamp);
	script_expect(0, 1, XPV_BLKIF_ERROR);
	ck_assert_uint_eq(kept()->mapped, 0);
	ck_assert_int_eq(script.guest->ops->unshare(script.guest, mem, 1), 0);
}
END_TEST

/* ---- a guest that changes its mind ---- */

/* Descriptors are what they were when they were fetched (XSA-155). */
START_TEST(descriptors_are_copied)
{
	const struct xpv_blk_seg other = {gref(100), 0, 0};
	unsigned int i, round;

	for (round = 0; round < 2; round++) {
		rig_stamp(page(0), 20 * 4096, 8, 2);
		script_ask(0, 1, XPV_BLKIF_WRITE, 0, 20);
		script_turns();
		for (i = 0; i < 20; i++)
			xpv_blkif_encode_seg(&other, page(PAGES - 1), i);
		ck_assert(stamped(script_next(STORAGE_WRITE), 2));
		script_answer_all(NULL);
		script_expect(0, 1, XPV_BLKIF_OKAY);
		ck_assert(!is_mapped(100));
	}
	for (i = 0; i < kept()->mapped; i++)
		ck_assert_uint_eq(kept()->page[i].users, 0);
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
	script_answer_all(stamp);
	script_expect(0, 1, XPV_BLKIF_OKAY);
	ck_assert(rig_stamped(mem, 4096, 0, 1));
	script_pass(KEPT_UNUSED_MS);
	ck_assert_int_eq(script.guest->ops->unshare(script.guest, mem, 1), 0);
	/* Gone: an error, and only for it. */
	script_send(0, &req);
	script_answer_all(stamp);
	script_expect(0, 1, XPV_BLKIF_ERROR);
	round_trip(0, 3);
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
		ck_assert(stamped(script_next(STORAGE_WRITE), 2));
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
		ck_assert_int_eq(!kept_at(kept(), ref), i % 2);
		use(0, 1);
		script_pass(KEPT_UNUSED_MS);
		ck_assert_int_eq(ops->unshare(script.guest, mem, 1), 0);
		if (i % 2 == 0)
			write_gref(ref, XPV_BLKIF_ERROR);
	}
}
END_TEST

/* ---- endings ---- */

START_TEST(disconnect_unmaps)
{
	round_trip(0, 200);
	script_ask(0, 1, XPV_BLKIF_READ, 0, 11);
	script_turns();
	vbd_disconnect(script.vbd, false);
	/* The storage still writes there. */
	ck_assert_int_eq(script.vbd->state, VBD_CLOSING);
	ck_assert_uint_eq(script.unmaps, 0);
	script_answer_all(stamp);
	ck_assert_int_eq(script.vbd->state, VBD_IDLE);
	ck_assert_uint_eq(script.vbd->common->mapped_pages, 0);
	ck_assert_uint_eq(script.unmaps, script.maps + 1); /* the ring */
	script.fe->config.persistent = _i;
	userblk_reset(script.fe);
	script_connect();
	round_trip(0, 200);
	ck_assert_uint_eq(kept()->mapped, _i ? 201 : 0);
}
END_TEST

/* The frontend breaks its ring with pages mapped and requests under way. */
START_TEST(broken_unmaps)
{
	round_trip(0, 20);
	script_ask(0, 1, XPV_BLKIF_READ, 0, 11);
	script_turns();
	script.fe->queue[0].front.ring.shared->req_prod += 1000;
	script_turns();
	ck_assert_int_eq(script.vbd->state, VBD_BROKEN);
	script_answer_all(stamp);
	vbd_disconnect(script.vbd, false);
	ck_assert_int_eq(script.vbd->state, VBD_IDLE);
	ck_assert_uint_eq(script.unmaps, script.maps + 1);
	userblk_reset(script.fe);
	script_connect();
	round_trip(0, 20);
}
END_TEST

/* What waits for memory or as a barrier holds its pages, and lets go. */
START_TEST(waiting_ones_let_go)
{
	unsigned int i;

	start(true, true);
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
	round_trip(0, 3);
	script_stop();
}
END_TEST

Suite *vbd_kept_suite(void)
{
	Suite *s = suite_create("vbd_kept");
	TCase *c = tcase_create("in place");

	tcase_add_checked_fixture(c, setup, script_stop);
	tcase_add_test(c, neighbours_are_one);
	tcase_add_test(c, one_page_many_users);
	tcase_add_test(c, unused_pages_go);
	tcase_add_test(c, unused_pages_go_in_turns);
	tcase_add_test(c, room_is_made);
	tcase_add_test(c, limit_of_the_guest);
	tcase_add_loop_test(c, bad_grefs, 0, 2);
	tcase_add_test(c, refused_for_a_while);
	tcase_add_test(c, wild_grefs);
	tcase_add_test(c, read_only_page);
	tcase_add_test(c, descriptors_are_copied);
	tcase_add_test(c, revoked_in_flight);
	tcase_add_test(c, gref_of_another_page);
	tcase_add_loop_test(c, disconnect_unmaps, 0, 2);
	tcase_add_test(c, broken_unmaps);
	suite_add_tcase(s, c);

	c = tcase_create("of all kinds");
	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, kept_costs_nothing, 0, 2);
	tcase_add_loop_test(c, copies_are_batched, 0, 2);
	tcase_add_loop_test(c, in_place, 0, 2);
	tcase_add_loop_test(c, beyond_the_limit, 0, 2);
	tcase_add_loop_test(c, rest_is_silent, 0, 2);
	tcase_add_test(c, ever_new_pages);
	tcase_add_test(c, waiting_ones_let_go);
	suite_add_tcase(s, c);
	return s;
}
