// SPDX-License-Identifier: MIT
/*
 * What a block device makes of its storage's answers: over a storage that
 * answers when and as the test says, in one thread.
 */
#include <check.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "backend/vbd/vbd.h"
#include "frontend/user/userblk.h"
#include "suites.h"

#define GUEST	3
#define SECTORS 65536u

/* ---- the storage ---- */

static struct {
	struct storage storage;
	struct storage_queue submitted; /* in order; the test's to answer */
	struct storage_queue answered; /* told to the vbd by the next kick */
} disk;

static void disk_submit(struct storage *s, struct storage_io *io)
{
	(void)s;
	STAILQ_INSERT_TAIL(&disk.submitted, io, next);
}

static bool disk_kick(struct storage *s)
{
	struct storage_io *io;
	bool found = false;

	(void)s;
	while ((io = STAILQ_FIRST(&disk.answered))) {
		STAILQ_REMOVE_HEAD(&disk.answered, next);
		io->done(io, (int)io->attempt);
		found = true;
	}
	return found;
}

static bool disk_arm(struct storage *s)
{
	(void)s;
	return !STAILQ_EMPTY(&disk.answered);
}

static uint64_t disk_size(struct storage *s)
{
	(void)s;
	return SECTORS * 512ull;
}

static void disk_close(struct storage *s)
{
	(void)s;
	ck_assert(STAILQ_EMPTY(&disk.submitted));
}

static const struct storage_ops disk_ops = {
	.submit = disk_submit,
	.kick = disk_kick,
	.arm = disk_arm,
	.size = disk_size,
	.close = disk_close,
};

/* ---- the device ---- */

static struct hyper_machine *machine;
static struct hyper *back, *guest;
static struct worker worker;
static struct vbd *vbd;
static struct userblk *fe;
static int control;

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
	struct ipc_vbd_connect c = {.nr_queues = 1};
	struct reason why;

	c.queue[0].gref[0] = fe->queue[0].gref[0];
	c.queue[0].port = fe->queue[0].port;
	ck_assert_int_eq(vbd_connect(vbd, &c, &why), 0);
}

static void setup(void)
{
	const struct ipc_vbd_attach a = {
		.sectors = SECTORS,
		.sector_size = 512,
		.discard = true,
		.max_queues = 1,
		.max_indirect = XPV_BLKIF_MAX_SEGS,
	};
	const struct userblk_config c = {.data_pages = 257};
	int sock[2];

	machine = hyper_local_create(NULL);
	ck_assert_ptr_nonnull(machine);
	ck_assert_int_eq(hyper_local_domain_create(machine, GUEST), 0);
	back = open_hyper(0, HYPER_GRANT | HYPER_EVTCHN);
	guest = open_hyper(GUEST, HYPER_SHARE | HYPER_EVTCHN);
	ck_assert_int_eq(ipc_pair(sock), 0);
	control = sock[0];
	ck_assert_int_eq(worker_init(&worker, GUEST, back, sock[1]), 0);

	disk.storage.ops = &disk_ops;
	STAILQ_INIT(&disk.submitted);
	STAILQ_INIT(&disk.answered);
	vbd = vbd_make(&worker, (struct ipc_device){.class = IPC_VBD}, &a);
	ck_assert_ptr_nonnull(vbd);
	vbd->storage = &disk.storage;
	fe = userblk_new(guest, &c);
	ck_assert_ptr_nonnull(fe);
	connect_disk();
}

static void turns(void)
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		ck_assert_int_eq(loop_turn(worker.loop, false), 0);
}

static void teardown(void)
{
	vbd_disconnect(vbd);
	ck_assert_int_eq(vbd->state, VBD_IDLE);
	ck_assert_uint_eq(vbd->common->buffers.in_use, 0);
	vbd_detach(vbd);
	worker_fini(&worker);
	ck_assert_int_eq(userblk_free(fe), 0);
	hyper_close(guest);
	hyper_close(back);
	hyper_local_destroy(machine);
	close(control);
}

/* ---- what a test says ---- */

static void ask(uint64_t id, uint8_t op, unsigned int pages)
{
	struct xpv_blk_request req = {
		.id = id,
		.op = op,
		.sector = 8 * id,
		.nr_sectors = op == XPV_BLKIF_DISCARD ? 8 : 0,
	};

	if (pages > XPV_BLKIF_DIRECT_SEGS)
		userblk_indirect(fe, &req, 256, 0, pages);
	else
		userblk_segments(fe, &req, 0, pages);
	ck_assert(userblk_submit(fe, 0, &req));
	userblk_push(fe, 0);
}

static unsigned int submitted(void)
{
	struct storage_io *io;
	unsigned int n = 0;

	STAILQ_FOREACH(io, &disk.submitted, next)
		n++;
	return n;
}

/* The next request the storage was given is this one; it answers @error. */
static void answer(enum storage_op op, uint64_t id, int error)
{
	struct storage_io *io;

	turns();
	io = STAILQ_FIRST(&disk.submitted);
	ck_assert_ptr_nonnull(io);
	ck_assert_int_eq(io->op, op);
	if (op != STORAGE_FLUSH)
		ck_assert_uint_eq(io->offset, 4096 * id);
	STAILQ_REMOVE_HEAD(&disk.submitted, next);
	io->attempt = error;
	STAILQ_INSERT_TAIL(&disk.answered, io, next);
	turns();
}

/* The next response is this one. */
static void expect(uint64_t id, int status)
{
	struct xpv_blk_response rsp;

	turns();
	ck_assert_int_eq(userblk_reap(fe, 0, &rsp, 1), 1);
	ck_assert_uint_eq(rsp.id, id);
	ck_assert_int_eq(rsp.status, status);
}

static void expect_silence(void)
{
	struct xpv_blk_response rsp;

	turns();
	ck_assert_int_eq(userblk_reap(fe, 0, &rsp, 1), 0);
}

/* ---- tests ---- */

START_TEST(okay_when_storage_says_so)
{
	ask(1, XPV_BLKIF_WRITE, 1);
	ask(2, XPV_BLKIF_WRITE, 11);
	ask(3, XPV_BLKIF_READ, 1);
	expect_silence();
	ck_assert_uint_eq(submitted(), 3);
	/* Reads go first: they need no copy before. */
	answer(STORAGE_READ, 3, -EIO);
	expect_silence();
	answer(STORAGE_WRITE, 1, 0);
	expect(1, XPV_BLKIF_OKAY);
	expect_silence();
	answer(STORAGE_WRITE, 2, -ENOSPC);
	expect(2, XPV_BLKIF_ERROR);
	expect(3, XPV_BLKIF_ERROR);
}
END_TEST

/* A failed read leaves the guest's page alone. */
START_TEST(failed_read_says_nothing)
{
	struct storage_io *io;

	memset(fe->data, 0xaa, 4096);
	ask(1, XPV_BLKIF_READ, 1);
	turns();
	io = STAILQ_FIRST(&disk.submitted);
	memset(io->iov[0].iov_base, 0x55, 4096);
	answer(STORAGE_READ, 1, -EIO);
	expect(1, XPV_BLKIF_ERROR);
	ck_assert_uint_eq(fe->data[0], 0xaa);
}
END_TEST

START_TEST(flush_does_not_wait)
{
	ask(1, XPV_BLKIF_WRITE, 1);
	ask(2, XPV_BLKIF_FLUSH, 0);
	turns();
	ck_assert_uint_eq(submitted(), 2);
	answer(STORAGE_FLUSH, 0, 0);
	expect_silence();
	answer(STORAGE_WRITE, 1, 0);
	expect(1, XPV_BLKIF_OKAY);
	expect(2, XPV_BLKIF_OKAY);
}
END_TEST

START_TEST(flush_goes_before_its_data)
{
	ask(1, XPV_BLKIF_FLUSH, 2);
	turns();
	ck_assert_uint_eq(submitted(), 1);
	answer(STORAGE_FLUSH, 0, 0);
	expect_silence();
	answer(STORAGE_WRITE, 1, 0);
	expect(1, XPV_BLKIF_OKAY);

	/* Without the flush there is no point in the data. */
	ask(2, XPV_BLKIF_FLUSH, 2);
	answer(STORAGE_FLUSH, 0, -EIO);
	expect(2, XPV_BLKIF_ERROR);
	ck_assert_uint_eq(submitted(), 0);
}
END_TEST

START_TEST(barrier_drains_and_holds)
{
	ask(1, XPV_BLKIF_WRITE, 1);
	ask(2, XPV_BLKIF_READ, 1);
	ask(3, XPV_BLKIF_WRITE_BARRIER, 1);
	ask(4, XPV_BLKIF_WRITE, 1);
	turns();
	ck_assert_uint_eq(submitted(), 2);
	answer(STORAGE_READ, 2, 0);
	expect_silence();
	ck_assert_uint_eq(submitted(), 1);
	answer(STORAGE_WRITE, 1, 0);
	expect(1, XPV_BLKIF_OKAY);
	expect(2, XPV_BLKIF_OKAY);

	ck_assert_uint_eq(submitted(), 1);
	answer(STORAGE_FLUSH, 0, 0);
	ck_assert_uint_eq(submitted(), 1);
	answer(STORAGE_WRITE, 3, 0);
	ck_assert_uint_eq(submitted(), 1);
	expect_silence();
	answer(STORAGE_FLUSH, 0, 0);
	expect(3, XPV_BLKIF_OKAY);
	answer(STORAGE_WRITE, 4, 0);
	expect(4, XPV_BLKIF_OKAY);
}
END_TEST

/* Its data is not safe before the second flush: each step may fail it. */
START_TEST(barrier_fails)
{
	ask(1, XPV_BLKIF_WRITE_BARRIER, 1);
	answer(STORAGE_FLUSH, 0, 0);
	answer(STORAGE_WRITE, 1, 0);
	answer(STORAGE_FLUSH, 0, -EIO);
	expect(1, XPV_BLKIF_ERROR);
	ask(2, XPV_BLKIF_WRITE_BARRIER, 1);
	answer(STORAGE_FLUSH, 0, -EIO);
	expect(2, XPV_BLKIF_ERROR);
	/* The ring goes on. */
	ask(3, XPV_BLKIF_WRITE, 1);
	answer(STORAGE_WRITE, 3, 0);
	expect(3, XPV_BLKIF_OKAY);
}
END_TEST

/* A guest that is told so stops flushing, and believes that all is well. */
START_TEST(only_discard_is_unsupported)
{
	ask(1, XPV_BLKIF_DISCARD, 0);
	answer(STORAGE_DISCARD, 1, -EOPNOTSUPP);
	expect(1, XPV_BLKIF_EOPNOTSUPP);
	ask(2, XPV_BLKIF_FLUSH, 0);
	answer(STORAGE_FLUSH, 0, -EOPNOTSUPP);
	expect(2, XPV_BLKIF_ERROR);
	ask(3, XPV_BLKIF_WRITE_BARRIER, 0);
	answer(STORAGE_FLUSH, 0, -EOPNOTSUPP);
	expect(3, XPV_BLKIF_ERROR);
}
END_TEST

/*
 * A worker that dies leaves nothing but the ring: from the last answer on, it
 * has to hold what is unanswered, all of it and nothing else.
 */
START_TEST(successor_finds_what_is_left)
{
	struct xpv_blk_request req;
	uint8_t slot[XPV_BLKIF_MAX_SLOT];
	struct xpv_blk_response rsp;
	struct storage_io *io, *slow;
	struct xpv_back next;
	uint64_t answered = 0;
	int n;

	for (unsigned int i = 1; i <= 4; i++)
		ask(i, XPV_BLKIF_DISCARD, 0);
	turns();
	/* The first is the slowest. */
	slow = STAILQ_FIRST(&disk.submitted);
	ck_assert_ptr_nonnull(slow);
	STAILQ_REMOVE_HEAD(&disk.submitted, next);
	STAILQ_FOREACH(io, &disk.submitted, next)
		io->attempt = 0;
	STAILQ_CONCAT(&disk.answered, &disk.submitted);
	STAILQ_INSERT_TAIL(&disk.submitted, slow, next);
	turns();
	while (userblk_reap(fe, 0, &rsp, 1) == 1)
		answered |= 1u << rsp.id;
	ck_assert_int_eq(xpv_back_attach(&next, vbd->queue[0].ring,
					 XPV_PAGE_SIZE,
					 xpv_blkif_x86_64.slot_size),
			 0);
	for (n = xpv_back_pending(&next); n > 0; n--) {
		xpv_back_take(&next, slot, sizeof(slot));
		xpv_blkif_decode(&xpv_blkif_x86_64, &vbd->limits, slot, &req);
		ck_assert_msg(!(answered & 1u << req.id),
			      "request %u was answered and would be done again",
			      (unsigned int)req.id);
		answered |= 1u << req.id;
	}
	ck_assert_uint_eq(answered, 0x1e);
	answer(STORAGE_DISCARD, 1, 0);
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
	const struct hyper_ops *ops = back->ops;

	flooded = *ops;
	unmask = ops->evtchn_unmask;
	flooded.evtchn_next = next_or_overflow;
	flooded.evtchn_unmask = counted_unmask;
	back->ops = &flooded;
	overflows = 1;
	ask(1, XPV_BLKIF_WRITE, 1);
	turns();
	back->ops = ops;
	ck_assert_int_lt(overflows, 1);
	ck_assert_uint_eq(unmasked, 1);
	answer(STORAGE_WRITE, 1, 0);
	expect(1, XPV_BLKIF_OKAY);
}
END_TEST

/* 32 requests of 1 MiB do not get 32 MiB; they get their turn. */
START_TEST(memory_is_bounded)
{
	unsigned int i, held;

	for (i = 0; i < 32; i++)
		ask(i, XPV_BLKIF_WRITE, 256);
	turns();
	held = submitted();
	ck_assert_uint_eq(held, BUFFERS_PAGES / 257);
	for (i = 0; i < 32; i++) {
		answer(STORAGE_WRITE, i, 0);
		expect(i, XPV_BLKIF_OKAY);
		ck_assert_uint_le(vbd->common->buffers.in_use, BUFFERS_PAGES);
		ck_assert_uint_eq(submitted(), 31 - i < held ? 31 - i : held);
	}
}
END_TEST

/* The storage still writes to our memory and reads from it: we wait. */
START_TEST(disconnect_waits)
{
	unsigned int i;

	for (i = 0; i < 12; i++)
		ask(i, XPV_BLKIF_WRITE, 256); /* some of them stall */
	ask(12, XPV_BLKIF_WRITE_BARRIER, 1);
	turns();
	i = submitted();
	vbd_disconnect(vbd);
	ck_assert_int_eq(vbd->state, VBD_CLOSING);
	ck_assert_int_eq(userblk_free(fe), -EBUSY);
	while (i) {
		turns();
		ck_assert_int_eq(vbd->state, VBD_CLOSING);
		ck_assert_uint_eq(submitted(), i); /* nothing new */
		answer(STORAGE_WRITE, BUFFERS_PAGES / 257 - i, 0);
		i--;
	}
	turns();
	ck_assert_int_eq(vbd->state, VBD_IDLE);
	ck_assert_uint_eq(vbd->common->buffers.in_use, 0);
	userblk_reset(fe);
	connect_disk();
	ask(1, XPV_BLKIF_WRITE, 1);
	answer(STORAGE_WRITE, 1, 0);
	expect(1, XPV_BLKIF_OKAY);
}
END_TEST

/* One that waits for its turn as barrier is simply forgotten. */
START_TEST(disconnect_under_barrier)
{
	ask(1, XPV_BLKIF_READ, 1);
	ask(2, XPV_BLKIF_WRITE_BARRIER, 1);
	ask(3, XPV_BLKIF_READ, 1);
	turns();
	ck_assert_uint_eq(submitted(), 1);
	vbd_disconnect(vbd);
	answer(STORAGE_READ, 1, 0);
	ck_assert_int_eq(vbd->state, VBD_IDLE);
	ck_assert_uint_eq(submitted(), 0);
}
END_TEST

/* Small ones that keep coming do not starve a large one. */
START_TEST(large_ones_get_memory)
{
	struct buffers *b = &vbd->common->buffers;
	int small, large;
	void *mem[8], *big;
	unsigned int i;

	for (i = 0; i < 8; i++)
		mem[i] = buffers_get(b, BUFFERS_PAGES / 8, &small);
	ck_assert_ptr_null(buffers_get(b, 257, &large));
	buffers_put(b, mem[0], BUFFERS_PAGES / 8);
	ck_assert_ptr_null(buffers_get(b, 1, &small));
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

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, okay_when_storage_says_so);
	tcase_add_test(c, failed_read_says_nothing);
	tcase_add_test(c, flush_does_not_wait);
	tcase_add_test(c, flush_goes_before_its_data);
	tcase_add_test(c, barrier_drains_and_holds);
	tcase_add_test(c, barrier_fails);
	tcase_add_test(c, only_discard_is_unsupported);
	tcase_add_test(c, successor_finds_what_is_left);
	tcase_add_test(c, events_overflow);
	tcase_add_test(c, memory_is_bounded);
	tcase_add_test(c, disconnect_waits);
	tcase_add_test(c, disconnect_under_barrier);
	tcase_add_test(c, large_ones_get_memory);
	suite_add_tcase(s, c);
	return s;
}
