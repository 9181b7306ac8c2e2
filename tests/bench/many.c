// SPDX-License-Identifier: MIT
/*
 * Many guests of one disk each: what all of them get, beside one alone, and
 * what they cost while they ask for nothing.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "disk_guest.h"

#define IDLE 100u /* guests */

static struct {
	struct hyper_machine *machine;
	struct disk_guest *guest;
	unsigned int n;
	const struct disk_load *load;
} many;

/* ---- at work ---- */

static void submit(const struct disk_client *c, const unsigned int *slots,
		   unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		c->submit(c->to, slots[i], false, random_offset());
	if (n)
		c->push(c->to);
}

static uint64_t cpu_of_all(unsigned int n)
{
	uint64_t sum = 0;

	while (n--)
		sum += cpu_of(many.guest[n].drive.pid);
	return sum;
}

/* The first @n guests, each as busy as it can be. */
static struct figure drive(unsigned int n)
{
	unsigned int slots[DISK_DEPTH], i, got;
	uint64_t cpu = cpu_of_all(n), start, end, done = 0, left;
	struct disk_client c;

	pin_thread(0);
	for (i = 0; i < DISK_DEPTH; i++)
		slots[i] = i;
	start = now_ns();
	for (i = 0; i < n; i++) {
		c = disk_guest_client(&many.guest[i]);
		submit(&c, slots, DISK_DEPTH);
	}
	do {
		for (i = 0; i < n; i++) {
			c = disk_guest_client(&many.guest[i]);
			got = c.reap(c.to, slots, DISK_DEPTH);
			submit(&c, slots, got);
			done += got;
		}
		end = now_ns();
	} while (end - start < many.load->duration);
	for (i = 0; i < n; i++) {
		c = disk_guest_client(&many.guest[i]);
		for (left = DISK_DEPTH; left; left -= got)
			got = c.reap(c.to, slots, DISK_DEPTH);
	}
	return (struct figure){
		.value = (double)done * 1e9 / (double)(end - start),
		.cpu = (double)(cpu_of_all(n) - cpu) /
		       (double)(done + (uint64_t)n * DISK_DEPTH),
	};
}

static struct figure drive_all(void *arg)
{
	(void)arg;
	return drive(many.n);
}

static struct figure drive_one(void *arg)
{
	(void)arg;
	return drive(1);
}

/* ---- at rest ---- */

/* How often it went to sleep, each of which follows a wake. */
static uint64_t sleeps_of(int pid)
{
	char path[64], line[128];
	uint64_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	if (!f)
		die("%s: cannot be read", path);
	while (fgets(line, sizeof(line), f) &&
	       sscanf(line, "voluntary_ctxt_switches: %" SCNu64, &n) != 1)
		;
	fclose(f);
	return n;
}

static uint64_t sleeps_of_all(void)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < many.n; i++)
		sum += sleeps_of(many.guest[i].drive.pid);
	return sum;
}

static struct figure rest(void *arg)
{
	unsigned int seconds = options.quick ? 1 : 5;
	uint64_t before;

	(void)arg;
	usleep(200000); /* what they have been asked for last is through */
	before = sleeps_of_all();
	sleep(seconds);
	return (struct figure){.value = (double)(sleeps_of_all() - before) /
					seconds};
}

/* ---- the cases ---- */

static void grow(unsigned int n)
{
	for (; many.n < n; many.n++) {
		disk_guest_start(&many.guest[many.n], many.machine,
				 (uint16_t)(many.n + 1), 0);
		disk_guest_connect(&many.guest[many.n], many.load);
	}
}

static void at_work(unsigned int n)
{
	struct contest rate = {.unit = "req/s",
			       .ours = drive_all,
			       .peer = drive_one,
			       .peer_name = ONE_NAME};
	struct contest cost = {.unit = "ns/req",
			       .by_cpu = true,
			       .ours = drive_all,
			       .peer = drive_one,
			       .peer_name = ONE_NAME};

	snprintf(rate.name, sizeof(rate.name), "disks: %u at work", n);
	snprintf(cost.name, sizeof(cost.name), "disks: %u at work, worker cpu",
		 n);
	if (!wanted(cost.name))
		return;
	grow(n);
	contest(&rate);
	contest(&cost);
}

static void at_rest(unsigned int n)
{
	struct contest c = {.unit = "/s", .ours = rest};

	snprintf(c.name, sizeof(c.name), "disks: %u idle, wake-ups", n);
	if (!wanted(c.name))
		return;
	grow(n);
	contest(&c);
}

void bench_many(void)
{
	const struct disk_load load = {
		.fd = -1,
		.persistent = true,
		.duration = options.quick ? 100000000u : 1000000000u,
	};
	const unsigned int most = options.quick ? IDLE : 1000;
	/* A disk has some descriptors in here, and some in the broker. */
	struct rlimit files;

	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	many.load = &load;
	many.machine = hyper_local_create(NULL);
	many.guest = calloc(most, sizeof(*many.guest));
	if (!many.machine || !many.guest)
		die("no local hypervisor");
	report_title("many guests, a null disk each");
	at_work(10);
	at_work(IDLE);
	at_rest(IDLE);
	if (most > IDLE)
		at_work(most);
	while (many.n--) {
		disk_guest_disconnect(&many.guest[many.n]);
		disk_guest_stop(&many.guest[many.n]);
	}
	hyper_local_destroy(many.machine);
	free(many.guest);
}
