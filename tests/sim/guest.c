// SPDX-License-Identifier: MIT
/*
 * A guest that writes, reads, flushes and sets barriers at random, and knows
 * what it may find: in each sector what was last answered or a later version,
 * and after a loss of power what was flushed or a later one. Nobody writes to
 * a sector that is being written. Each request is answered once.
 */
#include <string.h>

#include "sim.h"

#define SECTORS	 MODEL_SECTORS
#define SLOTS	 16 /* requests in flight */
#define MAX_PAGE 4 /* pages of one */
#define QUEUES	 3

struct slot {
	bool used;
	bool hopeless; /* asked for after a flush had failed */
	uint8_t op, queue;
	uint64_t number; /* the requests are counted */
	uint64_t sector, sectors;
	/* of every sector what was answered when it was asked for */
	uint32_t then[SECTORS];
};

static struct {
	bool durable; /* an answer is all it takes */
	struct slot slot[SLOTS];
	unsigned int in_flight;
	uint32_t issued[SECTORS]; /* the last version of each sector */
	uint32_t answered[SECTORS]; /* the last one that was answered: OK */
	uint32_t certain[SECTORS]; /* what a power cut must not undo */
	bool busy[SECTORS]; /* being written */
	/* by which request, of which queue, a sector was last written */
	uint64_t number[SECTORS];
	uint8_t queue[SECTORS];
	bool woken[QUEUES]; /* there was an event */
	bool flush_failed; /* of this disk, and stays so */
} knows;

/* ---- sectors ---- */

/* It is whole, and at least @least. */
static void judge(const void *data, uint64_t sector, uint32_t least)
{
	uint32_t version;

	SIM_MUST(model_disk_whole(data, sector, &version));
	SIM_MUST(version >= least);
	SIM_MUST(version <= knows.issued[sector]);
}

static void judge_after_cut(const void *data, void *sector)
{
	uint64_t n = *(const uint64_t *)sector;

	judge(data, n, knows.certain[n]);
}

void guest_cut_power(void)
{
	for (uint64_t sector = 0; sector < SECTORS; sector++)
		model_disk_cut(sim.disk, sector, judge_after_cut, &sector);
}

/* ---- requests ---- */

static unsigned int page_of(const struct slot *s)
{
	return (unsigned int)(s - knows.slot) * MAX_PAGE;
}

static uint8_t *data_of(const struct slot *s, uint64_t sector)
{
	return (uint8_t *)userblk_page(sim.fe, page_of(s)) +
	       512 * (sector - s->sector);
}

static bool writes(const struct slot *s)
{
	return s->sectors && s->op != XPV_BLKIF_READ;
}

static bool is_busy(uint64_t sector, uint64_t n)
{
	while (n--)
		if (knows.busy[sector + n])
			return true;
	return false;
}

static struct slot *free_slot(void)
{
	for (unsigned int i = 0; i < SLOTS; i++)
		if (!knows.slot[i].used)
			return &knows.slot[i];
	return NULL;
}

static void fill(struct slot *s)
{
	for (uint64_t n = s->sector; n < s->sector + s->sectors; n++) {
		knows.busy[n] = true;
		model_disk_stamp(data_of(s, n), n, ++knows.issued[n]);
	}
}

static void ask(uint8_t op, uint64_t sector, unsigned int pages)
{
	struct xpv_blk_request req = {.op = op, .sector = sector};
	struct slot *s = free_slot();

	if (!s || (op != XPV_BLKIF_READ && is_busy(sector, 8ul * pages)))
		return;
	*s = (struct slot){.op = op, .sector = sector, .sectors = 8ul * pages};
	s->hopeless = knows.flush_failed;
	s->queue = (uint8_t)sim_chance(sim.fe->config.nr_queues);
	memcpy(s->then, knows.answered, sizeof(s->then));
	req.id = (uint64_t)(s - knows.slot);
	userblk_segments(sim.fe, &req, page_of(s), pages);
	if (!userblk_submit(sim.fe, s->queue, &req))
		return;
	s->used = true;
	s->number = ++sim.requests;
	if (writes(s))
		fill(s);
	knows.in_flight++;
}

static void ask_anything(void)
{
	static const uint8_t ops[] = {
		XPV_BLKIF_WRITE, XPV_BLKIF_WRITE,	  XPV_BLKIF_WRITE,
		XPV_BLKIF_READ,	 XPV_BLKIF_READ,	  XPV_BLKIF_READ,
		XPV_BLKIF_FLUSH, XPV_BLKIF_WRITE_BARRIER,
	};
	uint8_t op = ops[sim_chance(sizeof(ops))];
	unsigned int pages = 1 + sim_chance(MAX_PAGE);

	if (op == XPV_BLKIF_FLUSH && sim_chance(4))
		pages = 0;
	ask(op, sim_chance((unsigned int)(SECTORS - 8 * pages + 1)), pages);
}

/* ---- answers ---- */

static void note_written(const struct slot *s, bool good, bool durable)
{
	for (uint64_t n = s->sector; n < s->sector + s->sectors; n++) {
		knows.busy[n] = false;
		/* One that failed may be there in part, or not at all. */
		if (!good)
			continue;
		knows.answered[n] = knows.issued[n];
		knows.number[n] = s->number;
		knows.queue[n] = s->queue;
		if (durable)
			knows.certain[n] = knows.issued[n];
	}
}

/* A barrier is behind all that its queue was asked for before it. */
static bool is_behind(const struct slot *s, uint64_t sector)
{
	return s->op == XPV_BLKIF_WRITE_BARRIER &&
	       knows.queue[sector] == s->queue &&
	       knows.number[sector] < s->number;
}

static void note_flushed(const struct slot *s)
{
	SIM_MUST(!s->hopeless);
	for (uint64_t n = 0; n < SECTORS; n++) {
		uint32_t least =
			is_behind(s, n) ? knows.answered[n] : s->then[n];

		if (knows.certain[n] < least)
			knows.certain[n] = least;
	}
	guest_cut_power();
}

static void note_answer(unsigned int queue, const struct xpv_blk_response *rsp)
{
	bool good = rsp->status == XPV_BLKIF_OKAY, flushes;
	struct slot *s = &knows.slot[rsp->id];

	SIM_MUST(rsp->id < SLOTS);
	SIM_MUST(s->used && s->queue == queue && s->op == rsp->op);
	SIM_MUST(good || rsp->status == XPV_BLKIF_ERROR);
	flushes = s->op == XPV_BLKIF_FLUSH || s->op == XPV_BLKIF_WRITE_BARRIER;
	if (writes(s))
		note_written(s, good, flushes || knows.durable);
	else if (good)
		for (uint64_t n = s->sector; n < s->sector + s->sectors; n++)
			judge(data_of(s, n), n, s->then[n]);
	if (good && flushes)
		note_flushed(s);
	/* What cannot have failed for another reason. */
	knows.flush_failed |= !good && flushes && !s->sectors;
	sim_note(rsp->id << 8 | good);
	sim.errors += !good;
	s->used = false;
	knows.in_flight--;
}

/* As an interrupt does: until the backend knows to tell of the next one. */
static void reap(unsigned int queue)
{
	struct xpv_blk_response rsp[SLOTS];
	int n;

	knows.woken[queue] = false;
	do {
		n = userblk_reap(sim.fe, queue, rsp, SLOTS);
		SIM_MUST(n >= 0);
		for (int i = 0; i < n; i++)
			note_answer(queue, &rsp[i]);
	} while (xpv_front_final_check(&sim.fe->queue[queue].front));
}

static void listen(void)
{
	const struct hyper_ops *ops = sim.guest->ops;
	int port;

	while ((port = ops->evtchn_next(sim.guest)) >= 0) {
		ops->evtchn_unmask(sim.guest, (uint32_t)port);
		for (unsigned int i = 0; i < sim.fe->config.nr_queues; i++)
			knows.woken[i] |=
				sim.fe->queue[i].port == (uint32_t)port;
	}
}

static void take_answers(void)
{
	listen();
	for (unsigned int i = 0; i < sim.fe->config.nr_queues; i++)
		if (knows.woken[i])
			reap(i);
}

void guest_act(void)
{
	unsigned int queue = sim_chance(sim.fe->config.nr_queues);

	switch (sim_chance(4)) {
	case 0:
	case 1:
		ask_anything();
		return;
	case 2:
		userblk_push(sim.fe, queue);
		return;
	default:
		take_answers();
		return;
	}
}

/* Nobody is told anything but what the rings say has to be told. */
void guest_settle(void)
{
	for (unsigned int i = 0; i < sim.fe->config.nr_queues; i++)
		userblk_push(sim.fe, i);
	for (unsigned int n = 0; knows.in_flight; n++) {
		SIM_MUST(n < 100000);
		backend_turn();
		take_answers();
		sim.now_usec += 100;
	}
}

/* ---- connections ---- */

static void connect_anew(void)
{
	struct userblk_config config = {.data_pages = SLOTS * MAX_PAGE};

	config.nr_queues = (uint8_t)(1 + sim_chance(QUEUES));
	config.ring_order = (uint8_t)sim_chance(3);
	config.persistent = sim_chance(2);
	config.x86_32 = sim_chance(2);
	sim.fe = userblk_new(sim.guest, &config);
	SIM_MUST(sim.fe);
	backend_connect(false);
}

void guest_reconnect(void)
{
	guest_settle();
	guest_cut_power();
	backend_disconnect();
	/* -EBUSY if anything were still mapped. */
	SIM_MUST(!userblk_free(sim.fe));
	connect_anew();
}

void guest_start(bool durable)
{
	memset(&knows, 0, sizeof(knows));
	knows.durable = durable;
	connect_anew();
}

void guest_stop(void)
{
	guest_settle();
	guest_cut_power();
	backend_disconnect();
	SIM_MUST(!userblk_free(sim.fe));
}
