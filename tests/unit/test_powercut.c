// SPDX-License-Identifier: MIT
/*
 * The power may fail at any moment: no write that was answered and flushed is
 * lost. A guest writes, flushes and sets barriers at random, or as a journal
 * does, over the real ring, vbd and file.c, on a disk that exists on paper.
 * After each answer every state that the platter could be found in is looked
 * at, not a sample of them: each sector may hold what it held, or any of the
 * writes that are not flushed.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend/vbd/vbd.h"
#include "frontend/user/userblk.h"
#include "model_disk.h"
#include "soak.h"
#include "suites.h"

#define GUEST	 3
#define SECTORS	 MODEL_SECTORS
#define SLOTS	 16 /* requests in flight */
#define MAX_PAGE 4 /* pages of one */
#define ROUNDS	 600

/* ---- what the guest knows ---- */

struct slot {
	bool used;
	uint8_t op;
	uint64_t sector, sectors;
	/* What its answer makes certain, of each sector. */
	uint32_t promises[SECTORS];
};

static struct {
	unsigned int seed;
	uint32_t issued[SECTORS]; /* the last version of each sector */
	uint32_t answered[SECTORS]; /* the last one that was answered */
	uint32_t certain[SECTORS]; /* what a power cut must not undo */
	bool busy[SECTORS]; /* being written */
	struct slot slot[SLOTS];
	unsigned int in_flight;
	unsigned int promised; /* flushes and barriers answered with OK */
	unsigned int violations;
} knows;

static unsigned int chance(unsigned int n)
{
	return (unsigned int)rand_r(&knows.seed) % n;
}

static uint32_t version_of(const void *content, uint64_t sector)
{
	uint32_t version;

	ck_assert_msg(model_disk_whole(content, sector, &version),
		      "sector %lu is torn or another's", (unsigned long)sector);
	return version;
}

static void judge(const void *content, void *arg)
{
	uint64_t sector = *(const uint64_t *)arg;
	uint32_t version = version_of(content, sector);

	ck_assert_uint_le(version, knows.issued[sector]);
	knows.violations += version < knows.certain[sector];
}

/* ---- the disk ---- */

static struct hyper_machine *machine;
static struct hyper *back, *guest;
static struct worker worker;
static struct vbd *vbd;
static struct userblk *fe;
static struct model_disk *disk;
static int control;

static void cut_power(void)
{
	for (uint64_t sector = 0; sector < SECTORS; sector++)
		model_disk_cut(disk, sector, judge, &sector);
}

static struct hyper *open_hyper(uint16_t domid, unsigned int parts)
{
	char spec[256];
	struct hyper *h;

	hyper_local_spec(machine, domid, spec, sizeof(spec));
	h = hyper_open(spec, parts);
	ck_assert_ptr_nonnull(h);
	return h;
}

static void connect_disk(void)
{
	const struct userblk_config config = {.data_pages = SLOTS * MAX_PAGE};
	struct ipc_vbd_connect c = {.nr_queues = 1};
	struct reason why;

	fe = userblk_new(guest, &config);
	ck_assert_ptr_nonnull(fe);
	c.queue[0].gref[0] = fe->queue[0].gref[0];
	c.queue[0].port = fe->queue[0].port;
	ck_assert_int_eq(vbd_connect(vbd, &c, &why), 0);
}

static void begin(unsigned int seed, enum storage_cache cache)
{
	const struct ipc_vbd_attach a = {
		.sectors = SECTORS,
		.sector_size = 512,
		.max_queues = 1,
	};
	const struct storage_config config = {.cache = cache};
	int sock[2], fd = memfd_create("size", MFD_CLOEXEC);

	memset(&knows, 0, sizeof(knows));
	knows.seed = seed;
	machine = hyper_local_create(NULL);
	ck_assert_ptr_nonnull(machine);
	ck_assert_int_eq(hyper_local_domain_create(machine, GUEST), 0);
	back = open_hyper(0, HYPER_GRANT | HYPER_EVTCHN);
	guest = open_hyper(GUEST, HYPER_SHARE | HYPER_EVTCHN);
	ck_assert_int_eq(ipc_pair(sock), 0);
	control = sock[0];
	ck_assert_int_eq(worker_init(&worker, GUEST, back, sock[1]), 0);
	vbd = vbd_make(&worker, (struct ipc_device){.class = IPC_VBD}, &a, -1);
	ck_assert_ptr_nonnull(vbd);
	disk = model_disk_new(seed ^ 0x5555);
	/* It is asked for its size. */
	ck_assert_int_eq(ftruncate(fd, SECTORS * 512), 0);
	vbd->storage = storage_file_over(worker.loop, model_disk_engine(disk),
					 fd, &config);
	ck_assert_ptr_nonnull(vbd->storage);
	connect_disk();
}

static void end(void)
{
	vbd_disconnect(vbd, false);
	for (int i = 0; i < 1000 && vbd->state != VBD_IDLE; i++)
		ck_assert_int_eq(loop_turn(worker.loop, false), 0);
	ck_assert_int_eq(vbd->state, VBD_IDLE);
	vbd_detach(vbd);
	worker_fini(&worker);
	model_disk_free(disk);
	ck_assert_int_eq(userblk_free(fe), 0);
	hyper_close(guest);
	hyper_close(back);
	hyper_local_destroy(machine);
	close(control);
}

/* ---- what the guest does ---- */

static bool writes(const struct slot *s)
{
	return s->sectors && s->op != XPV_BLKIF_READ;
}

/* All that is answered by now, or, of a barrier, all that was asked for. */
static void promise(struct slot *s)
{
	const uint32_t *what = s->op == XPV_BLKIF_WRITE_BARRIER
				       ? knows.issued
				       : knows.answered;

	memset(s->promises, 0, sizeof(s->promises));
	if (s->op == XPV_BLKIF_FLUSH || s->op == XPV_BLKIF_WRITE_BARRIER)
		memcpy(s->promises, what, sizeof(s->promises));
}

static void fill(struct slot *s, unsigned int page)
{
	uint8_t *data = userblk_page(fe, page);

	for (uint64_t i = 0; i < s->sectors; i++) {
		uint64_t sector = s->sector + i;

		knows.busy[sector] = true;
		model_disk_stamp(data + 512 * i, sector,
				 ++knows.issued[sector]);
	}
}

static bool is_busy(uint64_t sector, uint64_t n)
{
	while (n--)
		if (knows.busy[sector + n])
			return true;
	return false;
}

static void submit(uint8_t op, uint64_t sector, unsigned int pages)
{
	struct xpv_blk_request req = {.op = op, .sector = sector};
	unsigned int i = 0;
	struct slot *s;

	while (i < SLOTS && knows.slot[i].used)
		i++;
	if (i == SLOTS || is_busy(sector, 8ul * pages))
		return;
	s = &knows.slot[i];
	*s = (struct slot){.used = true, .op = op};
	s->sector = sector;
	s->sectors = 8ul * pages;
	if (writes(s))
		fill(s, i * MAX_PAGE);
	promise(s);
	req.id = i;
	userblk_segments(fe, &req, i * MAX_PAGE, pages);
	ck_assert(userblk_submit(fe, 0, &req));
	userblk_push(fe, 0);
	knows.in_flight++;
}

static void keep(uint32_t *versions, const struct slot *s)
{
	for (uint64_t i = 0; i < SECTORS; i++)
		if (versions[i] < s->promises[i])
			versions[i] = s->promises[i];
}

static void answered(const struct xpv_blk_response *rsp, bool durable)
{
	struct slot *s = &knows.slot[rsp->id];
	bool good = rsp->status == XPV_BLKIF_OKAY;

	for (uint64_t i = s->sector; i < s->sector + s->sectors; i++) {
		if (!writes(s))
			continue;
		knows.busy[i] = false;
		knows.answered[i] = knows.issued[i];
		if (durable && good)
			knows.certain[i] = knows.issued[i];
	}
	if (good)
		keep(knows.certain, s);
	knows.promised += good && (s->op == XPV_BLKIF_FLUSH ||
				   s->op == XPV_BLKIF_WRITE_BARRIER);
	s->used = false;
	knows.in_flight--;
}

/* A turn of the worker, what it answers, and the power fails. */
static void step(bool durable)
{
	struct xpv_blk_response rsp[SLOTS];
	static unsigned int steps;
	int n;

	ck_assert_int_eq(loop_turn(worker.loop, false), 0);
	n = userblk_reap(fe, 0, rsp, SLOTS);
	ck_assert_int_ge(n, 0);
	for (int i = 0; i < n; i++)
		answered(&rsp[i], durable);
	/* What an answer changed, at once; else now and then. */
	if (n || ++steps % 16 == 0)
		cut_power();
}

static void settle(bool durable)
{
	while (knows.in_flight)
		step(durable);
}

static uint8_t any_op(void)
{
	static const uint8_t ops[] = {
		XPV_BLKIF_WRITE, XPV_BLKIF_WRITE,	  XPV_BLKIF_WRITE,
		XPV_BLKIF_WRITE, XPV_BLKIF_READ,	  XPV_BLKIF_FLUSH,
		XPV_BLKIF_FLUSH, XPV_BLKIF_WRITE_BARRIER,
	};

	return ops[chance(sizeof(ops))];
}

static void at_random(bool durable)
{
	for (unsigned int n = 0; n < ROUNDS; n++) {
		uint8_t op = any_op();
		unsigned int pages = 1 + chance(MAX_PAGE);

		if (op == XPV_BLKIF_FLUSH && chance(4))
			pages = 0;
		submit(op, chance(SECTORS - 8 * pages + 1), pages);
		if (chance(3))
			step(durable);
	}
	settle(durable);
}

/*
 * As a journal does: blocks to the log, a flush, the block that says that
 * they count, a flush or a barrier, and then the blocks in their places.
 */
static void as_a_journal(bool durable)
{
	uint64_t log = SECTORS / 2;

	for (unsigned int n = 0; n < ROUNDS / 10; n++) {
		unsigned int blocks = 1 + chance(6);

		for (unsigned int i = 0; i < blocks; i++)
			submit(XPV_BLKIF_WRITE, log + 8 * i, 1);
		settle(durable);
		submit(XPV_BLKIF_FLUSH, 0, 0);
		settle(durable);
		submit(chance(2) ? XPV_BLKIF_WRITE_BARRIER : XPV_BLKIF_WRITE,
		       log + 8 * blocks, 1);
		settle(durable);
		for (unsigned int i = 0; i < blocks; i++)
			submit(XPV_BLKIF_WRITE, 8 * chance(SECTORS / 16), 1);
		if (chance(2))
			settle(durable);
		submit(XPV_BLKIF_FLUSH, 0, 0);
	}
	settle(durable);
}

/* ---- tests ---- */

static void (*const patterns[])(bool durable) = {at_random, as_a_journal};

START_TEST(flushed_is_kept)
{
	for (unsigned int n = 0; n < 2; n++) {
		begin(2 * soak_seed() + n + 100 * (unsigned int)_i,
		      STORAGE_CACHE_WRITEBACK);
		patterns[_i](false);
		ck_assert_uint_eq(knows.violations, 0);
		ck_assert_uint_gt(knows.promised, 50);
		ck_assert_uint_gt(model_disk_flushes(disk), 50);
		soak_count(knows.promised, "flushes and barriers");
		end();
	}
}
END_TEST

/* Writethrough: an answer is all it takes. */
START_TEST(answered_is_kept)
{
	begin(7, STORAGE_CACHE_WRITETHROUGH);
	patterns[_i](true);
	ck_assert_uint_eq(knows.violations, 0);
	end();
}
END_TEST

/* And would we notice? Flushes that are none, answers that come too early. */
START_TEST(liars_are_found)
{
	begin(7, STORAGE_CACHE_UNSAFE);
	patterns[_i](false);
	ck_assert_uint_gt(knows.violations, 0);
	end();
	begin(7, STORAGE_CACHE_WRITEBACK);
	patterns[_i](true);
	ck_assert_uint_gt(knows.violations, 0);
	end();
}
END_TEST

/* Once a flush has failed, no answer promises anything any more. */
START_TEST(failed_flush_promises_nothing)
{
	begin(9, STORAGE_CACHE_WRITEBACK);
	patterns[_i](false);
	model_disk_break(disk);
	submit(XPV_BLKIF_FLUSH, 0, 0);
	settle(false);
	knows.promised = 0;
	patterns[_i](false);
	ck_assert_uint_eq(knows.promised, 0);
	ck_assert_uint_eq(knows.violations, 0);
	end();
}
END_TEST

Suite *powercut_suite(void)
{
	Suite *s = suite_create("powercut");
	TCase *c = tcase_create("powercut");
	const int n = sizeof(patterns) / sizeof(patterns[0]);

	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, flushed_is_kept, 0, n);
	tcase_add_loop_test(c, answered_is_kept, 0, n);
	tcase_add_loop_test(c, liars_are_found, 0, n);
	tcase_add_loop_test(c, failed_flush_promises_nothing, 0, n);
	suite_add_tcase(s, c);
	return s;
}
