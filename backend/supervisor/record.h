/* SPDX-License-Identifier: MIT */
/*
 * What the run directory tells the next supervisor: which process serves a
 * guest, and which devices it has been given. Files, empty where no content is
 * named:
 *
 *	worker-DOMID			pid, start time, `vm` of the domain
 *	device-CLASS-DOMID-HANDLE	while the worker may know the device
 *	legacy-DOMID-HANDLE		of a disk: struct ipc_vbd_legacy, as
 *					long as the toolstack does not make it
 *					anew; locked while a worker, or the
 *					kernel for it, may write to the disk
 *	lock				held by the supervisor
 */
#ifndef XPV_SUPERVISOR_RECORD_H
#define XPV_SUPERVISOR_RECORD_H

#include <stdint.h>
#include <sys/types.h>

struct device_key;
struct supervisor;

#define RECORD_VM 256

struct record {
	pid_t pid;
	uint64_t start; /* of the process: pids are used again */
	char vm[RECORD_VM + 1];
};

/* Makes the directory. -EBUSY: another supervisor has it. */
int record_open(struct supervisor *sv);

/* 0 or -errno. */
int record_write(struct supervisor *sv, uint32_t domid, const struct record *r);
int record_read(struct supervisor *sv, uint32_t domid, struct record *r);
void record_remove(struct supervisor *sv, uint32_t domid);

int record_device(struct supervisor *sv, const struct device_key *key);
/*
 * A file in which the worker counts what it does for a device, empty; it goes
 * when the device is forgotten. A descriptor or -errno.
 */
int record_stats(struct supervisor *sv, const struct device_key *key);
/*
 * A disk's legacy, made if it is new, and its flush_error, 0 or a negative
 * errno. A descriptor or -errno.
 */
int record_legacy(struct supervisor *sv, const struct device_key *key,
		  int32_t *error);
void record_forget_legacy(struct supervisor *sv, const struct device_key *key);
void record_forget_device(struct supervisor *sv, const struct device_key *key);

/* Calls back for each file of the kind. */
void record_each_worker(struct supervisor *sv,
			void (*found)(struct supervisor *sv, uint32_t domid));
void record_each_device(struct supervisor *sv,
			void (*found)(struct supervisor *sv,
				      const struct device_key *key));

#endif
