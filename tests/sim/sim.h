/* SPDX-License-Identifier: MIT */
/*
 * A simulation: a guest, the backend of its disk or its NIC, and all that may
 * go wrong between and below them, in one thread, on a scheduler and a clock
 * that a seed decides. The backend is the product's: ring, vbd with
 * storage/file.c, vif, loop. What is played is the guest (guest.c,
 * net_guest.c), the disk (../unit/model_disk.h), the wire (wire.c), and what
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
#include "backend/vif/queue.h"
#include "frontend/user/userblk.h"
#include "frontend/user/usernet.h"
#include "tests/unit/model_disk.h"

#define SIM_GUEST 3

/* Two scenes, and a seed plays both: a disk (disk.c), a NIC (net.c). */
struct scene {
	const char *name;
	void (*start)(void);
	void (*stop)(void);
	/* What may happen: to the guest, to the worker, now and then. */
	void (*guest_acts)(void);
	void (*worker_turns)(void);
	void (*strikes)(void);
	void (*reconnects)(void);
};

extern const struct scene disk_scene, net_scene;

struct sim {
	const struct scene *scene;
	uint64_t seed, random, digest;
	uint64_t step;
	uint64_t now_usec;
	struct hyper_machine *machine;
	struct hyper *guest, *back;
	struct worker worker;
	struct userblk *fe; /* of a disk, as the next two */
	struct model_disk *disk;
	struct vbd *vbd;
	struct vif *vif; /* of a NIC */
	/* a turn of the worker is under way, and may end in its death */
	bool in_turn;
	unsigned int dies_in; /* so many calls out of the worker; 0: not */
	jmp_buf death;
	/* in epoll_wait(), until an event or its time */
	bool asleep;
	bool kicked; /* by something else than an event */
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
/* The worker leaves its own code: it may be for ever. */
void faults_may_die(void);
/* A handle of the backend, over which calls fail now and then. */
struct hyper *faults_open(void);

/* turn.c */
/*
 * A turn of the worker, if it is awake, with what of it shows after; it may
 * die in it, and then @replace has another one go on.
 */
void turn_of_worker(void (*replace)(void));

/* backend.c */
void backend_start(enum storage_cache cache);
void backend_stop(void);
void backend_connect(bool resumed);
void backend_disconnect(void);
/* If it is awake; it may die in it, and another one goes on. */
void backend_turn(void);

/* guest.c, but with another name for each guest */
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

/* nic.c: a worker with a NIC */
#define NET_QUEUES 2u
void nic_start(void);
void nic_stop(void);
void nic_connect(bool resumed);
void nic_disconnect(void);
void nic_turn(void);
/* Of all queues together, over all workers. */
uint64_t nic_count(enum vif_counter counter);
/* Frames that it has read and the guest has not got. */
unsigned int nic_holds(unsigned int queue);

/* wire.c: what is behind the NIC; frames are numbered by queue */
#define WIRE_FRAMES 64u /* that wait for the guest, of a queue */
void wire_start(void);
/* The worker's end of a queue: a descriptor to hand over. */
int wire_fd(unsigned int queue);
/* A frame for the guest; false: as many wait as may. */
bool wire_give(unsigned int queue, uint32_t len);
unsigned int wire_waits(unsigned int queue);
/* That the worker has taken. */
uint32_t wire_taken(unsigned int queue);
/* Frames from the guest have got away, some or all of them. */
void wire_drains(bool all);
void wire_stop(void);
/* The bytes of such a frame. */
#define WIRE_MAX 16384u
#define WIRE_MIN 60u
void wire_frame(uint8_t *to, bool to_guest, unsigned int queue, uint32_t number,
		uint32_t len);
bool wire_whole(const uint8_t *data, uint32_t len, bool to_guest,
		unsigned int queue, uint32_t *number);

/* net_guest.c */
extern struct usernet *net_queue[NET_QUEUES];
extern struct ipc_vif_connect net_connection; /* but for what nic.c knows */
void net_guest_start(void);
void net_guest_stop(void);
void net_guest_act(void);
void net_guest_reconnect(void);
/* A frame of the guest's has come to the wire; false: it has no room. */
void net_guest_left(const uint8_t *data, uint32_t len, unsigned int queue,
		    bool room);
/* The worker is dead: what was under way may come twice, or be lost. */
void net_guest_worker_died(void);

#endif
