/* SPDX-License-Identifier: MIT */
/*
 * A disk whose ways a test decides: the one file of a file system (FUSE) that
 * a process of ours serves. It fails to flush, and holds requests as long as it
 * likes, as a device does that hangs: nothing that a process does, nor its
 * death, takes back a request that was handed over. While it is stalled, the
 * data of a direct write is still in the memory that it comes from.
 */
#ifndef XPV_TESTS_BADFS_H
#define XPV_TESTS_BADFS_H

#include <stdbool.h>
#include <sys/types.h>

#define BADFS_BYTES (1u << 20)

/* Shared with the process that serves. */
struct badfs_control {
	bool cached; /* the kernel keeps what is written until a sync */
	int write_error; /* of each write */
	int sync_error; /* of the next one; then it is 0 again */
	unsigned int syncs;
	bool hold; /* reads and writes */
	unsigned int held;
	bool stall; /* takes no request; */
	bool waiting; /* one could be taken */
	unsigned char data[BADFS_BYTES];
};

struct badfs {
	struct badfs_control *c;
	char dir[256], disk[256];
	pid_t server;
};

/*
 * The caller has a mount namespace of its own. Fails the test where there is no
 * FUSE.
 */
void badfs_start(struct badfs *fs, const char *dir);
void badfs_start_cached(struct badfs *fs, const char *dir);
void badfs_stop(struct badfs *fs);

#endif
