// SPDX-License-Identifier: MIT
/*
 * Usage: sim [-n STEPS] [SEED...]
 *
 * Runs each seed for STEPS (20000) steps, those of tests/sim/seeds if none is
 * named, and says of each what happened in it. A line "sim: seed S, step N:"
 * and exit status 1: something that must not be; the same seed shows it again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim.h"

#define SEEDS "tests/sim/seeds"

struct sim sim;

unsigned int sim_chance(unsigned int n)
{
	/* xorshift64*, Vigna 2014 */
	sim.random ^= sim.random >> 12;
	sim.random ^= sim.random << 25;
	sim.random ^= sim.random >> 27;
	return (unsigned int)((sim.random * 2685821657736338717u) >> 33) % n;
}

void sim_note(uint64_t what)
{
	sim.digest = (sim.digest ^ what) * 1099511628211u;
}

_Noreturn void sim_fail(const char *file, int line, const char *what)
{
	fprintf(stderr,
		"sim: seed %" PRIu64 ", %s, step %" PRIu64 ": %s:%d: %s\n",
		sim.seed, sim.scene->name, sim.step, file, line, what);
	_exit(1);
}

static struct hyper *open_guest(void)
{
	char spec[256];
	struct hyper *h;

	hyper_local_spec(sim.machine, SIM_GUEST, spec, sizeof(spec));
	h = hyper_open(spec, HYPER_SHARE | HYPER_EVTCHN);
	SIM_MUST(h);
	return h;
}

/* What happens next; who is not named here goes on by itself. */
static void step(void)
{
	unsigned int what = sim_chance(1000);

	if (what < 400)
		sim.scene->guest_acts();
	else if (what < 960)
		sim.scene->worker_turns();
	else if (what < 990)
		sim.now_usec += sim_chance(20000);
	else if (what < 995 && !sim.dies_in)
		sim.dies_in = 1 + sim_chance(20);
	else if (what < 996)
		sim.now_usec += 90000000; /* all timers of an idle device */
	else if (what < 999)
		sim.scene->strikes();
	else if (!sim_chance(4))
		sim.scene->reconnects();
	sim_note(what);
}

static void play(const struct scene *scene, uint64_t seed, uint64_t steps)
{
	memset(&sim, 0, sizeof(sim));
	sim.scene = scene;
	sim.seed = seed;
	sim.random = seed * 0x9e3779b97f4a7c15u + 1;
	sim.digest = 14695981039346656037u;
	sim.now_usec = 1000000;
	sim.machine = hyper_local_create(NULL);
	SIM_MUST(sim.machine);
	SIM_MUST(!hyper_local_domain_create(sim.machine, SIM_GUEST));
	sim.guest = open_guest();
	scene->start();
	for (sim.step = 0; sim.step < steps; sim.step++)
		step();
	scene->stop();
	hyper_close(sim.guest);
	hyper_local_destroy(sim.machine);
	printf("seed %" PRIu64 ", %s: %" PRIu64 " steps, %" PRIu64
	       " requests, %" PRIu64 " with an error, %" PRIu64
	       " connections, %" PRIu64 " workers died, %" PRIu64
	       " sleeps, %" PRIu64 " faults; digest %016" PRIx64 "\n",
	       seed, scene->name, steps, sim.requests, sim.errors,
	       sim.connections, sim.deaths, sim.sleeps, sim.faults, sim.digest);
}

static void run(uint64_t seed, uint64_t steps)
{
	play(&disk_scene, seed, steps);
	play(&net_scene, seed, steps);
}

/* A decimal number, and nothing else. */
static uint64_t number(const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 10);

	if (!*text || *end) {
		fprintf(stderr, "sim: \"%s\": expected a number\n", text);
		exit(2);
	}
	return n;
}

static void run_file(uint64_t steps)
{
	FILE *file = fopen(SEEDS, "re");
	char line[256];

	if (!file) {
		perror(SEEDS);
		exit(2);
	}
	while (fgets(line, sizeof(line), file))
		if (line[0] != '#' && line[0] != '\n')
			run(strtoull(line, NULL, 10), steps);
	fclose(file);
}

int main(int argc, char **argv)
{
	uint64_t steps = 20000;
	int c;

	while ((c = getopt(argc, argv, "n:")) != -1) {
		if (c != 'n') {
			fputs("usage: sim [-n STEPS] [SEED...]\n", stderr);
			return 2;
		}
		steps = number(optarg);
	}
	if (optind == argc)
		run_file(steps);
	for (; optind < argc; optind++)
		run(number(argv[optind]), steps);
	return 0;
}
