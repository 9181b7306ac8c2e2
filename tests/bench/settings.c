// SPDX-License-Identifier: MIT
/*
 * One disk with the settings of --setting, and what a request costs with them:
 * counts, which are the same on a busy machine and on an idle one.
 *
 * The worker's loop and the guest take turns in one thread: the guest keeps
 * its rings as full as it may, the worker does one turn. So nobody waits for
 * the other's core, and every run is the same run. tests/bench/settings.sh
 * compares settings with the defaults this way.
 */
#include "bench.h"
#include "disk_load.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backend/worker/worker.h"
#include "frontend/user/drive.h"
#include "frontend/user/userblk.h"

#define GUEST 1
#define DISK  51712
/* The defaults are those of xpv-blkfront and of [disk] in xpvd.conf. */
enum {
	PERSISTENT,
	ORDER,
	INDIRECT,
	QUEUES,
	DEPTH,
	SIZE,
	WRITE,
	NO_MEDIUM,
	SETTINGS
};

static struct {
	const char *name;
	unsigned int value, min, max;
} setting[SETTINGS] = {
	[PERSISTENT] = {"persistent", 1, 0, 1},
	[ORDER] = {"order", 0, 0, XPV_BLKIF_MAX_RING_ORDER},
	[INDIRECT] = {"indirect", 256, 0, XPV_BLKIF_MAX_SEGS},
	[QUEUES] = {"queues", 1, 1, USERBLK_MAX_QUEUES},
	[DEPTH] = {"depth", 32, 1, 512}, /* of all queues together */
	[SIZE] = {"size", 4096, 4096, 4 << 20}, /* of what the guest asks for */
	[WRITE] = {"write", 0, 0, 1},
	[NO_MEDIUM] = {"null", 0, 0, 1}, /* the disk is none */
};

static struct {
	struct hyper_machine *machine;
	struct hyper *guest, *host;
	struct hyper_ops ops; /* the host's, counted */
	struct worker worker;
	struct drive drive; /* the supervisor's end */
	struct userblk *fe;
	int fd;
	bool asking; /* the supervisor waits for an answer */
	/* of each queue, ids that are free: the last one used comes first */
	unsigned int id[USERBLK_MAX_QUEUES][512], free[USERBLK_MAX_QUEUES];
	unsigned int segs, ids; /* of a request on the ring, of a ring */
	uint64_t sector;
} rig;

static struct {
	uint64_t maps, copies, copy_calls, copied, events, calls, sent, done;
} count;

/* ---- the hypervisor, counted ---- */

static void *count_map(struct hyper *h, uint16_t domid, const uint32_t *grefs,
		       unsigned int n, int prot)
{
	count.maps += n;
	return rig.ops.map(h, domid, grefs, n, prot);
}

static int count_copy(struct hyper *h, struct hyper_copy *ops, unsigned int n)
{
	unsigned int i;

	count.copy_calls++;
	count.copies += n;
	for (i = 0; i < n; i++)
		count.copied += ops[i].len;
	return rig.ops.copy(h, ops, n);
}

static int count_notify(struct hyper *h, uint32_t port)
{
	count.events++;
	return rig.ops.evtchn_notify(h, port);
}

static void count_calls(void)
{
	static struct hyper_ops counted;

	rig.ops = *rig.host->ops;
	counted = rig.ops;
	counted.map = count_map;
	counted.copy = count_copy;
	counted.evtchn_notify = count_notify;
	rig.host->ops = &counted;
}

/* ---- set up ---- */

static void answered(void)
{
	__atomic_store_n(&rig.asking, false, __ATOMIC_RELEASE);
}

static void *attach(void *arg)
{
	struct ipc_vbd_attach a = {
		.sectors = DISK_BYTES / 512,
		.sector_size = 512,
		.max_queues = IPC_MAX_QUEUES,
		.max_ring_order = XPV_BLKIF_MAX_RING_ORDER,
		.max_indirect = XPV_BLKIF_MAX_SEGS,
	};

	(void)arg;
	if (drive_attach(&rig.drive, DISK, rig.fd, &a) ||
	    drive_connect(&rig.drive, DISK, rig.fe))
		die("disk: %s", rig.drive.text);
	answered();
	return NULL;
}

static void *detach(void *arg)
{
	(void)arg;
	if (drive_simple(&rig.drive, DISK, IPC_DETACH))
		die("disk: %s", rig.drive.text);
	answered();
	return NULL;
}

/* What the supervisor does, in a thread of its own while the worker serves. */
static void supervise(void *(*ask)(void *arg))
{
	pthread_t thread;

	rig.asking = true;
	if (pthread_create(&thread, NULL, ask, NULL))
		die("no thread");
	while (__atomic_load_n(&rig.asking, __ATOMIC_ACQUIRE)) {
		loop_turn(rig.worker.loop, false);
		usleep(100);
	}
	pthread_join(thread, NULL);
}

static void make_files(void)
{
	rig.fd = setting[NO_MEDIUM].value ? -1 : make_disk_file(options.dir);
	rig.drive.legacy = memfd_create("legacy", MFD_CLOEXEC);
	if (ftruncate(rig.drive.legacy, sizeof(struct ipc_vbd_legacy)))
		die("no memory for what workers leave behind");
}

/* Ids have their pages, one more for the table of an indirect request. */
static void make_front(void)
{
	unsigned int queues = setting[QUEUES].value, q, i, segs;
	struct userblk_config c = {
		.ring_order = (uint8_t)setting[ORDER].value,
		.nr_queues = (uint8_t)queues,
		.persistent = setting[PERSISTENT].value,
	};
	size_t ring = (size_t)XPV_PAGE_SIZE << c.ring_order;

	segs = setting[INDIRECT].value;
	if (segs < XPV_BLKIF_DIRECT_SEGS)
		segs = XPV_BLKIF_DIRECT_SEGS;
	if (segs > setting[SIZE].value / XPV_PAGE_SIZE)
		segs = setting[SIZE].value / XPV_PAGE_SIZE;
	rig.segs = segs;
	rig.ids = xpv_ring_entries(ring, xpv_blkif_native.slot_size);
	i = setting[DEPTH].value * (setting[SIZE].value / XPV_PAGE_SIZE) / segs;
	i = (i + queues - 1) / queues;
	if (rig.ids > i)
		rig.ids = i;
	c.data_pages = queues * rig.ids * (segs + 1);
	rig.fe = userblk_new(rig.guest, &c);
	if (!rig.fe)
		die("no frontend");
	for (q = 0; q < queues; q++)
		for (i = 0; i < rig.ids; i++)
			rig.id[q][rig.free[q]++] = i;
}

static void start(void)
{
	char spec[256];
	int sock[2];

	rig.machine = hyper_local_create(NULL);
	if (!rig.machine || hyper_local_domain_create(rig.machine, GUEST))
		die("no local hypervisor");
	hyper_local_spec(rig.machine, GUEST, spec, sizeof(spec));
	rig.guest = hyper_open(spec, HYPER_SHARE | HYPER_EVTCHN);
	hyper_local_spec(rig.machine, 0, spec, sizeof(spec));
	rig.host = hyper_open(spec, HYPER_GRANT | HYPER_EVTCHN);
	if (!rig.guest || !rig.host || ipc_pair(sock))
		die("no handles on the hypervisor");
	count_calls();
	rig.drive.control = sock[0];
	if (worker_init(&rig.worker, GUEST, rig.host, sock[1]))
		die("no worker");
	make_files();
	make_front();
	supervise(attach);
}

static void stop(void)
{
	supervise(detach);
	worker_fini(&rig.worker);
	close(rig.drive.control);
	close(rig.drive.legacy);
	if (rig.fd >= 0)
		close(rig.fd);
	hyper_close(rig.host);
	userblk_free(rig.fe);
	hyper_close(rig.guest);
	hyper_local_destroy(rig.machine);
}

/* ---- the load ---- */

static void submit(unsigned int q)
{
	unsigned int id = rig.id[q][--rig.free[q]];
	unsigned int page = (q * rig.ids + id) * (rig.segs + 1);
	struct xpv_blk_request req = {
		.id = id,
		.op = setting[WRITE].value ? XPV_BLKIF_WRITE : XPV_BLKIF_READ,
		.sector = rig.sector,
	};

	if (rig.segs > XPV_BLKIF_DIRECT_SEGS)
		userblk_indirect(rig.fe, &req, page, page + 1, rig.segs);
	else
		userblk_segments(rig.fe, &req, page + 1, rig.segs);
	/* Strides that are no neighbours, within the disk whatever the size. */
	rig.sector += 8ull * 521 * rig.segs;
	rig.sector %= (DISK_BYTES - (4u << 20)) / 512 / 8 * 8;
	if (!userblk_submit(rig.fe, q, &req))
		die("the ring is full with requests unanswered");
	count.sent++;
}

/* As an interrupt does it: what is there, until there is none. */
static void reap(unsigned int q)
{
	struct xpv_blk_response rsp[64];
	int i, n;

	while (xpv_front_final_check(&rig.fe->queue[q].front)) {
		n = userblk_reap(rig.fe, q, rsp, 64);
		for (i = 0; i < n; i++) {
			if (rsp[i].status)
				die("request failed");
			rig.id[q][rig.free[q]++] = (unsigned int)rsp[i].id;
			count.done++;
		}
		if (n < 0)
			die("the worker broke the ring");
	}
}

static void take_events(void)
{
	int port;

	while ((port = rig.guest->ops->evtchn_next(rig.guest)) >= 0)
		rig.guest->ops->evtchn_unmask(rig.guest, (uint32_t)port);
}

/* By this name settings.sh finds what is the load's: no turn of set-up. */
__attribute__((noinline)) static void serve_load(bool may_sleep)
{
	count.calls++;
	loop_turn(rig.worker.loop, may_sleep);
}

static void run(uint64_t requests)
{
	unsigned int q, sent;

	while (count.done < requests) {
		take_events();
		for (q = 0; q < setting[QUEUES].value; q++) {
			reap(q);
			for (sent = 0; rig.free[q] && count.sent < requests;
			     sent++)
				submit(q);
			if (sent)
				userblk_push(rig.fe, q);
		}
		serve_load(count.done < count.sent);
	}
}

/* ---- the command line ---- */

/* "persistent=0,size=65536" */
static void parse(char *words)
{
	unsigned int i, value;
	char *word, *save;

	for (word = strtok_r(words, ",", &save); word;
	     word = strtok_r(NULL, ",", &save)) {
		char *equals = strchr(word, '=');

		if (!equals)
			die("%s: not NAME=NUMBER", word);
		*equals = '\0';
		for (i = 0; i < SETTINGS; i++)
			if (!strcmp(word, setting[i].name))
				break;
		if (i == SETTINGS)
			die("%s: no such setting", word);
		value = (unsigned int)strtoul(equals + 1, NULL, 10);
		if (value < setting[i].min || value > setting[i].max)
			die("%s=%u: expected %u..%u", word, value,
			    setting[i].min, setting[i].max);
		setting[i].value = value;
	}
}

/* One line; each figure is per request of the size that the guest asked for. */
void bench_setting(char *words, uint64_t requests)
{
	double each = (double)requests;
	struct timespec begin, end;
	uint64_t pieces;

	parse(words);
	start();
	pieces = requests * (setting[SIZE].value / XPV_PAGE_SIZE) / rig.segs;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
	run(pieces);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	printf("ns=%.0f ring=%.2f turns=%.3f events=%.3f maps=%.3f "
	       "copy_calls=%.3f copies=%.2f copied=%.0f\n",
	       ((double)(end.tv_sec - begin.tv_sec) * 1e9 +
		(double)(end.tv_nsec - begin.tv_nsec)) /
		       each,
	       (double)pieces / each, (double)count.calls / each,
	       (double)count.events / each, (double)count.maps / each,
	       (double)count.copy_calls / each, (double)count.copies / each,
	       (double)count.copied / each);
	stop();
}
