/* SPDX-License-Identifier: MIT */
/* One load on a disk: requests of 4 KiB at random places. */
#ifndef XPV_DISK_LOAD_H
#define XPV_DISK_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define DISK_BYTES   (64u << 20)
#define DISK_DEPTH   32u /* at most */
#define REQUEST_SIZE 4096u

/* How long each request took, of one measurement. */
struct latencies {
	uint32_t *ns;
	size_t n, max;
};

struct disk_load {
	int fd; /* the file, -1: the null disk */
	unsigned int depth;
	bool write;
	bool persistent; /* grants, or every page is copied */
	uint64_t duration; /* ns */
	/* of the last round */
	struct latencies latencies; /* of our side */
	double cpu, peer_cpu; /* processor time a request, ns: of the worker,
			       * and of the loop that is its peer. The
			       * kernel's threads for each count, too. */
};

uint64_t random_offset(void);
void latency_add(struct latencies *l, uint64_t ns);
/* Sorts. @q in 0..1 */
double latency_at(struct latencies *l, double q);

uint64_t clock_ns(clockid_t clock);

/* DISK_BYTES long, in the page cache, and without a name. */
int make_disk_file(void);

/* disk_peer.c: io_uring on the file itself; requests a second. */
double disk_peer(void *arg);

#endif
