/* SPDX-License-Identifier: MIT */
/*
 * Which of its queues a frame takes to the guest. By default the tap decides,
 * and each queue reads its own port. A guest that has set up a hash decides
 * itself: then the first port alone is in use, and each of its frames is moved
 * to the queue that its hash names. What a queue has no room for is dropped,
 * so that one that the guest neglects does not hold up the others.
 *
 * A switch has no queues: there each frame goes by a hash, the guest's or one
 * of our own, see lan_rx.c.
 */
#ifndef XPV_VIF_STEER_H
#define XPV_VIF_STEER_H

#include "../port/port.h"
#include "../worker/loop.h"
#include "hash.h"

struct vif;

struct vif_steer {
	bool on;
	struct loop_work work;
	struct port_batch batch;
};

/* The queue of a frame, of which the headers will do. */
struct vif_queue *vif_steer_queue(struct vif *vif, const uint8_t *frame,
				  uint32_t len);
/* Follow the hash of the guest and its number of queues. */
void vif_steer_update(struct vif *vif);
void vif_steer_stop(struct vif *vif);

#endif
