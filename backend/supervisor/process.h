/* SPDX-License-Identifier: MIT */
/*
 * The process of a worker: started here, or left by a supervisor before us.
 *
 * A worker outlives its supervisor. So that the next one can talk to it, the
 * worker keeps a descriptor of the supervisor's end of their socket pair,
 * which it never uses; the next supervisor finds the process through the run
 * directory, see record.h, and fetches that descriptor with pidfd_getfd().
 */
#ifndef XPV_SUPERVISOR_PROCESS_H
#define XPV_SUPERVISOR_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct supervisor;

struct process {
	pid_t pid;
	int pidfd; /* readable when it has ended */
	int sock; /* our end of its control socket */
	bool ours; /* our child, to be waited for */
};

/* 0 or -errno. */
int process_start(struct supervisor *sv, uint32_t domid, const char *vm,
		  struct process *p);
/*
 * The worker that the file of @domid tells of, if it lives and was started
 * for the domain whose `vm` is @vm; another life's is told to end. 0; -ENOENT:
 * there is none; else it lives and cannot be had: -ESTALE, because it speaks
 * another version's language or because new ones are wanted.
 */
int process_adopt(struct supervisor *sv, uint32_t domid, const char *vm,
		  struct process *p);
void process_signal(const struct process *p, int signal);
/* Closes; true and *status if it was our child and has ended. */
bool process_close(struct process *p, int *status);
void process_forget(struct supervisor *sv, uint32_t domid, pid_t pid);

#endif
