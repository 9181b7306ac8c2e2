/* SPDX-License-Identifier: MIT */
/*
 * A guest with a disk: its pages and rings, and what it may expect of the
 * block engine, which it reads off the rings without the engine's decoder.
 */
#ifndef XPV_FUZZ_DISK_GUEST_H
#define XPV_FUZZ_DISK_GUEST_H

#include "backend/vbd/vbd.h"
#include "host.h"
#include "slowdisk.h"

#define QUEUES	   2u
#define RING_PAGES 2u

/* The guest's pages: writable, read-only, then one that comes and goes. */
#define WRITABLE 12u
#define READONLY 4u /* also used for descriptors of indirect requests */
#define PAGES	 (WRITABLE + READONLY)
#define GONE	 PAGES

/* What was asked for at a place of the ring. */
struct asked {
	uint64_t id, sector, sectors; /* sectors: at most */
	uint8_t op; /* as it is to be answered */
	bool indirect, data;
};

struct ring {
	void *mem;
	uint32_t gref[RING_PAGES], port, prod;
	struct asked asked[64];
	uint32_t answered; /* as of the last turn */
};

extern struct disk_guest {
	struct vbd *vbd;
	struct ipc_vbd_connect rings;
	uint8_t *page[PAGES + 1];
	uint32_t gref[PAGES + 1];
	struct ring ring[QUEUES];
	/* Sectors of a page that a read has named; what the others hold. */
	uint8_t named[PAGES + 1];
	uint8_t shadow[PAGES][XPV_PAGE_SIZE];
	bool any_named; /* descriptors lie where reads go: all bets are off */
	uint64_t told[STORAGE_OPS]; /* OK */
} guest;

/* With fresh pages. */
void disk_guest_start(void);
/* It has a new connection: what it asked for before is forgotten. */
void disk_guest_connected(void);
/* A turn of the engine, and the checks. */
void disk_guest_turn(void);
/* Nothing was written where nothing may be. */
void disk_guest_check_pages(void);
/* A segment of a read, or of what may be one. */
void disk_guest_name(const uint8_t *wire);
/* Grant the last page, or take it back. */
void disk_guest_revoke(void);
/* For the storage: a request names this. */
void disk_guest_asked(const struct storage_io *io);

uint32_t ring_entries(void);
void *ring_slot(const struct ring *r, uint32_t index);

#endif
