/* SPDX-License-Identifier: MIT */
/*
 * Making a tap: the supervisor's half of the tap port. The descriptors go to
 * the worker with IPC_ATTACH (ipc_vif_attach.nr_fds of them, in this order).
 *
 * The interface lives as long as anybody holds one of its descriptors: it is
 * not persistent, and it goes away when the supervisor and the worker have
 * both closed theirs. There is nothing else to undo.
 *
 * Make it before state 2 is written: the hotplug script that the toolstack
 * then runs expects the interface to exist. It is left down and without
 * carrier; the script brings it up, the worker sets the carrier while the
 * guest is connected.
 */
#ifndef XPV_TAP_MAKE_H
#define XPV_TAP_MAKE_H

#include <stdint.h>

struct reason;

struct tap_spec {
	const char *name; /* "vif3.0", or the `vifname` key; <= 15 bytes */
	unsigned int nr_queues; /* 1 to IPC_MAX_QUEUES */
	uint32_t mtu; /* 0: as the kernel makes it, 1500 */
};

/*
 * Make the interface and open its queues: fds[spec->nr_queues], close-on-exec,
 * non-blocking. Needs CAP_NET_ADMIN in the network namespace it is made in.
 *
 * Returns 0, or a negative errno with a line in @why that names the interface
 * and the reason; nothing is left open then. -EEXIST: an interface of that
 * name is there already (a worker that outlived its supervisor, or another
 * program's); it is never taken over.
 */
int tap_make(const struct tap_spec *spec, int *fds, struct reason *why);

/* The MTU of the tap that @fd is a queue of, whatever its name is by now. */
int tap_mtu(int fd, uint32_t *mtu, struct reason *why);
int tap_set_mtu(int fd, uint32_t mtu, struct reason *why);

/*
 * Of the tap's queues, only so many are used: they share what it may hold for
 * a guest that is slow. Without this a burst is lost on a host of many
 * processors, whose guests have few.
 */
int tap_share(int fd, unsigned int nr_queues, struct reason *why);

/* 0: there is no such interface. */
uint32_t tap_bridge_mtu(const char *bridge);
/*
 * Set the interface up, and put it into @bridge, whose MTU it takes, if that
 * is not "". -ENODEV: there is no such interface; any other error and @why
 * say what went wrong.
 */
int tap_join(const char *name, const char *bridge, struct reason *why);

#endif
