/* SPDX-License-Identifier: MIT */
/*
 * What a guest's worker may take of this host at most: a control group of
 * version 2 a guest, with the limits of [worker] in xpvd.conf.
 *
 * Where systemd runs it owns the hierarchy, and each worker is a scope of it,
 * xpv-worker-DOMID-PID.scope: made by scope.c, gone when the worker is. A group
 * below the service's own, which systemd would delegate, will not do: with
 * limits in it, and workers that outlive xpvd, the kernel lets no process into
 * the service's group any more (EBUSY), and systemd 252 could not start the
 * next xpvd.
 *
 * Elsewhere the groups are ours: guest-DOMID in the directory that --cgroup
 * names, or in `xpv` at the top of the hierarchy.
 */
#ifndef XPV_SUPERVISOR_CGROUP_H
#define XPV_SUPERVISOR_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct supervisor;

/* What --cgroup says, beside a directory. */
#define CGROUP_NONE "none"

enum cgroup_kind {
	CGROUPS_OFF, /* no limits but those of the sandbox */
	CGROUPS_OWN,
	CGROUPS_SYSTEMD,
};

/* How, from now on; logs what there is not. */
void cgroup_init(struct supervisor *sv);
/*
 * The worker @pid of @domid, just started or just found, into its group, with
 * the limits of today.
 */
void cgroup_enter(struct supervisor *sv, uint32_t domid, pid_t pid);
/*
 * It has ended, and nobody has waited for it yet. Was it for want of memory?
 * Its group goes, unless there is another one in it.
 */
bool cgroup_leave(struct supervisor *sv, uint32_t domid, pid_t pid);

/* What keeps a worker from its group goes to the log, and costs it nothing. */
void cgroup_complain(uint32_t domid, pid_t pid, int err);

/*
 * scope.c: 0 when process 1 is asked, whose answer nobody waits for, or -errno.
 */
int scope_enter(struct supervisor *sv, uint32_t domid, pid_t pid);
void scope_fini(struct supervisor *sv);

#endif
