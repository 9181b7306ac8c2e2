/* SPDX-License-Identifier: MIT */
/*
 * A guest of a whole host (toolstack.h) with disks that do I/O, and what an
 * administrator reads of them in the store. One of it at a time.
 */
#ifndef XPV_TESTS_DISKS_H
#define XPV_TESTS_DISKS_H

#include "frontend/user/attach.h"
#include "toolstack.h"

#define DISKS_GUEST 5
#define DISKS_XVDA  51712
#define DISKS_WAIT  10000
#define DISKS_MIB   (1 << 20)

struct disks {
	struct host host;
	struct hyper *guest;
	struct userblk *fronts[2]; /* that are not let go of */
};

extern struct disks disks;

void disks_setup(void);
void disks_teardown(void);

/* ---- words ---- */

struct disks_expectation {
	struct vdev *d;
	const char *key;
	const char *text; /* that it holds; NULL: absent */
	bool whole;
};

/* For wait_until(). */
bool disks_holds(void *expectation);
/* It will, within seconds; NULL: it will be absent. */
void disks_expect(struct vdev *d, enum xpv_key key, const char *value);
void disks_expect_part(struct vdev *d, enum xpv_key key, const char *part);

/* ---- frontends ---- */

/* The first disk, of @params, with @path from the hotplug script. */
struct vdev disks_connected(struct attach *a, const char *params,
			    const char *path, const char *mode);
void disks_front_as(struct attach *a, struct vdev *d,
		    const struct userblk_config *config);
void disks_front(struct attach *a, struct vdev *d);
/* The frontend closes, and is freed. */
void disks_end(struct attach *a);
/* Freed when the backend has let go of it. */
void disks_let_go(struct userblk *fe);

/* A request of a page at @sector, or a flush; the response's status. */
int disks_call(struct attach *a, uint8_t op, uint64_t sector);
/* The same, and nobody waits. */
void disks_submit(struct attach *a, uint64_t id, uint8_t op, uint64_t sector);

#endif
