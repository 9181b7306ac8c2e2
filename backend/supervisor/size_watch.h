/* SPDX-License-Identifier: MIT */
/*
 * Who tells that a disk has another size: for a block device the kernel's
 * uevents; for a file, that somebody who could write to it has closed it, as
 * truncate, fallocate and qemu-img do when they have grown it. Our own writes
 * make no such noise. What is left, `xpv resize` tells.
 */
#ifndef XPV_SUPERVISOR_SIZE_WATCH_H
#define XPV_SUPERVISOR_SIZE_WATCH_H

struct device;
struct supervisor;

int size_watch_init(struct supervisor *sv);
void size_watch_fini(struct supervisor *sv);
/* A vbd whose disk is open; vbd_size_may_differ() is called when it may. */
void size_watch_add(struct device *dev);
/* Before it is closed. */
void size_watch_del(struct device *dev);

#endif
