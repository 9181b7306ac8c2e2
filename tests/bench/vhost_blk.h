/* SPDX-License-Identifier: MIT */
/*
 * A vhost-user-blk initiator with one queue, for a server that is a peer of
 * ours: as good a client as there can be, so that the server alone is what is
 * measured. Requests of REQUEST_SIZE bytes, each slot with its own buffer;
 * batches are shown and kicked together, and only if the server asked for a
 * kick; answers are polled for, and the server never signals one.
 */
#ifndef XPV_VHOST_BLK_H
#define XPV_VHOST_BLK_H

#include <stdbool.h>
#include <stdint.h>

struct vhost_blk;

/* The handshake over @sock, a connected socket that becomes ours. Dies. */
struct vhost_blk *vhost_blk_open(int sock);
void vhost_blk_close(struct vhost_blk *v);

/* Fill in the request @slot, which is not under way. */
void vhost_blk_submit(struct vhost_blk *v, unsigned int slot, bool write,
		      uint64_t offset);
/* Show the server what was submitted. */
void vhost_blk_push(struct vhost_blk *v);
/* Slots whose requests are done, at most @max. Dies of one that failed. */
unsigned int vhost_blk_reap(struct vhost_blk *v, unsigned int *slots,
			    unsigned int max);

#endif
