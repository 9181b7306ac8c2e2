// SPDX-License-Identifier: MIT
#include "bench.h"

#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("bench: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(EXIT_FAILURE);
}

bool wanted(const char *name)
{
	return !options.only || strstr(name, options.only);
}

void pin_process(int pid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	/* On a machine of one processor all share it. */
	sched_setaffinity(pid, sizeof(set), &set);
}

void pin_thread(int cpu)
{
	pin_process(0, cpu);
}

/* ---- probe ---- */

#define PROBE_TRIPS 20000u
/* On a machine that has other things to do a trip may take a time slice. */
#define PROBE_NS  100000000u
#define PROBE_END UINT32_MAX

static uint32_t ball __attribute__((aligned(64)));

static uint32_t await_other(uint32_t than)
{
	uint32_t seen;

	while ((seen = __atomic_load_n(&ball, __ATOMIC_ACQUIRE)) == than)
		relax();
	return seen;
}

/* Odd ones go there, even ones come back. */
static void *return_ball(void *arg)
{
	uint32_t last = 0;

	pin_thread(1);
	while ((last = await_other(last)) != PROBE_END)
		__atomic_store_n(&ball, ++last, __ATOMIC_RELEASE);
	return arg;
}

static void send_ball(uint32_t i)
{
	__atomic_store_n(&ball, i, __ATOMIC_RELEASE);
	await_other(i);
}

double probe(void)
{
	pthread_t thread;
	uint64_t start, ns;
	uint32_t trips = 0;

	ball = 0;
	pin_thread(0);
	if (pthread_create(&thread, NULL, return_ball, NULL))
		die("no thread for the probe");
	/* The first trip waits for the thread. */
	send_ball(1);
	start = now_ns();
	do {
		send_ball(2 * ++trips + 1);
		ns = trips % 64 ? 0 : now_ns() - start;
	} while (trips < PROBE_TRIPS && ns < PROBE_NS);
	ns = now_ns() - start;
	__atomic_store_n(&ball, PROBE_END, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	return (double)ns / trips;
}
