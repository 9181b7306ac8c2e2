// SPDX-License-Identifier: MIT
#include "disk_load.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- what is asked for ---- */

uint64_t random_offset(void)
{
	static uint64_t x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (x >> 32) % (DISK_BYTES / REQUEST_SIZE) * REQUEST_SIZE;
}

int make_disk_file(const char *dir)
{
	static char block[1 << 20];
	char path[256];
	unsigned int i;
	int fd;

	snprintf(path, sizeof(path), "%s/xpv-bench-XXXXXX", dir);
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

/* ---- latencies ---- */

/* Buckets of a 32nd of a power of two: 3 % wide. */
#define STEPS	32u
#define BUCKETS (64u * STEPS)

struct latencies {
	uint32_t bucket[BUCKETS];
	uint64_t n;
};

static void latency_add(struct latencies *l, uint64_t ns)
{
	unsigned int power =
		ns < STEPS ? 0 : 58 - (unsigned int)__builtin_clzll(ns);

	l->bucket[power * STEPS + (ns >> power)]++;
	l->n++;
}

/* The upper end of the bucket that @q of all lie in or below. */
static double latency_at(const struct latencies *l, double q)
{
	uint64_t left = (uint64_t)(q * (double)l->n);
	unsigned int i, power;

	for (i = 0; i < BUCKETS - 1 && left >= l->bucket[i]; i++)
		left -= l->bucket[i];
	power = i < 2 * STEPS ? 0 : i / STEPS - 1;
	return (double)((uint64_t)(i - power * STEPS + 1) << power);
}

/* ---- the load ---- */

/* Who has not answered by then never will: ns, and how often to look. */
#define PATIENCE     10000000000u
#define SPINS_A_LOOK 65536u

uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t cpu_of(int pid)
{
	clockid_t clock;

	return clock_getcpuclockid(pid, &clock) ? 0 : clock_ns(clock);
}

struct run {
	const struct disk_client *client;
	const struct disk_load *load;
	struct latencies latencies;
	uint64_t start, now;
	uint64_t sent, done;
	uint64_t since[DISK_DEPTH];
	unsigned int idle[DISK_DEPTH], nr_idle; /* slots */
};

/* Whatever is due, as far as slots are free. */
static void send(struct run *r)
{
	const struct disk_client *c = r->client;
	uint64_t interval = r->load->interval, due = UINT64_MAX;
	unsigned int slot;
	bool any = false;

	if (interval)
		due = (r->now - r->start) / interval;
	for (; r->nr_idle && r->sent < due; r->sent++, any = true) {
		slot = r->idle[--r->nr_idle];
		/* One that is late has waited already. */
		r->since[slot] =
			interval ? r->start + (r->sent + 1) * interval : r->now;
		c->submit(c->to, slot, r->load->write, random_offset());
	}
	if (any)
		c->push(c->to);
}

static void receive(struct run *r)
{
	unsigned int slots[DISK_DEPTH], n, i;
	const struct disk_client *c = r->client;
	uint32_t spins = 0;

	while (!(n = c->reap(c->to, slots, DISK_DEPTH)) && !r->load->interval) {
		relax();
		if (!(++spins % SPINS_A_LOOK) && now_ns() - r->now > PATIENCE)
			die("%s: %u requests are not answered", c->name,
			    r->load->depth - r->nr_idle);
	}
	r->now = now_ns();
	for (i = 0; i < n; i++) {
		latency_add(&r->latencies, r->now - r->since[slots[i]]);
		r->idle[r->nr_idle++] = slots[i];
	}
	r->done += n;
}

struct figure disk_drive(const struct disk_client *client,
			 const struct disk_load *load)
{
	struct run *r = calloc(1, sizeof(*r));
	struct figure f;
	uint64_t cpu = cpu_of(client->pid);

	if (!r)
		die("no memory for latencies");
	r->client = client;
	r->load = load;
	while (r->nr_idle < load->depth)
		r->idle[r->nr_idle] = r->nr_idle, r->nr_idle++;
	pin_thread(0);
	r->start = r->now = now_ns();
	do {
		send(r);
		receive(r);
	} while (r->now - r->start < load->duration);
	f.value = (double)r->done * 1e9 / (double)(r->now - r->start);
	while (r->nr_idle < load->depth)
		receive(r);
	f.cpu = (double)(cpu_of(client->pid) - cpu) / (double)r->done;
	f.p50 = latency_at(&r->latencies, 0.5);
	f.p99 = latency_at(&r->latencies, 0.99);
	f.p999 = latency_at(&r->latencies, 0.999);
	free(r);
	return f;
}
