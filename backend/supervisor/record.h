/* SPDX-License-Identifier: MIT */
/*
 * What the run directory tells the next supervisor: which process serves a
 * guest, and which devices it has been given. Files, empty where no content is
 * named:
 *
 *	worker-DOMID			pid, start time, version of ipc.h, `vm`
 *					of the domain
 *	device-CLASS-DOMID-HANDLE	while the worker may know the device
 *	legacy-CLASS-DOMID-HANDLE	of a disk: struct ipc_vbd_legacy; locked
 *					while a worker, or the kernel for it,
 *					may write to the disk. Of a NIC: struct
 *					vif_legacy
 *	stats-DOMID-HANDLE		of a NIC: struct vif_stats
 *	marked				there is our mark in the store, see
 *					watch.c
 *	lock				held by the supervisor
 *
 * legacy and stats outlive workers and supervisors: they go when the toolstack
 * removes the device or makes it anew.
 */
#ifndef XPV_SUPERVISOR_RECORD_H
#define XPV_SUPERVISOR_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct device_key;
struct supervisor;

#define RECORD_VM 256

struct record {
	pid_t pid;
	uint64_t start; /* of the process: pids are used again */
	uint32_t ipc; /* IPC_VERSION that it speaks */
	char vm[RECORD_VM + 1];
};

/* Makes the directory. -EBUSY: another supervisor has it. */
int record_open(struct supervisor *sv);

/* 0 or -errno. */
int record_write(struct supervisor *sv, uint32_t domid, const struct record *r);
int record_read(struct supervisor *sv, uint32_t domid, struct record *r);
void record_remove(struct supervisor *sv, uint32_t domid);

int record_mark(struct supervisor *sv);
bool record_marked(struct supervisor *sv);

int record_device(struct supervisor *sv, const struct device_key *key);
/*
 * A file in which workers count what they do for a device, made empty if it is
 * new. A descriptor or -errno.
 */
int record_stats(struct supervisor *sv, const struct device_key *key);
/* A device's legacy, so many zeroes if it is new. A descriptor or -errno. */
int record_legacy(struct supervisor *sv, const struct device_key *key,
		  size_t bytes);
/* Both. */
void record_forget_legacy(struct supervisor *sv, const struct device_key *key);
void record_forget_device(struct supervisor *sv, const struct device_key *key);

/* Calls back for each file of the kind. */
void record_each_worker(struct supervisor *sv,
			void (*found)(struct supervisor *sv, uint32_t domid));
void record_each_device(struct supervisor *sv,
			void (*found)(struct supervisor *sv,
				      const struct device_key *key));
void record_each_legacy(struct supervisor *sv,
			void (*found)(struct supervisor *sv,
				      const struct device_key *key));

#endif
