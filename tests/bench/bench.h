/* SPDX-License-Identifier: MIT */
/*
 * What the files of the benchmark share.
 *
 * The distance of two cores of a rented machine changes within seconds, and
 * with it every figure between cores. So nothing is compared that was not
 * measured side by side: probe, ours, peer, probe; a round whose two probes
 * disagree is dropped; a row is the round whose ratio is the median.
 */
#ifndef XPV_BENCH_H
#define XPV_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench_options {
	bool quick;
	const char *worker; /* the xpv-worker to measure */
	const char *qemu; /* the qemu-storage-daemon that is its peer */
	const char *dir; /* of the file under the disk */
	const char *json;
	const char *only; /* part of the names to measure, or NULL */
};

extern struct bench_options options;

/* ---- util.c ---- */

uint64_t now_ns(void);
/* Keep the calling thread, or a process, on one processor. */
void pin_thread(int cpu);
void pin_process(int pid, int cpu);
static inline void relax(void)
{
	__asm__ __volatile__("pause" ::: "memory");
}
/* Ends the benchmark with a line that says why. */
__attribute__((format(printf, 1, 2), noreturn)) void die(const char *fmt, ...);
bool wanted(const char *name);

/* A cache line to the other core and back, ns. */
double probe(void);

/* ---- rounds.c ---- */

/* Seen in one run of one side. */
struct figure {
	double value;
	double p50, p99, p999; /* ns; all 0: not looked at */
	double cpu; /* processor time a request, ns; 0: not looked at */
};

/*
 * Both sides in turn, at least three good rounds (see above) if they can be
 * had.
 */
struct contest {
	char name[64];
	const char *unit; /* of ->value */
	const char *peer_name; /* NULL: there is none */
	struct figure (*ours)(void *arg);
	struct figure (*peer)(void *arg);
	void *arg;
	bool by_cpu; /* the value is the processor time of each side */
	/* results: of the round with the median ratio */
	struct figure value, peer_value;
	double ratio; /* ours / peer, whatever the unit */
	double low, high; /* of all good rounds */
	double probe;
	unsigned int good, dropped;
};

/* Runs and reports it, unless --only leaves it out. */
void contest(struct contest *c);

/* ---- goals.c ---- */

/*
 * What the ratio, or without a peer the value, is to be. @near and @far: with
 * cores that are near each other, and with others.
 */
struct goal {
	const char *name, *peer;
	bool at_most; /* or: at least */
	double near, far;
};

/* A round trip of a cache line, ns, that tells near from far. */
#define PROBE_FAR 150

/* NULL: none was set. */
const struct goal *goal_of(const struct contest *c);
double goal_bound(const struct goal *g, double probe);
bool goal_reached(const struct goal *g, const struct contest *c);

/* ---- report.c ---- */

void report_title(const char *title);
void report(const struct contest *c);
void report_write(const char *path);

/* ---- the benchmarks ---- */

void bench_ring(void);
void bench_disk(void);
void bench_many(void);
/* @words: settings of a disk, NAME=NUMBER,... */
void bench_setting(char *words, uint64_t requests);

#endif
