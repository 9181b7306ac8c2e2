/* SPDX-License-Identifier: MIT */
/*
 * What every target on the engines stands on: a local machine with one guest,
 * a worker whose loop turns in our thread, and pages of the guest. All of it
 * is made once, for the first input; an input leaves it as it found it.
 */
#ifndef XPV_FUZZ_HOST_H
#define XPV_FUZZ_HOST_H

#include <stdbool.h>

#include "backend/worker/worker.h"
#include "barrier.h"
#include "hyper/hyper.h"

#define HOST_GUEST 7

/* What libFuzzer calls, once an input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property of the product; what does not hold is a finding. */
#define FUZZ_CHECK(what)                                                       \
	do {                                                                   \
		if (!(what))                                                   \
			fuzz_failed(#what, __FILE__, __LINE__);                \
	} while (0)
/* Something that we need ourselves. */
#define FUZZ_NEED(what) FUZZ_CHECK(what)

__attribute__((noreturn)) void fuzz_failed(const char *what, const char *file,
					   int line);

struct host {
	struct hyper_machine *machine;
	struct hyper *back, *front;
	struct worker worker;
	int control; /* the supervisor's end */
};

extern struct host host;

/* Make it, the first time. */
void host_start(void);
/* A turn that would sleep if it could: all that is done before that is done. */
void host_turn(void);
/* Such a loop finds something to wake it each time. */
void host_keep_awake(struct loop *loop, struct loop_source *src);
/* Pages of the guest that are granted to us, and their references. */
void *host_share(unsigned int n, bool writable, uint32_t *grefs);
uint32_t host_port(void);
/* The guest has taken every event. */
void host_drain_events(void);

/*
 * A grant that the fuzzer chooses: one of the first @n of @grefs, or one that
 * is none.
 */
uint32_t host_gref(uint8_t choice, const uint32_t *grefs, unsigned int n);

#endif
