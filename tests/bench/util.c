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

static uint32_t ball __attribute__((aligned(64)));

static void *return_ball(void *arg)
{
	uint32_t i;

	(void)arg;
	pin_thread(1);
	for (i = 1; i < 2 * PROBE_TRIPS; i += 2) {
		while (__atomic_load_n(&ball, __ATOMIC_ACQUIRE) != i)
			relax();
		__atomic_store_n(&ball, i + 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

double probe(void)
{
	pthread_t thread;
	uint64_t start;
	uint32_t i;

	ball = 0;
	pin_thread(0);
	if (pthread_create(&thread, NULL, return_ball, NULL))
		die("no thread for the probe");
	/* The first trip waits for the thread. */
	__atomic_store_n(&ball, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&ball, __ATOMIC_ACQUIRE) != 2)
		relax();
	start = now_ns();
	for (i = 3; i < 2 * PROBE_TRIPS; i += 2) {
		__atomic_store_n(&ball, i, __ATOMIC_RELEASE);
		while (__atomic_load_n(&ball, __ATOMIC_ACQUIRE) != i + 1)
			relax();
	}
	start = now_ns() - start;
	pthread_join(thread, NULL);
	return (double)start / (PROBE_TRIPS - 1);
}
