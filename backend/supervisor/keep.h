/* SPDX-License-Identifier: MIT */
/*
 * Taps that outlive xpvd. A tap goes with its last descriptor; the worker has
 * one, but a worker may end, too. So systemd is given each tap to keep (its
 * file descriptor store, sd_pid_notify_with_fds(3)) and hands it to the next
 * xpvd; and an xpvd that makes way for a new version of its program hands them
 * over in the same way, sd_listen_fds(3).
 *
 * A name is the interface's; it stands for all queues of the tap.
 */
#ifndef XPV_SUPERVISOR_KEEP_H
#define XPV_SUPERVISOR_KEEP_H

struct supervisor;

/* Take what was handed to us. What nobody wants is closed some time later. */
int keep_init(struct supervisor *sv);
void keep_fini(struct supervisor *sv);

/* It was just made. */
void keep_store(const char *name, const int *fds, unsigned int n);
/* The queues of a tap that was handed to us, at most @max; 0: there is none. */
unsigned int keep_take(struct supervisor *sv, const char *name, int *fds,
		       unsigned int max);
/* It is done with: closed and kept no more. Not if it is we who leave. */
void keep_release(struct supervisor *sv, const char *name, const int *fds,
		  unsigned int n);
/*
 * Become the program that has our name now, with @argv and with what was
 * released because we leave. Returns if that fails: a negative errno.
 */
int keep_exec(struct supervisor *sv, char *const argv[]);

#endif
