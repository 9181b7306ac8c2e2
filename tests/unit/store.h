/* SPDX-License-Identifier: MIT */
/*
 * A storage on a file in memory, in a loop that turns until its requests are
 * done; over one of the engines, or over one that answers what it is told.
 * There is one at a time.
 */
#ifndef XPV_TESTS_STORE_H
#define XPV_TESTS_STORE_H

#include "backend/reason.h"
#include "backend/storage/engine.h"
#include "backend/storage/storage.h"
#include "backend/worker/loop.h"

/* Each answer is for one system call, in the order of the requests. */
struct store_script {
	struct engine engine;
	const ssize_t *answers;
	struct storage_queue queue;
	/* What the attempts were. */
	struct attempt seen[16];
	unsigned int nr_seen;
};

struct store {
	struct hyper_machine *machine;
	struct hyper *hyper;
	struct loop *loop;
	struct storage *storage;
	int file; /* 1 MiB */
	struct storage_config config; /* of what is opened next */
	/* as it was told last, and how often */
	struct storage_health health;
	unsigned int nr_changes;
	/* in the order in which they came */
	int results[512];
	unsigned int nr_results;
	unsigned char out[1 << 16], in[1 << 16];
	struct store_script script;
	char dir[32], path[64]; /* a temporary folder, and a name in it */
};

extern struct store store;

struct store_request {
	struct storage_io io;
	struct iovec iov[4];
};

/* Those that there are, for loop tests. */
#define STORE_ENGINES 2
extern const enum storage_engine store_engines[STORE_ENGINES];

void store_start(void);
void store_stop(void);
void store_make_dir(void);
void store_remove_dir(void);
/* At store.path. */
void store_make_file(off_t size);
/* Takes @fd over. */
void store_open(enum storage_engine engine, int fd);
/* The same on the store's file, over the engine of @answers. */
void store_answer(const ssize_t *answers);

void store_submit(struct store_request *r, enum storage_op op, uint64_t offset,
		  void *buf, uint64_t length);
/* Until @n requests are done: their results are the first ones. */
void store_wait(unsigned int n);
/* One request, done: its result. */
int store_call(enum storage_op op, uint64_t offset, void *buf, uint64_t length);

#endif
