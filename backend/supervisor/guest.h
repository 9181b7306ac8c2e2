/* SPDX-License-Identifier: MIT */
/*
 * A guest, as far as it has a process: started with its first device, stopped
 * after its last. Keyed by domid, but never kept from one domain of that
 * number to the next.
 */
#ifndef XPV_SUPERVISOR_GUEST_H
#define XPV_SUPERVISOR_GUEST_H

#include "device.h"

/* Find the workers that an earlier supervisor has left serving. */
int guests_init(struct supervisor *sv);
/* Leaves the workers serving. */
void guests_fini(struct supervisor *sv);

/*
 * Ask the device's worker, starting it for an ATTACH. @msg NULL: the request
 * has no more to say. 0; -EAGAIN: the device is scheduled when it can be
 * asked; -EINVAL and dev->why: it never will.
 */
int guest_ask(struct device *dev, enum ipc_type type, struct ipc_msg *msg,
	      const int *fds, unsigned int nr_fds);
/*
 * Its worker has been told to end and cannot be talked to any more: the
 * devices are scheduled when it is gone.
 */
bool guest_makes_way(struct supervisor *sv, uint32_t domid);
/* A device just found: is there a worker of old that may know it? */
void guest_adopt_device(struct device *dev);
/* The worker knows nothing of it any more: PHASE_IDLE. */
void guest_drop_device(struct device *dev);
/* After the last device of a domid there is nothing to remember. */
void guest_device_freed(struct supervisor *sv, uint32_t domid);

#endif
