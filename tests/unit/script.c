// SPDX-License-Identifier: MIT
#include "script.h"

#include <check.h>
#include <string.h>
#include <unistd.h>

/* Ahead of the loop's own clock, so that time passes in script_pass() only. */
#define AHEAD_MS 3600000u

struct script script;

/* ---- the storage ---- */

static struct {
	struct storage storage;
	struct storage_queue answered; /* told to the vbd by the next kick */
} disk;

static void disk_submit(struct storage *s, struct storage_io *io)
{
	(void)s;
	STAILQ_INSERT_TAIL(&script.submitted, io, next);
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
	return SCRIPT_SECTORS * 512ull;
}

static void disk_close(struct storage *s)
{
	(void)s;
	ck_assert(STAILQ_EMPTY(&script.submitted));
}

static const struct storage_ops disk_ops = {
	.submit = disk_submit,
	.kick = disk_kick,
	.arm = disk_arm,
	.size = disk_size,
	.close = disk_close,
};

/* ---- the hypervisor ---- */

static const struct hyper_ops *real;
static struct hyper_ops counting;

static void *count_map(struct hyper *h, uint16_t domid, const uint32_t *grefs,
		       unsigned int n, int prot)
{
	void *addr = real->map(h, domid, grefs, n, prot);

	if (addr)
		script.maps += n;
	else
		script.refused++;
	return addr;
}

static int count_unmap(struct hyper *h, void *addr, unsigned int n)
{
	script.unmaps += n;
	return real->unmap(h, addr, n);
}

static int count_copy(struct hyper *h, struct hyper_copy *ops, unsigned int n)
{
	script.copies++;
	script.ops += n;
	return real->copy(h, ops, n);
}

void script_count(void)
{
	script.maps = 0;
	script.unmaps = 0;
	script.refused = 0;
	script.copies = 0;
	script.ops = 0;
}

static void hook_hyper(void)
{
	real = script.back->ops;
	counting = *real;
	counting.map = count_map;
	counting.unmap = count_unmap;
	counting.copy = count_copy;
	script.back->ops = &counting;
	script_count();
}

/* ---- time ---- */

static uint64_t clock_ms(void)
{
	return script.now;
}

void script_pass(uint64_t ms)
{
	struct loop_timer *timer = &script.vbd->kept.timer;

	script.now += ms;
	if (!timer->set || timer->when > script.now)
		return;
	loop_timer_cancel(timer);
	timer->expired(timer);
}

/* ---- the device ---- */

static struct hyper *open_hyper(uint16_t domid, unsigned int parts)
{
	char spec[256];
	struct hyper *h;

	hyper_local_spec(script.machine, domid, spec, sizeof(spec));
	h = hyper_open(spec, parts);
	ck_assert_ptr_nonnull(h);
	return h;
}

void script_connect(void)
{
	const struct userblk *fe = script.fe;
	struct ipc_vbd_connect c = {
		.abi = fe->config.x86_32,
		.ring_order = fe->config.ring_order,
		.nr_queues = fe->config.nr_queues,
		.persistent = fe->config.persistent,
	};
	struct reason why;
	unsigned int i;

	for (i = 0; i < c.nr_queues; i++) {
		memcpy(c.queue[i].gref, fe->queue[i].gref,
		       sizeof(c.queue[i].gref));
		c.queue[i].port = fe->queue[i].port;
	}
	ck_assert_int_eq(vbd_connect(script.vbd, &c, &why), 0);
	script.now = loop_now() + AHEAD_MS;
	if (c.persistent)
		script.vbd->kept.clock = clock_ms;
}

void script_start(const struct script_options *o)
{
	const struct ipc_vbd_attach a = {
		.sectors = SCRIPT_SECTORS,
		.sector_size = 512,
		.direct = o->direct,
		.discard = true,
		.max_queues = IPC_MAX_QUEUES,
		.max_ring_order = XPV_BLKIF_MAX_RING_ORDER,
		.discard_secure = o->discard_secure,
		.max_indirect = o->max_indirect ? o->max_indirect
						: XPV_BLKIF_OFFER_SEGS,
	};
	int sock[2];

	memset(&script, 0, sizeof(script));
	script.machine = hyper_local_create(NULL);
	ck_assert_ptr_nonnull(script.machine);
	ck_assert_int_eq(
		hyper_local_domain_create(script.machine, SCRIPT_GUEST), 0);
	script.back = open_hyper(0, HYPER_GRANT | HYPER_EVTCHN);
	hook_hyper();
	script.guest = open_hyper(SCRIPT_GUEST, HYPER_SHARE | HYPER_EVTCHN);
	ck_assert_int_eq(ipc_pair(sock), 0);
	script.control = sock[0];
	ck_assert_int_eq(worker_init(&script.worker, SCRIPT_GUEST, script.back,
				     sock[1]),
			 0);
	disk.storage.ops = &disk_ops;
	STAILQ_INIT(&script.submitted);
	STAILQ_INIT(&disk.answered);
	script.vbd = vbd_make(&script.worker,
			      (struct ipc_device){.class = IPC_VBD}, &a, -1);
	ck_assert_ptr_nonnull(script.vbd);
	script.vbd->storage = &disk.storage;
	script.fe = userblk_new(script.guest, &o->front);
	ck_assert_ptr_nonnull(script.fe);
	script_connect();
	script_count();
}

void script_turns(void)
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		ck_assert_int_eq(loop_turn(script.worker.loop, false), 0);
}

void script_stop(void)
{
	vbd_disconnect(script.vbd, false);
	ck_assert_int_eq(script.vbd->state, VBD_IDLE);
	ck_assert_uint_eq(script.vbd->common->buffers.in_use, 0);
	ck_assert_uint_eq(script.vbd->common->mapped_pages, 0);
	vbd_detach(script.vbd);
	worker_fini(&script.worker);
	ck_assert_int_eq(userblk_free(script.fe), 0);
	hyper_close(script.guest);
	hyper_close(script.back);
	hyper_local_destroy(script.machine);
	close(script.control);
}

/* ---- what a test says ---- */

void script_send(unsigned int queue, const struct xpv_blk_request *req)
{
	ck_assert(userblk_submit(script.fe, queue, req));
	userblk_push(script.fe, queue);
}

void script_ask(unsigned int queue, uint64_t id, uint8_t op, unsigned int page,
		unsigned int n)
{
	struct xpv_blk_request req = {
		.id = id,
		.op = op,
		.sector = 8 * id,
		.nr_sectors = op == XPV_BLKIF_DISCARD ? 8 : 0,
	};

	if (n > XPV_BLKIF_DIRECT_SEGS)
		userblk_indirect(script.fe, &req,
				 script.fe->config.data_pages - 1, page, n);
	else
		userblk_segments(script.fe, &req, page, n);
	script_send(queue, &req);
}

unsigned int script_submitted(void)
{
	struct storage_io *io;
	unsigned int n = 0;

	STAILQ_FOREACH(io, &script.submitted, next)
		n++;
	return n;
}

struct storage_io *script_next(enum storage_op op)
{
	struct storage_io *io;

	script_turns();
	io = STAILQ_FIRST(&script.submitted);
	ck_assert_ptr_nonnull(io);
	ck_assert_int_eq(io->op, op);
	return io;
}

static void answer(struct storage_io *io, int error)
{
	STAILQ_REMOVE_HEAD(&script.submitted, next);
	io->attempt = error;
	STAILQ_INSERT_TAIL(&disk.answered, io, next);
}

void script_answer(enum storage_op op, uint64_t id, int error)
{
	struct storage_io *io = script_next(op);

	if (op != STORAGE_FLUSH)
		ck_assert_uint_eq(io->offset, 4096 * id);
	answer(io, error);
	script_turns();
}

void script_answer_all(void (*fill)(struct storage_io *io))
{
	struct storage_io *io;

	script_turns();
	while ((io = STAILQ_FIRST(&script.submitted))) {
		if (fill && io->op == STORAGE_READ)
			fill(io);
		answer(io, 0);
	}
	script_turns();
}

void script_expect(unsigned int queue, uint64_t id, int status)
{
	struct xpv_blk_response rsp;

	script_turns();
	ck_assert_int_eq(userblk_reap(script.fe, queue, &rsp, 1), 1);
	ck_assert_uint_eq(rsp.id, id);
	ck_assert_int_eq(rsp.status, status);
}

void script_silence(unsigned int queue)
{
	struct xpv_blk_response rsp;

	script_turns();
	ck_assert_int_eq(userblk_reap(script.fe, queue, &rsp, 1), 0);
}
