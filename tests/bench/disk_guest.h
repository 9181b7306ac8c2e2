/* SPDX-License-Identifier: MIT */
/*
 * Our side: a guest, which is a userspace frontend, its xpv-worker process on
 * processor 1, one disk with a ring between them over the local hypervisor.
 */
#ifndef XPV_DISK_GUEST_H
#define XPV_DISK_GUEST_H

#include <sys/queue.h>

#include "disk_load.h"
#include "frontend/user/drive.h"
#include "hyper/hyper.h"
#include "hyper/local.h"

struct disk_guest {
	struct hyper *hyper;
	struct drive drive;
	struct userblk *fe;
	bool asleep; /* it waits for an event, and does not poll */
	LIST_ENTRY(disk_guest) next; /* of those that have a worker */
};

/* With a worker that polls for so long. All of these die of any failure. */
void disk_guest_start(struct disk_guest *g, struct hyper_machine *machine,
		      uint16_t domid, unsigned int poll_us);
void disk_guest_stop(struct disk_guest *g);
/* The disk that @load is for. */
void disk_guest_connect(struct disk_guest *g, const struct disk_load *load);
void disk_guest_disconnect(struct disk_guest *g);

struct disk_client disk_guest_client(struct disk_guest *g);

#endif
