/* SPDX-License-Identifier: MIT */
/*
 * A vif on a switch between guests. Of a packet that leaves, the header is
 * copied and the rest stays in the guest's grants, which other workers copy
 * from; so its slots are answered later, and in their order: responses lie
 * where requests were, and a worker that takes over after ours has died goes
 * on at the first slot without an answer.
 *
 * A packet that comes is copied from the sender's pages straight to the
 * guest's, if the guest can take it as it is; else it goes the way of frames
 * from a tap, through our memory.
 */
#ifndef XPV_VIF_LAN_H
#define XPV_VIF_LAN_H

#include "../ipc.h"
#include "../port/switch.h"
#include "netif.h"

struct reason;
struct vif_queue;
struct worker;

/* Packets that are not answered: no more than the ring has slots. */
#define LAN_FLIGHTS 256u

/* A packet whose slots are not answered yet. */
struct lan_flight {
	uint32_t first; /* index of its first request */
	uint8_t used;
	uint8_t nr_extras;
	uint8_t held; /* links that hold its grants */
	int16_t status;
};

/* A packet that was placed in this turn: what it has of the queue's. */
struct lan_arrival {
	const struct switch_link *link;
	uint32_t len;
	bool gso;
	bool copied; /* from the sender, not with its header */
	uint16_t slot, nr_slots;
	uint16_t op, nr_ops;
};

struct vif_lan {
	struct switch_port *port;
	struct vif_queue *queue;
	uint32_t head, tail; /* flights, free-running */
	struct lan_flight flight[LAN_FLIGHTS];
	uint16_t id[LAN_FLIGHTS]; /* of each request that is not answered */
	bool blocked; /* the next packet's receiver has no room */
	uint8_t wanted; /* slots that the mail at hand wants */
	struct lan_arrival arrival[SWITCH_TURN];
	unsigned int nr_arrivals;
	struct loop_timer hold;
};

/* NULL and *why. The port is closed with the queue's. */
struct vif_lan *vif_lan_new(struct worker *w, const struct ipc_vif_switch *s,
			    const uint8_t mac[6], struct reason *why);
void vif_lan_free(struct vif_lan *lan);
void vif_lan_start(struct vif_lan *lan, struct vif_queue *q);
/* No other worker copies from the guest any more. */
void vif_lan_stop(struct vif_lan *lan);

/*
 * Send packets of the turn, whose headers are there. Returns how many are
 * done with: fewer than @nr when a receiver has to be waited for.
 */
unsigned int vif_lan_send(struct vif_queue *q, unsigned int nr);
/* Before that: what other workers have done with; true if anything was. */
bool vif_lan_reap(struct vif_queue *q);
/* After that: answer what nobody holds any more. */
void vif_lan_answer(struct vif_queue *q);
bool vif_lan_arm(struct vif_queue *q);

/*
 * Place packets, *room slots at most. True: one was added to the batch that
 * cannot be handed over as it is.
 */
bool vif_lan_fetch(struct vif_queue *q, uint32_t *room);
/*
 * After the copies: what a sender's grants have spoilt gives its slots back,
 * to packets behind it or to the guest's ring.
 */
void vif_lan_settle(struct vif_queue *q);
void vif_lan_fetched(struct vif_queue *q);
void vif_lan_drain(struct vif_queue *q);

#endif
