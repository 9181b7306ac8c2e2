/* SPDX-License-Identifier: MIT */
/*
 * A simulation: a guest, its disk's backend and all that may go wrong between
 * and below them, in one thread, on a scheduler and a clock that a seed
 * decides. The backend is the product's: ring, vbd, storage/file.c, loop. What
 * is played is the guest (guest.c), the disk (../unit/model_disk.h), and what
 * the hypervisor, the clock and death do to a worker (faults.c).
 *
 * A seed always runs the same way: what it found once it finds again.
 */
#ifndef XPV_TESTS_SIM_H
#define XPV_TESTS_SIM_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/vbd/vbd.h"
#include "frontend/user/userblk.h"
#include "tests/unit/model_disk.h"

#define SIM_GUEST 3

struct sim {
	uint64_t seed, random, digest;
	uint64_t step;
	uint64_t now_usec;
	struct hyper_machine *machine;
	struct hyper *guest, *back;
	struct userblk *fe;
	struct model_disk *disk;
	struct worker worker;
	struct vbd *vbd;
	/* a turn of the worker is under way, and may end in its death */
	bool in_turn;
	unsigned int dies_in; /* so many calls out of the worker; 0: not */
	jmp_buf death;
	/* in epoll_wait(), until an event or its time */
	bool asleep;
	uint64_t wakes_usec; /* UINT64_MAX: no time */
	/* what happened: for the word at the end */
	uint64_t requests, errors, deaths, connections, sleeps, faults;
};

extern struct sim sim;

/* 0 to @n - 1. */
unsigned int sim_chance(unsigned int n);
/* What happened, for the digest. */
void sim_note(uint64_t what);
/* Says which seed and step, and ends the program. */
_Noreturn void sim_fail(const char *file, int line, const char *what);
#define SIM_MUST(x)                                                            \
	do {                                                                   \
		if (!(x))                                                      \
			sim_fail(__FILE__, __LINE__, #x);                      \
	} while (0)

/* faults.c */
/* A handle of the backend, over which calls fail now and then. */
struct hyper *faults_open(void);

/* backend.c */
void backend_start(enum storage_cache cache);
void backend_stop(void);
void backend_connect(bool resumed);
void backend_disconnect(void);
/* If it is awake; it may die in it, and another one goes on. */
void backend_turn(void);

/* guest.c */
void guest_start(bool durable);
void guest_stop(void);
/* One of the things that a guest does. */
void guest_act(void);
/* New rings, of another kind; what is under way ends before. */
void guest_reconnect(void);
/* All that was asked for is answered. */
void guest_settle(void);
/* The power fails: is there what has to be? */
void guest_cut_power(void);

#endif
