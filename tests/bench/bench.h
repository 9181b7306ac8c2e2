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
double median(double *values, size_t n);
static inline void relax(void)
{
	__asm__ __volatile__("pause" ::: "memory");
}
/* Ends the benchmark with a line that says why. */
__attribute__((format(printf, 1, 2), noreturn)) void die(const char *fmt, ...);
bool wanted(const char *name);

/* A cache line to the other core and back, ns. */
double probe(void);

/* ---- report.c ---- */

struct measure {
	char name[96];
	double value;
	const char *unit;
	const char *peer; /* NULL: none */
	double peer_value;
	/* How many times as good as the peer; more is better for us. */
	double ratio;
};

void report_title(const char *title);
void report(const struct measure *m);
/* A line of its own under the table. */
__attribute__((format(printf, 1, 2))) void report_note(const char *fmt, ...);
void report_write(const char *path);

/* ---- rounds.c ---- */

#define ROUNDS(quick) ((quick) ? 3u : 5u)

/*
 * Measure both sides in turn, at least three good rounds (see above) if they
 * can be had. Each side returns its figure; a higher one is better.
 */
struct contest {
	double (*ours)(void *arg);
	double (*peer)(void *arg);
	void *arg;
	/* results: of the round with the median ratio */
	double value, peer_value, ratio, probe;
	unsigned int good, dropped;
};

void contest_run(struct contest *c);

/* ---- the benchmarks ---- */

void bench_ring(void);
void bench_disk(void);
/* @words: settings of a disk, NAME=NUMBER,... */
void bench_setting(char *words, uint64_t requests);

#endif
