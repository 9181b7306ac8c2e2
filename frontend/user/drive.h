/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Drive a worker alone, in the place of the supervisor: for tests, fuzzing
 * and benchmarks. It speaks backend/ipc.h over one end of ipc_pair().
 */
#ifndef XPV_DRIVE_H
#define XPV_DRIVE_H

#include <sys/types.h>

#include "backend/ipc.h"

struct userblk;

struct drive {
	int control;
	pid_t pid; /* 0: not a process of ours */
	unsigned int poll_us;
	/*
	 * Of the one device, for the next worker: a file as long as a struct
	 * ipc_vbd_legacy, which a struct vif_legacy of 4 queues is not. 0: none.
	 */
	int legacy;
	bool resumed; /* there was a worker before this one */
	/* The last IPC_BROKEN that came while an answer was waited for. */
	bool broken;
	struct ipc_msg broken_msg;
	/* Of the last request that failed. */
	char text[IPC_TEXT];
};

/* Start @program (an xpv-worker) for @domid. 0 or -errno. */
int drive_start(struct drive *d, const char *program, const char *hyper_spec,
		uint16_t domid);
/* The same, of one that looks on for so long before it sleeps. */
int drive_start_polling(struct drive *d, const char *program,
			const char *hyper_spec, uint16_t domid,
			unsigned int poll_us);
/*
 * Kill it and start another one, to which what it had is to be attached and
 * connected anew. 0 or -errno.
 */
int drive_replace(struct drive *d, const char *program, const char *hyper_spec,
		  uint16_t domid);
/* SIGTERM, and wait: the exit status as waitpid() tells it, or -errno. */
int drive_stop(struct drive *d);

/* Send a request and wait for its answer: its error, or -errno. */
int drive_request(struct drive *d, const struct ipc_msg *msg, const int *fds,
		  unsigned int nr_fds);
/* Wait for an IPC_BROKEN (see above). 0 or -ETIMEDOUT, -EPIPE. */
int drive_wait_broken(struct drive *d, int timeout_ms);

/* Requests on the disk @handle. @fd -1: a null disk. */
int drive_attach(struct drive *d, uint32_t handle, int fd,
		 const struct ipc_vbd_attach *a);
int drive_connect(struct drive *d, uint32_t handle, const struct userblk *fe);
/* IPC_DISCONNECT and IPC_DETACH. */
int drive_simple(struct drive *d, uint32_t handle, enum ipc_type type);

#endif
