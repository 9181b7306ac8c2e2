// SPDX-License-Identifier: MIT
/*
 * Guests of which one in ten is hostile: what the others notice. Each of the
 * others reads 4 KiB now and then; meanwhile the hostile ones, which share one
 * processor as a guest's would, flood their workers with events, with requests
 * of all sizes, good and bad, and the store with states.
 *
 * XPV_GUESTS=100: so many; XPV_P99=1.5: the others' p99 must stay within that
 * of what it is when the hostile ones are quiet, which a busy machine cannot
 * promise. What any machine can: the others' workers have no more to do than
 * their own guests ask of them. The figures are on stderr.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "frontend/user/userblk.h"
#include "livedisk.h"
#include "soak.h"
#include "suites.h"

#define FIRST	10 /* domain */
#define USUAL	20
#define MOST	250
#define TENTH	10
#define READS	1000
#define PATIENT 5000 /* ms */
#define SLEEPS	"voluntary_ctxt_switches:"

static struct host host;
static struct livedisk *disks;
static unsigned int nr_disks;

static bool hostile(unsigned int i)
{
	return i % TENTH == TENTH - 1;
}

static void setup(void)
{
	const char *text = getenv("XPV_GUESTS");

	nr_disks = text ? (unsigned int)strtoul(text, NULL, 10) : USUAL;
	ck_assert_msg(nr_disks >= TENTH && nr_disks <= MOST,
		      "XPV_GUESTS=\"%s\": expected %d to %d", text, TENTH,
		      MOST);
	disks = calloc(nr_disks, sizeof(*disks));
	ck_assert_ptr_nonnull(disks);
	host_setup(&host);
	for (unsigned int i = 0; i < nr_disks; i++) {
		host_domain(&host, (uint16_t)(FIRST + i), "a");
		livedisk_open(&disks[i], &host, (uint16_t)(FIRST + i));
	}
}

static void teardown(void)
{
	for (unsigned int i = 0; i < nr_disks; i++)
		livedisk_close(&disks[i]);
	host_teardown(&host);
	free(disks);
}

/* ---- the hostile ones, in a process of their own ---- */

/* Its ring full of reads that are good, too long, or of no kind at all. */
static void flood_with_requests(struct livedisk *k)
{
	struct xpv_blk_request req = {.op = XPV_BLKIF_READ};
	struct xpv_blk_response rsp[32];

	for (; userblk_submit(k->fe, 0, &req); req.id++) {
		userblk_segments(k->fe, &req, 0, 1 + req.id % 4);
		req.sector = req.id % 7 ? req.id % 64 : UINT32_MAX;
		req.op = req.id % 5 ? XPV_BLKIF_READ : (uint8_t)(req.id % 251);
	}
	userblk_push(k->fe, 0);
	userblk_reap(k->fe, 0, rsp, 32);
}

static void flood_with_events(struct livedisk *k)
{
	for (unsigned int n = 0; n < 1000; n++)
		k->guest->ops->evtchn_notify(k->guest, k->fe->queue[0].port);
}

/* All that its own directory may hold, but states that end the device. */
static void flood_the_store(struct livedisk *k, struct hyper *store)
{
	static const char *const states[] = {"3", "4", "9", "0", "x", "4"};

	for (unsigned int n = 0; n < 6; n++)
		hyper_writef(store, 0, k->dev.front, xpv_key(XPV_KEY_STATE),
			     "%s", states[n]);
}

static void be_hostile(struct hyper_machine *machine)
{
	struct hyper *store[MOST];
	char spec[HOST_PATH];
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned int i = TENTH - 1; i < nr_disks; i += TENTH) {
		hyper_local_spec(machine, (uint16_t)(FIRST + i), spec,
				 sizeof(spec));
		store[i] = hyper_open(spec, HYPER_STORE);
		if (!store[i])
			_exit(EXIT_FAILURE);
	}
	for (unsigned int turn = 0;; turn++)
		for (unsigned int i = TENTH - 1; i < nr_disks; i += TENTH) {
			flood_with_requests(&disks[i]);
			if (turn % 3 == 0)
				flood_with_events(&disks[i]);
			if (turn % 64 == 0)
				flood_the_store(&disks[i], store[i]);
		}
}

static pid_t start_hostile(void)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (!pid)
		be_hostile(host.machine);
	return pid;
}

/* ---- the others ---- */

/* So far, of all their workers. */
struct work {
	uint64_t cpu_ns;
	unsigned long sleeps;
};

static FILE *open_proc(unsigned int domid, const char *name)
{
	char path[HOST_PATH];
	FILE *file;
	int pid = 0;

	snprintf(path, sizeof(path), "%s/run/worker-%u", host.dir, domid);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%d", &pid), 1);
	fclose(file);
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	return file;
}

static void add_work(struct work *w, unsigned int domid)
{
	FILE *file = open_proc(domid, "schedstat");
	unsigned long long ns = 0;
	char line[128];

	/* 0 on a kernel that does not count. */
	if (fscanf(file, "%llu", &ns) == 1)
		w->cpu_ns += ns;
	fclose(file);
	file = open_proc(domid, "status");
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, SLEEPS, strlen(SLEEPS)))
			w->sleeps += strtoul(line + strlen(SLEEPS), NULL, 10);
	fclose(file);
}

static struct work work_so_far(void)
{
	struct work w = {0};

	for (unsigned int i = 0; i < nr_disks; i++)
		if (!hostile(i))
			add_work(&w, FIRST + i);
	return w;
}

/* What it was for a read. */
static void tell_work(const char *when, const struct work *since,
		      const struct work *till)
{
	fprintf(stderr,
		"hostile_tenth: %s: %.1f us of a processor, %.2f sleeps of a "
		"worker for a read\n",
		when, (double)(till->cpu_ns - since->cpu_ns) / 1000 / READS,
		(double)(till->sleeps - since->sleeps) / READS);
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Of @nr reads, each by the next guest; in us. */
static double p99(unsigned int nr)
{
	static uint64_t took[READS];
	unsigned int guest = 0;

	for (unsigned int n = 0; n < nr; n++, guest = (guest + 1) % nr_disks) {
		struct xpv_blk_request req = {.op = XPV_BLKIF_READ, .id = n};
		struct livedisk *k;
		int status = -1;

		guest += hostile(guest);
		guest %= nr_disks;
		k = &disks[guest];
		userblk_segments(k->fe, &req, 0, 1);
		took[n] = now_ns();
		ck_assert_int_eq(userblk_call(k->fe, 0, &req, PATIENT, &status),
				 0);
		took[n] = now_ns() - took[n];
		ck_assert_int_eq(status, 0);
		usleep(200);
	}
	qsort(took, nr, sizeof(took[0]), by_size);
	return (double)took[nr * 99 / 100] / 1000;
}

START_TEST(others_hardly_notice)
{
	const char *bound = getenv("XPV_P99");
	struct work first = work_so_far(), between, last;
	double quiet = p99(READS), beside, ratio;
	pid_t pid;

	between = work_so_far();
	pid = start_hostile();
	beside = p99(READS);
	last = work_so_far();
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ratio = beside / quiet;
	fprintf(stderr,
		"hostile_tenth: %u guests; p99 of a read of 4 KiB by the good "
		"ones: %.1f us, and %.1f us beside the hostile ones: %.2f "
		"times as long\n",
		nr_disks, quiet, beside, ratio);
	tell_work("quiet", &first, &between);
	tell_work("beside", &between, &last);
	ck_assert_uint_le(last.sleeps - between.sleeps,
			  (between.sleeps - first.sleeps) * 3 / 2 + nr_disks);
	for (unsigned int i = 0; i < nr_disks; i++)
		if (!hostile(i))
			stays_connected(&disks[i].dev);
	if (bound)
		ck_assert_double_le(ratio, strtod(bound, NULL));
	soak_count(2 * READS, "reads");
}
END_TEST

Suite *hostile_tenth_suite(void)
{
	Suite *s = suite_create("hostile_tenth");
	TCase *tc = tcase_create("tenth");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, others_hardly_notice);
	suite_add_tcase(s, tc);
	return s;
}
