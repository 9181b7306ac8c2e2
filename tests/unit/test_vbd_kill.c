// SPDX-License-Identifier: MIT
/*
 * A worker is killed in the midst of everything, again and again, and another
 * one goes on with the ring: the guest sees each request answered once and
 * without an error, and each page holds what was last written to it. The ring
 * is the journal: what has no answer is in the slots behind the answers, and is
 * done anew, whatever the dead one had done of it.
 *
 * XPV_SOAK=N: N times as many kills; XPV_SEED=N: other requests.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"
#include "soak.h"
#include "stepper.h"
#include "suites.h"

#define SLOTS	       32u /* requests under way */
#define PAGES	       4u /* of a request, at most */
#define EXTENTS	       64u /* one request at a time in each, as in Linux */
#define PAGE_SECTORS   (XPV_PAGE_SIZE / 512)
#define EXTENT_SECTORS (PAGES * PAGE_SECTORS)
#define KILLS	       100u
#define LIFE_USEC      4000u /* at most */

struct op {
	bool busy;
	uint8_t op;
	unsigned int extent, pages;
	uint32_t version;
};

static struct {
	struct rig rig;
	unsigned int seed;
	struct op op[SLOTS];
	bool taken[EXTENTS];
	uint32_t held[EXTENTS][PAGES]; /* version of each page, 0: none yet */
	uint32_t version;
	unsigned int max_pages;
	unsigned long answers, at_kill; /* answered; unanswered when killed */
} load;

static unsigned int chance(unsigned int n)
{
	return (unsigned int)rand_r(&load.seed) % n;
}

static uint64_t sector_of(unsigned int extent)
{
	return (uint64_t)extent * EXTENT_SECTORS;
}

static uint8_t *slot_pages(unsigned int slot)
{
	return userblk_page(load.rig.fe, slot * PAGES);
}

/* ---- requests ---- */

static bool submit(unsigned int slot, uint8_t what)
{
	struct op *op = &load.op[slot];
	struct xpv_blk_request req = {.id = slot, .op = what};

	op->op = what;
	op->extent = chance(EXTENTS);
	op->pages = 1 + chance(load.max_pages);
	if (load.taken[op->extent])
		return false;
	if (what != XPV_BLKIF_FLUSH) {
		req.sector = sector_of(op->extent);
		userblk_segments(load.rig.fe, &req, slot * PAGES, op->pages);
		memset(slot_pages(slot), 0xee, PAGES * XPV_PAGE_SIZE);
		load.taken[op->extent] = true;
	}
	if (what == XPV_BLKIF_WRITE) {
		op->version = ++load.version;
		rig_stamp(slot_pages(slot), op->pages * XPV_PAGE_SIZE,
			  req.sector, op->version);
	}
	ck_assert(userblk_submit(load.rig.fe, 0, &req));
	op->busy = true;
	return true;
}

/* As many as find a place of their own. */
static void fill(void)
{
	static const uint8_t mix[] = {XPV_BLKIF_WRITE, XPV_BLKIF_WRITE,
				      XPV_BLKIF_READ, XPV_BLKIF_READ,
				      XPV_BLKIF_FLUSH};
	unsigned int slot;

	for (slot = 0; slot < SLOTS; slot++)
		if (!load.op[slot].busy)
			submit(slot, mix[chance(sizeof(mix))]);
	userblk_push(load.rig.fe, 0);
}

static void check_read(const struct op *op, unsigned int slot)
{
	static const uint8_t nothing[XPV_PAGE_SIZE];
	unsigned int page;

	for (page = 0; page < op->pages; page++) {
		const uint8_t *got = slot_pages(slot) + page * XPV_PAGE_SIZE;
		uint32_t held = load.held[op->extent][page];

		ck_assert_msg(held ? rig_stamped(got, XPV_PAGE_SIZE,
						 sector_of(op->extent) +
							 page * PAGE_SECTORS,
						 held)
				   : !memcmp(got, nothing, XPV_PAGE_SIZE),
			      "page %u of extent %u is not version %u", page,
			      op->extent, held);
	}
}

static void take(const struct xpv_blk_response *rsp)
{
	struct op *op;
	unsigned int page;

	ck_assert_uint_lt(rsp->id, SLOTS);
	op = &load.op[rsp->id];
	ck_assert_msg(op->busy, "request %u is answered twice",
		      (unsigned int)rsp->id);
	ck_assert_msg(rsp->status == XPV_BLKIF_OKAY,
		      "operation %u of extent %u: %d after %lu", op->op,
		      op->extent, rsp->status, load.answers);
	ck_assert_uint_eq(rsp->op, op->op);
	op->busy = false;
	load.answers++;
	if (op->op == XPV_BLKIF_FLUSH)
		return;
	load.taken[op->extent] = false;
	if (op->op == XPV_BLKIF_READ)
		check_read(op, (unsigned int)rsp->id);
	for (page = 0; op->op == XPV_BLKIF_WRITE && page < op->pages; page++)
		load.held[op->extent][page] = op->version;
}

static unsigned int reap(void)
{
	struct xpv_blk_response rsp[SLOTS];
	int i, n = userblk_reap(load.rig.fe, 0, rsp, SLOTS);

	ck_assert_int_ge(n, 0);
	for (i = 0; i < n; i++)
		take(&rsp[i]);
	return (unsigned int)n;
}

static unsigned int under_way(void)
{
	unsigned int slot, n = 0;

	for (slot = 0; slot < SLOTS; slot++)
		n += load.op[slot].busy;
	return n;
}

static void drain(void)
{
	while (under_way()) {
		ck_assert_int_eq(userblk_wait(load.rig.fe, RIG_WAIT), 1);
		reap();
	}
}

/* Everything once more, through the ring. */
static void check_all(void)
{
	struct op *op = &load.op[0];
	struct xpv_blk_request req = {.op = XPV_BLKIF_READ};
	unsigned int extent;

	drain();
	for (extent = 0; extent < EXTENTS; extent++) {
		*op = (struct op){.extent = extent, .pages = PAGES};
		req.sector = sector_of(extent);
		userblk_segments(load.rig.fe, &req, 0, PAGES);
		ck_assert_int_eq(rig_call(&load.rig, &req), XPV_BLKIF_OKAY);
		check_read(op, 0);
	}
}

static void begin(unsigned int seed, bool persistent)
{
	struct rig_options options = {
		.sectors = EXTENTS * EXTENT_SECTORS,
		.process = true,
		.front = {.data_pages = SLOTS * PAGES,
			  .persistent = persistent},
	};

	memset(&load, 0, sizeof(load));
	load.seed = seed;
	load.max_pages = PAGES;
	rig_start(&load.rig, &options);
}

/* ---- at random moments ---- */

START_TEST(at_random_moments)
{
	unsigned int kills = KILLS * soak();
	uint64_t end;

	begin(soak_seed() + (unsigned int)_i, _i);
	while (kills--) {
		end = soak_usec() + chance(LIFE_USEC);
		do {
			fill();
			if (!reap())
				userblk_wait(load.rig.fe, 1);
		} while (soak_usec() < end);
		fill();
		rig_kill(&load.rig);
		load.at_kill += under_way();
	}
	check_all();
	ck_assert_uint_gt(load.answers, KILLS * soak());
	ck_assert_uint_gt(load.at_kill, KILLS * soak());
	rig_stop(&load.rig);
	soak_count(KILLS * soak(), "kills at random moments");
	soak_count(load.answers, "requests");
}
END_TEST

/* ---- at an instruction ---- */

#define BATCH	  4u
#define POINTS	  40u /* of the instructions of a batch */
#define MAX_STEPS 1000000u

static void push_batch(void)
{
	static const uint8_t what[BATCH] = {XPV_BLKIF_WRITE, XPV_BLKIF_READ,
					    XPV_BLKIF_FLUSH, XPV_BLKIF_WRITE};
	unsigned int slot;

	for (slot = 0; slot < BATCH; slot++)
		while (!submit(slot, what[slot]))
			;
	userblk_push(load.rig.fe, 0);
}

static bool answered(void)
{
	return xpv_front_pending(&load.rig.fe->queue[0].front) == BATCH;
}

static uint8_t *ring_slot(unsigned int i)
{
	const struct xpv_front *f = &load.rig.fe->queue[0].front;

	return xpv_ring_slot(&f->ring, f->rsp_cons + i);
}

/* A request is overwritten by its answer, which does not count yet. */
static bool torn(uint8_t (*asked)[IPC_VBD_ANSWER])
{
	unsigned int i, n;

	n = (unsigned int)xpv_front_pending(&load.rig.fe->queue[0].front);
	for (i = n; i < BATCH; i++)
		if (memcmp(ring_slot(i), asked[i], IPC_VBD_ANSWER))
			return true;
	return false;
}

/*
 * A batch, and the worker stopped after @steps of its instructions, or a bit
 * after the last answer; with @when_torn they count from when a request is
 * overwritten. Returns the steps made.
 */
static unsigned int play(unsigned int steps, bool when_torn)
{
	pid_t pid = load.rig.drive.pid;
	uint8_t asked[BATCH][IPC_VBD_ANSWER];
	unsigned int i, n = 0, after = 0;

	stepper_stop(pid);
	push_batch();
	for (i = 0; i < BATCH; i++)
		memcpy(asked[i], ring_slot(i), IPC_VBD_ANSWER);
	while (n < steps && after < 200 && stepper_step(pid)) {
		after += answered();
		when_torn = when_torn && !torn(asked);
		n += !when_torn;
	}
	return n;
}

START_TEST(at_any_instruction)
{
	unsigned int all, point;

	stepper_stay_here();
	begin(soak_seed(), _i);
	load.max_pages = 1;
	all = play(MAX_STEPS, false);
	ck_assert_uint_gt(all, 1000);
	ck_assert_uint_lt(all, MAX_STEPS);
	rig_kill(&load.rig);
	drain();
	for (point = 0; point < POINTS * soak(); point++) {
		if (point % 2)
			play(point % 100, true);
		else
			play(chance(all), false);
		rig_kill(&load.rig);
		drain();
	}
	check_all();
	rig_stop(&load.rig);
	soak_count(POINTS * soak(), "kills between instructions");
}
END_TEST

/* The dead one may have shown an answer and not told. */
START_TEST(guest_is_woken)
{
	struct hyper *h;
	struct pollfd fd = {.events = POLLIN};
	int port;

	begin(1, false);
	h = load.rig.guest;
	rig_check_alive(&load.rig);
	while ((port = h->ops->evtchn_next(h)) >= 0)
		h->ops->evtchn_unmask(h, (uint32_t)port);
	fd.fd = h->ops->evtchn_fd(h);
	ck_assert_int_eq(poll(&fd, 1, 0), 0);
	rig_kill(&load.rig);
	ck_assert_int_eq(poll(&fd, 1, 1000), 1);
	rig_stop(&load.rig);
}
END_TEST

Suite *vbd_kill_suite(void)
{
	Suite *s = suite_create("vbd_kill");
	TCase *kill = tcase_create("kill");

	tcase_set_timeout(kill, 120 * (double)soak());
	tcase_add_loop_test(kill, at_random_moments, 0, 2);
	tcase_add_loop_test(kill, at_any_instruction, 0, 2);
	tcase_add_test(kill, guest_is_woken);
	suite_add_tcase(s, kill);
	return s;
}
