/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The frontend's half of the xenstore handshake, for a userspace frontend
 * against a supervisor: it walks the same table as every other end.
 */
#ifndef XPV_ATTACH_H
#define XPV_ATTACH_H

#include "userblk.h"

/* What the backend says about its disk. */
struct attach_disk {
	uint64_t sectors; /* units of 512 bytes */
	uint64_t sector_size;
	uint64_t physical_sector_size;
	uint64_t info; /* XPV_VDISK_* */
	uint64_t flush;
	uint64_t barrier;
	uint64_t discard;
	uint64_t max_indirect; /* segments, 0: no indirect requests */
	uint64_t persistent;
};

struct attach {
	struct userblk *fe; /* its handle needs HYPER_STORE as well */
	char front[256]; /* path of the device's frontend */
	char back[256];
	int state; /* our own, enum xpv_state */
	struct attach_disk disk;
};

/*
 * Publish the rings at @front and wait until both ends are connected. 0;
 * -ETIMEDOUT; -ECONNREFUSED: the backend closes; or another -errno. After a
 * failure attach_end() as well.
 */
int attach_begin(struct attach *a, struct userblk *fe, const char *front,
		 int timeout_ms);
/* Close, and wait until the backend has let go of the rings. */
int attach_end(struct attach *a, int timeout_ms);

#endif
