// SPDX-License-Identifier: MIT
/*
 * Whole disk requests: a userspace frontend on one core, an xpv-worker
 * process on the other, a ring between them over the local hypervisor.
 *
 * The frontend polls for responses, as a guest's driver under load does
 * behind its interrupt; the worker sleeps and is woken as it likes.
 */
#include "bench.h"
#include "disk_load.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/user/drive.h"
#include "frontend/user/userblk.h"

#define GUEST	 1
#define DISK	 51712
#define MAX_NOTE 4000000u /* latencies kept of one measurement */

static struct {
	struct hyper_machine *machine;
	struct hyper *guest;
	struct drive drive;
	struct userblk *fe;
} lab;

uint64_t random_offset(void)
{
	static uint64_t x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (x >> 32) % (DISK_BYTES / REQUEST_SIZE) * REQUEST_SIZE;
}

uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t worker_cpu(void)
{
	clockid_t clock;

	return clock_getcpuclockid(lab.drive.pid, &clock) ? 0 : clock_ns(clock);
}

/* ---- latencies ---- */

void latency_add(struct latencies *l, uint64_t ns)
{
	if (l->n < l->max)
		l->ns[l->n++] = ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

double latency_at(struct latencies *l, double q)
{
	if (!l->n)
		return 0;
	qsort(l->ns, l->n, sizeof(*l->ns), compare);
	return l->ns[(size_t)(q * (double)(l->n - 1))];
}

/* ---- our side ---- */

static void start_lab(void)
{
	struct userblk_config c = {.data_pages = DISK_DEPTH};
	char spec[256];
	int err;

	lab.machine = hyper_local_create(NULL);
	if (!lab.machine || hyper_local_domain_create(lab.machine, GUEST))
		die("no local hypervisor");
	hyper_local_spec(lab.machine, GUEST, spec, sizeof(spec));
	lab.guest = hyper_open(spec, HYPER_SHARE | HYPER_EVTCHN);
	hyper_local_spec(lab.machine, 0, spec, sizeof(spec));
	err = drive_start(&lab.drive, options.worker, spec, GUEST);
	if (!lab.guest || err)
		die("no worker");
	pin_process(lab.drive.pid, 1);
	lab.fe = userblk_new(lab.guest, &c);
	if (!lab.fe)
		die("no frontend");
}

static void stop_lab(void)
{
	int status = drive_stop(&lab.drive);

	if (status)
		die("the worker ended with status %d", status);
	userblk_free(lab.fe);
	hyper_close(lab.guest);
	hyper_local_destroy(lab.machine);
}

static void connect_disk(int fd, bool persistent)
{
	struct ipc_vbd_attach a = {
		.sectors = DISK_BYTES / 512,
		.sector_size = 512,
		.max_queues = IPC_MAX_QUEUES,
		.max_ring_order = XPV_BLKIF_MAX_RING_ORDER,
		.max_indirect = XPV_BLKIF_MAX_SEGS,
	};

	userblk_reset(lab.fe);
	lab.fe->config.persistent = persistent;
	if (drive_attach(&lab.drive, DISK, fd, &a) ||
	    drive_connect(&lab.drive, DISK, lab.fe))
		die("disk: %s", lab.drive.text);
}

static void disconnect_disk(void)
{
	if (drive_simple(&lab.drive, DISK, IPC_DETACH))
		die("disk: %s", lab.drive.text);
}

static void queue(unsigned int slot, bool write)
{
	struct xpv_blk_request req = {
		.id = slot,
		.op = write ? XPV_BLKIF_WRITE : XPV_BLKIF_READ,
		.sector = random_offset() / 512,
	};

	userblk_segments(lab.fe, &req, slot, 1);
	userblk_submit(lab.fe, 0, &req);
}

/* Wait for responses, note how long they took, follow each with a request. */
static unsigned int turn(struct disk_load *load, uint64_t *sent)
{
	struct xpv_blk_response rsp[DISK_DEPTH];
	uint64_t now;
	int i, n;

	while (!(n = userblk_reap(lab.fe, 0, rsp, DISK_DEPTH)))
		relax();
	if (n < 0)
		die("the worker broke the ring");
	now = now_ns();
	for (i = 0; i < n; i++) {
		if (rsp[i].status)
			die("request failed");
		latency_add(&load->latencies, now - sent[rsp[i].id]);
		sent[rsp[i].id] = now;
		queue((unsigned int)rsp[i].id, load->write);
	}
	userblk_push(lab.fe, 0);
	return (unsigned int)n;
}

static double disk_ours(void *arg)
{
	struct disk_load *load = arg;
	struct xpv_blk_response rsp[DISK_DEPTH];
	uint64_t sent[DISK_DEPTH], start, end, cpu, done = 0;
	unsigned int i, left = load->depth;

	pin_thread(0);
	connect_disk(load->fd, load->persistent);
	load->latencies.n = 0;
	cpu = worker_cpu();
	start = now_ns();
	for (i = 0; i < load->depth; i++) {
		sent[i] = start;
		queue(i, load->write);
	}
	userblk_push(lab.fe, 0);
	do {
		done += turn(load, sent);
		end = now_ns();
	} while (end - start < load->duration);
	while (left)
		left -= (unsigned int)userblk_reap(lab.fe, 0, rsp, DISK_DEPTH);
	load->cpu = (double)(worker_cpu() - cpu) / (double)done;
	disconnect_disk();
	return (double)done * 1e9 / (double)(end - start);
}

/* ---- what is measured ---- */

int make_disk_file(void)
{
	static char block[1 << 20];
	char path[256];
	unsigned int i;
	int fd;

	snprintf(path, sizeof(path), "%s/xpv-bench-XXXXXX", options.dir);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		die("%s: cannot be made", path);
	unlink(path);
	memset(block, 'x', sizeof(block));
	for (i = 0; i < DISK_BYTES / sizeof(block); i++)
		if (write(fd, block, sizeof(block)) != sizeof(block))
			die("%s: cannot be filled", path);
	/* Or the page cache is busy with writing back. */
	fsync(fd);
	return fd;
}

static void report_latency(const char *name, struct latencies *l)
{
	static const double at[] = {0.5, 0.99, 0.999};
	static const char *const label[] = {"p50", "p99", "p99.9"};
	struct measure m = {.unit = "ns"};
	unsigned int i;

	for (i = 0; i < 3; i++) {
		snprintf(m.name, sizeof(m.name), "%.64s %s", name, label[i]);
		m.value = latency_at(l, at[i]);
		report(&m);
	}
}

/* This one can be believed even on a machine that has other things to do. */
static void report_cpu(const char *name, const struct disk_load *load,
		       const char *peer)
{
	struct measure m = {.unit = "cpu ns", .value = load->cpu};

	snprintf(m.name, sizeof(m.name), "%.64s worker", name);
	m.peer = peer;
	m.peer_value = load->peer_cpu;
	m.ratio = load->peer_cpu / load->cpu;
	report(&m);
}

static void measure(const char *what, struct disk_load *load)
{
	struct contest c = {.ours = disk_ours, .arg = load};
	struct measure m = {.unit = "req/s"};

	snprintf(m.name, sizeof(m.name), "disk %s %s qd%u", what,
		 load->write ? "write" : "read", load->depth);
	if (!wanted(m.name))
		return;
	if (load->fd >= 0)
		c.peer = disk_peer;
	contest_run(&c);
	m.value = c.value;
	if (c.peer) {
		m.peer = "raw io_uring";
		m.peer_value = c.peer_value;
		m.ratio = c.ratio;
	}
	report(&m);
	report_cpu(m.name, load, m.peer);
	report_latency(m.name, &load->latencies);
	report_note("%.0f ns a request, probe %.0f ns, %u rounds, %u dropped",
		    1e9 / c.value, c.probe, c.good, c.dropped);
}

static void measure_depths(const char *what, struct disk_load *load)
{
	static const unsigned int depths[] = {1, 8, 32};
	unsigned int i;

	for (i = 0; i < 3; i++) {
		load->depth = depths[i];
		measure(what, load);
	}
}

void bench_disk(void)
{
	struct disk_load load = {
		.duration = options.quick ? 100000000u : 1000000000u,
		.latencies = {.max = MAX_NOTE},
	};
	int fd = make_disk_file();

	load.latencies.ns = malloc(MAX_NOTE * sizeof(uint32_t));
	if (!load.latencies.ns)
		die("no memory for latencies");
	report_title("disk over the local hypervisor, 4 KiB, random");
	start_lab();
	load.fd = -1;
	measure_depths("null", &load);
	load.fd = fd;
	load.persistent = true;
	measure_depths("page cache", &load);
	load.write = true;
	measure_depths("page cache", &load);
	load.persistent = false;
	measure_depths("page cache, copied,", &load);
	load.write = false;
	measure_depths("page cache, copied,", &load);
	stop_lab();
	free(load.latencies.ns);
	close(fd);
}
