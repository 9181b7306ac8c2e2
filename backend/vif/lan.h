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
 *
 * The queues of a vif share its port, and the links to the others with it. In
 * each turn another queue is the first to send, so that none takes all the
 * room there is. What comes is for the queue that its hash names. While that
 * one has no slots, its link waits, and keeps the order; but no longer than
 * LAN_WAIT_MS: what is for a queue that the guest neglects is dropped then,
 * and not in the others' way.
 */
#ifndef XPV_VIF_LAN_H
#define XPV_VIF_LAN_H

#include "../ipc.h"
#include "../port/switch.h"
#include "netif.h"

struct reason;
struct vif;
struct vif_queue;

/* Packets that are not answered: no more than the ring has slots. */
#define LAN_FLIGHTS 256u
/* The switch knows a packet by the number of its queue and its flight. */
_Static_assert(IPC_MAX_QUEUES *LAN_FLIGHTS <= MAIL_NO_COOKIE,
	       "each packet has a cookie");

/*
 * A guest of several queues leaves one without slots for so long: less than
 * what a sender waits before it takes its packets back (SWITCH_HOLD_MS).
 */
#define LAN_WAIT_MS 100u

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

/* What a queue has of its own; see struct vif_queue. */
struct lan_queue {
	uint32_t head, tail; /* flights, free-running */
	struct lan_flight flight[LAN_FLIGHTS];
	uint16_t id[LAN_FLIGHTS]; /* of each request that is not answered */
	bool blocked; /* the next packet's receiver has no room */
	bool held; /* a mail waits for slots of ours */
	uint8_t wanted; /* slots that it wants */
	struct lan_arrival arrival[SWITCH_TURN];
	unsigned int nr_arrivals;
};

struct vif_lan {
	struct switch_port *port;
	struct vif *vif;
	struct loop_work work; /* all queues' turns */
	bool working;
	unsigned int first; /* queue to send before the others */
	struct loop_timer hold;
	struct lan_queue queue[];
};

/* Of s->max_queues; NULL and *why. */
struct vif_lan *vif_lan_new(struct vif *vif, const struct ipc_vif_switch *s,
			    const uint8_t mac[6], struct reason *why);
void vif_lan_free(struct vif_lan *lan);
/*
 * Before the queues are connected. Unless @resumed, what waits was meant for
 * a connection that is no more.
 */
void vif_lan_start(struct vif_lan *lan, bool resumed);
/* No other worker copies from the guest any more. */
void vif_lan_stop(struct vif_lan *lan);

/*
 * Send packets of the turn, whose headers are there. Returns how many are
 * done with: fewer than @nr when a receiver has to be waited for.
 */
unsigned int vif_lan_send(struct vif_queue *q, unsigned int nr);
/* After that: answer what nobody holds any more. */
void vif_lan_answer(struct vif_queue *q);

/* A turn of all queues to their guest; true if there was anything. */
bool vif_lan_receive(struct vif_lan *lan);
/*
 * After the copies: what a sender's grants have spoilt gives its slots back,
 * to packets behind it or to the guest's ring.
 */
void vif_lan_settle(struct vif_queue *q);
/* Throw away what @q is the next to get, or all (NULL). */
void vif_lan_drain(struct vif_lan *lan, const struct vif_queue *q);

#endif
