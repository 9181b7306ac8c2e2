/* SPDX-License-Identifier: MIT */
/* The supervisor's part of a block device: its keys and its open target. */
#ifndef XPV_SUPERVISOR_VBD_H
#define XPV_SUPERVISOR_VBD_H

#include <stdbool.h>

#include "../ipc.h"
#include "../storage/target.h"

struct vbd {
	bool open; /* target.fd is ours, until release */
	struct target target;
	char path[IPC_TEXT]; /* for the log, cut */
	bool read_only;
	bool discard; /* offered to the guest */
};

#endif
