/* SPDX-License-Identifier: MIT */
/* The supervisor's part of a block device: its keys and its open target. */
#ifndef XPV_SUPERVISOR_VBD_H
#define XPV_SUPERVISOR_VBD_H

#include <stdbool.h>

#include "../ipc.h"
#include "../storage/disk.h"

struct device;
struct disk_errand;
struct reason;

/* What an administrator has to see to; in the store as `condition`. */
struct vbd_health {
	int waiting; /* writes wait for space: a negative errno */
	int flush_error; /* no flush succeeds: a negative errno */
	uint64_t told, shrunk; /* bytes: the guest's size, the target's less */
	bool unsaid; /* the store says something else */
};

struct vbd {
	bool read_only;
	bool cdrom;
	struct disk_options options; /* the host's, and on top the target's */
	bool open; /* disk.target.fd is ours, until release */
	struct disk disk;
	/* The last worker to be attached, and to be connected, has its twin. */
	bool given_twin, had_twin;
	bool discard; /* offered to the guest */
	char path[IPC_TEXT]; /* for the log, cut */
	struct disk_errand *errand; /* under way for us */
	bool open_failed;
	struct reason open_why;

	/* vbd_size.c */
	int size_watch; /* of inotify, or -1 */
	bool look; /* the size may differ */
	bool looked; /* disk.target.size is new, and not yet compared */
	bool fresh; /* disk.target.size is, and was not yet attached with */
	uint64_t sectors; /* as the worker knows it; 0: it was not us */
	uint64_t asked_sectors; /* of the worker */
	bool announce; /* the guest has yet to be told */
	bool tool_waits; /* xpv resize */
	bool adopted; /* of a supervisor before us, whatever came of it */

	/* vbd_legacy.c */
	int legacy; /* locked, for a worker; 0: none */
	struct sd_event_source *legacy_timer; /* until the next look */
	uint64_t legacy_since; /* waits for it; monotonic microseconds, or 0 */

	struct vbd_health health;
};

/* ---- vbd_disk.c: the host's side ---- */

/* `mode`, and the options, as they stand in the store. As keys.h says. */
int vbd_read_mode(struct device *dev, struct reason *why);
int vbd_read_options(struct device *dev, struct reason *why);
/* Open the disk: 1, it is; 0, that is under way; else as keys.h says. */
int vbd_open_disk(struct device *dev, struct reason *why);
void vbd_close_disk(struct device *dev);
/* Look at the size, which vbd->looked then says. */
void vbd_look_at_size(struct device *dev);

/* ---- vbd_legacy.c: what outlives a worker ---- */

/* 1: vbd->legacy is to be handed to a worker; 0: not yet; or -errno. */
int vbd_take_legacy(struct device *dev);
void vbd_drop_legacy(struct device *dev);
/* The error of a flush that has failed, or 0. 0 or -errno. */
int vbd_read_legacy(struct device *dev, int32_t *error);
/* As quiet() of a device class. */
bool vbd_quiet(struct device *dev);

/* ---- vbd_size.c: a disk that becomes larger, or smaller ---- */

void vbd_size_may_differ(struct device *dev);
/* As tend() and answered() of a device class. */
int vbd_tend_size(struct device *dev, struct ipc_msg *msg);
void vbd_resized(struct device *dev, const struct ipc_reply *reply);

/* ---- vbd_health.c: what is wrong, though it is served ---- */

void vbd_noticed(struct device *dev, const union ipc_notice *notice);
/* @shrunk 0: it has not. */
void vbd_set_shrunk(struct device *dev, uint64_t told, uint64_t shrunk);
/* Tell the store. 0 or a negative errno. */
int vbd_tell_health(struct device *dev);

#endif
