/* SPDX-License-Identifier: MIT */
/* The supervisor's part of a block device: its keys and its open target. */
#ifndef XPV_SUPERVISOR_VBD_H
#define XPV_SUPERVISOR_VBD_H

#include <stdbool.h>

#include "../ipc.h"
#include "../storage/disk.h"

struct device;
struct reason;

struct vbd {
	bool read_only;
	struct disk_options options; /* the host's, and on top the target's */
	bool open; /* disk.target.fd is ours, until release */
	struct disk disk;
	bool discard; /* offered to the guest */
	char path[IPC_TEXT]; /* for the log, cut */
};

/* vbd_disk.c: the host's side */

/* `mode` and the options, as they stand in the store. As keys.h says. */
int vbd_read_options(struct device *dev, struct reason *why);
/* Open the disk, unless it is. As keys.h says. */
int vbd_open_disk(struct device *dev, struct reason *why);
void vbd_close_disk(struct device *dev);

#endif
