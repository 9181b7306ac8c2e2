/* SPDX-License-Identifier: MIT */
/* A disk under xpvd whose guest does I/O. */
#ifndef XPV_TESTS_LIVEDISK_H
#define XPV_TESTS_LIVEDISK_H

#include "toolstack.h"

struct userblk;

struct livedisk {
	struct vdev dev;
	struct hyper *guest;
	struct userblk *fe;
};

/* The host's disk as @domid's xvda, connected. */
void livedisk_open(struct livedisk *k, struct host *host, uint16_t domid);
void livedisk_close(struct livedisk *k);
/* Write a page of @byte and read it back. */
void livedisk_use(struct livedisk *k, unsigned char byte);

#endif
