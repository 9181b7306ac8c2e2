/* SPDX-License-Identifier: MIT */
/*
 * The world of a supervisor, played: the store (with ring/hyper's own rules,
 * in this thread), workers that answer when they are told to, a clock that
 * goes when it is told to, errands that take as long as they are told to.
 * These take the place of hyper_open(), process.c, errand.c and what else of
 * the supervisor leads outside; the rest of it is the product's.
 */
#ifndef XPV_FUZZ_PLAY_H
#define XPV_FUZZ_PLAY_H

#include "backend/ipc.h"
#include "backend/supervisor/device.h"
#include "hyper/local_xs.h"
#include "tests/fuzz/common/host.h"

/* ---- clock.c ---- */

extern uint64_t play_usec; /* 0: the real clock */

/* ---- store.c ---- */

#define PLAY_DOMAINS 16u

extern struct play_store {
	struct lxs_store store;
	struct lxs_client toolstack, guest[PLAY_DOMAINS];
	bool alive[PLAY_DOMAINS];
	bool down; /* nobody can connect */
	bool emptied; /* it has forgotten everything at least once */
	unsigned int fails_in; /* one operation of so many; 0: none */
	unsigned int conflicts; /* transactions to be told EAGAIN */
	uint16_t undisturbed; /* a domain; 0: none */
} play;

void play_store_start(void);
void play_store_stop(void);
/* xenstored is killed; and started again, with what it had or nothing. */
void play_store_kill(void);
void play_store_restart(bool empty);
/* A domain is made, for the @life-th time; or has gone. */
void play_domain(uint16_t domid, unsigned int life);
void play_domain_gone(uint16_t domid);
/* NULL: there is none. Valid until the store is next changed. */
const char *play_read(const char *dir, const char *key);
/* As that client may; -errno. */
int play_write(struct lxs_client *who, const char *dir, const char *key,
	       const char *value);
int play_number(struct lxs_client *who, const char *dir, const char *key,
		uint32_t value);
/* @key NULL: all of it. */
void play_rm(struct lxs_client *who, const char *dir, const char *key);
/* For states.c: the supervisor has moved a device from state to state. */
void states_moved(const char *back, unsigned int from, unsigned int to);

/* ---- worker.c ---- */

#define PLAY_WORKERS 64u /* that live, or are not known to be dead */
#define PLAY_DEVICES 8u /* of a worker */

struct play_device {
	struct ipc_device id;
	bool there, connected;
	int fds[IPC_MAX_FDS];
	unsigned int nr_fds;
};

struct play_worker {
	uint16_t domid;
	pid_t pid; /* 0: never started */
	bool alive;
	bool told; /* to end */
	bool liar; /* what it said is no use as evidence */
	int sock, kept; /* its end, and the supervisor's, for the next one */
	int ended; /* an eventfd, readable when it has */
	struct play_device device[PLAY_DEVICES];
};

extern struct play_worker play_worker[PLAY_WORKERS];

/* The one of a domain that lives and was not told to end; NULL: none. */
struct play_worker *play_worker_of(uint16_t domid);
struct play_device *play_device(struct play_worker *w, struct ipc_device id);
/*
 * Take one request and answer it: as the product's worker does, or with
 * @error, or a lie. False: nobody asks.
 */
enum play_answer { PLAY_GOOD, PLAY_ERROR, PLAY_LIE };
bool play_worker_answer(struct play_worker *w, enum play_answer how,
			int32_t error, uint32_t lie);
/* Unasked. */
void play_worker_say(struct play_worker *w, const struct ipc_msg *msg);
void play_worker_die(struct play_worker *w);
/* Forget all of them; none may have anything open then. */
void play_workers_stop(void);

/* ---- outside.c ---- */

extern unsigned int play_taps_fail; /* so many of the next ones */

/* The oldest errand has come to its end. False: there is none. */
bool play_errand_ends(void);

#endif
