/* SPDX-License-Identifier: MIT */
/*
 * One load on a disk, requests of 4 KiB at random places, and the sides that
 * carry it. Clients poll for answers on processor 0, as a guest's driver
 * under load does behind its interrupt; who serves them runs on processor 1.
 */
#ifndef XPV_DISK_LOAD_H
#define XPV_DISK_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "bench.h"

#define DISK_BYTES   (64u << 20)
#define DISK_DEPTH   32u /* at most */
#define REQUEST_SIZE 4096u

struct disk_load {
	int fd; /* the file, -1: the null disk */
	unsigned int depth;
	bool write;
	bool persistent; /* grants, or every page is copied */
	bool asleep; /* the client waits for an event, and does not poll */
	uint64_t interval; /* ns from one request to the next; 0: none */
	uint64_t duration; /* ns */
};

/* ---- disk_load.c ---- */

/* How requests get to whoever serves them; a slot has one at a time. */
struct disk_client {
	const char *name;
	void (*submit)(void *to, unsigned int slot, bool write,
		       uint64_t offset);
	void (*push)(void *to);
	/* Slots that are done, at most @max. */
	unsigned int (*reap)(void *to, unsigned int *slots, unsigned int max);
	void *to;
	int pid; /* of whoever serves them */
};

/* The figure is requests a second. */
struct figure disk_drive(const struct disk_client *client,
			 const struct disk_load *load);
uint64_t random_offset(void);
uint64_t clock_ns(clockid_t clock);
/* Processor time of a process so far, ns. */
uint64_t cpu_of(int pid);
/* DISK_BYTES long, in the page cache, and without a name. */
int make_disk_file(const char *dir);

/* ---- the sides: the argument of each is a load ---- */

/* disk_uring.c: io_uring on the file itself */
#define URING_NAME "raw io_uring"
struct figure disk_uring(void *arg);

/* disk_qemu.c: a qemu-storage-daemon, until it is stopped; nothing if that is
 * not on this machine. */
#define QEMU_NAME "vhost-user-blk"
bool disk_qemu_there(void);
void disk_qemu_start(int fd, unsigned int poll_us);
void disk_qemu_stop(void);
struct figure disk_qemu(void *arg);

/* disk_bare.c: what a disk cannot do without */
#define MEMCPY_NAME  "memcpy"
#define EVENTFD_NAME "two eventfds"
#define ONE_NAME     "one disk"
struct figure disk_memcpy(void *arg);
struct figure disk_eventfd(void *arg);

#endif
