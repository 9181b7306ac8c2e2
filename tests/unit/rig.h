/* SPDX-License-Identifier: MIT */
/*
 * A local machine with one guest, its worker in a thread of the test or in a
 * process of its own, as the product has it, a disk
 * on a file in memory and a userspace frontend on it. Everything a test needs
 * to talk to a block device that is the real one but for the hypervisor.
 */
#ifndef XPV_TESTS_RIG_H
#define XPV_TESTS_RIG_H

#include <pthread.h>

#include "backend/worker/worker.h"
#include "frontend/user/drive.h"
#include "frontend/user/userblk.h"

#define RIG_GUEST	7
#define RIG_DISK	51712
#define RIG_WAIT	10000 /* ms that no answer takes */
#define RIG_STATUS_NONE 1000

struct rig_options {
	uint64_t sectors; /* 0: 4096 */
	uint32_t sector_size; /* 0: 512 */
	bool read_only;
	bool discard;
	bool discard_secure;
	bool direct; /* as if the file had been opened with O_DIRECT */
	bool null;
	uint16_t max_indirect; /* 0: what is usual */
	const char *path; /* an existing file instead of one in memory */
	bool process; /* the worker is a program, which can be killed */
	struct userblk_config front;
};

struct rig {
	struct rig_options options;
	struct hyper_machine *machine;
	struct hyper *guest;
	struct drive drive;
	struct userblk *fe;
	int fd; /* of the file, the test's own */
	/* the worker's thread, unless it is a process */
	pthread_t thread;
	int control;
	int result;
	char spec[256];
};

/* Machine, worker, disk and frontend, connected. */
void rig_start(struct rig *rig, const struct rig_options *options);
/* Disconnects, and fails the test if the worker still maps anything. */
void rig_stop(struct rig *rig);

/* The worker process is killed, and another one goes on with the ring. */
void rig_kill(struct rig *rig);

/* The parts of the two. */
void rig_boot(struct rig *rig, const struct rig_options *options);
void rig_attach(struct rig *rig);
void rig_halt(struct rig *rig);
struct userblk *rig_front(struct rig *rig);

/* A request of @n whole data pages from the first one on. */
struct xpv_blk_request rig_request(struct rig *rig, uint8_t op, uint64_t sector,
				   unsigned int n);
/* One request, answered: its status. Fails the test if it is not. */
int rig_call(struct rig *rig, const struct xpv_blk_request *req);
/* One request of @n whole pages from data page @page on. */
int rig_pages(struct rig *rig, enum xpv_blkif_op op, uint64_t sector,
	      unsigned int page, unsigned int n);
/* The ring is alive and the disk works. */
void rig_check_alive(struct rig *rig);
/* Take responses until @n have come; calls each(rsp, arg). */
void rig_await(struct rig *rig, unsigned int queue, unsigned int n,
	       void (*each)(const struct xpv_blk_response *rsp, void *arg),
	       void *arg);
/* Open descriptors of this process. */
unsigned int rig_fds(void);
/* Every sector of @bytes gets its number, from @first on, and @salt. */
void rig_stamp(void *mem, size_t bytes, uint64_t first, uint32_t salt);
bool rig_stamped(const void *mem, size_t bytes, uint64_t first, uint32_t salt);

#endif
