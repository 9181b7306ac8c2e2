/* SPDX-License-Identifier: MIT */
/*
 * The walls around a worker. It is started as root, opens its handles on the
 * hypervisor and gives up everything else before it reads the first message:
 *
 *	identity	a uid and gid of its guest's own, no groups
 *	privileges	no capabilities, none to be had (no-new-privs, empty
 *			bounding set)
 *	namespaces	mount, net, ipc, uts and cgroup of its own; pid is the
 *			supervisor's to make (process.c)
 *	files		an empty read-only root; Landlock, where the kernel has
 *			it, refuses even a path that would come back
 *	system calls	an allow-list (syscalls.c)
 *	resources	so many descriptors, no core file, no message queues;
 *			memory, threads and processors are the supervisor's
 *			to limit (cgroup.c)
 *
 * What stays open: /dev/xen/gntdev knows no domain, so that a worker can name
 * the grants that any guest gave to this domain. A driver domain for each
 * group of guests that may not meet closes that.
 *
 * What a ring of io_uring is told to do the filter does not see. The worker can
 * make none: it has a stock (uring_stock.h) of such as read, write, flush and
 * allocate on files of its own, all of which it may do without.
 */
#ifndef XPV_SANDBOX_H
#define XPV_SANDBOX_H

#include <stdint.h>

#include "../reason.h"

/*
 * uid and gid of the worker of domain N are SANDBOX_UID_BASE + N. The range
 * from 1879048192 to 2147483647 is nobody's (systemd, "Users, Groups, UIDs
 * and GIDs").
 */
#define SANDBOX_UID_BASE 1879048192u

/*
 * Descriptors. On a switch a NIC has three for each of up to 63 others, and 17
 * of its own; a disk has some five.
 */
#define SANDBOX_FILES 16384u

/* In this order: each needs what the next ones take away. */
enum sandbox_wall {
	WALL_NAMESPACES,
	WALL_ROOT,
	WALL_LIMITS,
	WALL_BOUNDING_SET,
	WALL_IDENTITY,
	WALL_NO_NEW_PRIVILEGES,
	WALL_LANDLOCK,
	WALL_SYSCALLS,
	SANDBOX_WALLS,
};

/* One of them. 0 or -errno with @why. */
int sandbox_raise(enum sandbox_wall wall, uint32_t uid, struct reason *why);

/*
 * All of the walls around this process; there is no way back. Needs root. 0 or
 * -errno with @why: half a wall is none, the caller has to end.
 */
int sandbox_enter(uint32_t uid, struct reason *why);

/* Its last wall, in syscalls.c. 0 or -errno. */
int sandbox_syscalls(void);

#endif
