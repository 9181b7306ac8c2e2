/* SPDX-License-Identifier: MIT */
/*
 * A block device in one thread, over a storage that answers when and as the
 * test says, and over a hypervisor whose calls are counted. Time is the
 * test's as well. There is one device at a time.
 */
#ifndef XPV_TESTS_SCRIPT_H
#define XPV_TESTS_SCRIPT_H

#include "backend/vbd/vbd.h"
#include "frontend/user/userblk.h"

#define SCRIPT_GUEST   3
#define SCRIPT_SECTORS 65536u

struct script_options {
	struct userblk_config front;
	bool direct; /* the storage cannot have pages of the guest */
	bool discard_secure;
	uint16_t max_indirect; /* 0: what is usual */
};

struct script {
	struct hyper_machine *machine;
	struct hyper *back, *guest;
	struct worker worker;
	struct vbd *vbd;
	struct userblk *fe;
	int control;
	uint64_t now; /* ms, of the kept pages */
	struct storage_queue submitted; /* in order; the test's to answer */
	/* Calls of the backend: pages mapped and unmapped, maps that failed,
	 * copies, operations in them. */
	unsigned int maps, unmaps, refused, copies, ops;
};

extern struct script script;

void script_start(const struct script_options *o);
void script_stop(void);
/* Connect the frontend again. */
void script_connect(void);
/* Turns of the loop until nothing moves any more. */
void script_turns(void);
/* Let @ms pass for the kept pages; their timer runs out when its time is. */
void script_pass(uint64_t ms);
/* Forget what was counted. */
void script_count(void);

/*
 * Send a request of @n whole data pages from @page on; beyond what fits it is
 * an indirect one, whose descriptors are in the last data page. It goes to
 * sector 8 * @id.
 */
void script_ask(unsigned int queue, uint64_t id, uint8_t op, unsigned int page,
		unsigned int n);
/* Send a request as it is. */
void script_send(unsigned int queue, const struct xpv_blk_request *req);
/* Requests that the storage has not answered. */
unsigned int script_submitted(void);
/* The next one of them, which has to be there, after a few turns. */
struct storage_io *script_next(enum storage_op op);
/* It is for request @id (unless it is a flush) and answered with @error. */
void script_answer(enum storage_op op, uint64_t id, int error);
/* Answer everything with 0, reads with what @fill puts in (may be NULL). */
void script_answer_all(void (*fill)(struct storage_io *io));
/* The next response on this queue is this one; there is none. */
void script_expect(unsigned int queue, uint64_t id, int status);
void script_silence(unsigned int queue);

#endif
