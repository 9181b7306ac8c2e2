/* SPDX-License-Identifier: MIT */
/*
 * Inside of backend/vif: a vif and its queues. A queue is a pair of rings,
 * their event channels and one port; it belongs to one thread, and nothing of
 * it but the pointer to its vif is shared with another queue.
 *
 * In one turn of the loop a queue serves one batch in each direction, copied
 * by one hypercall each, and answers it before the turn ends. Nothing is in
 * flight between turns, except for at most one frame that was read from the
 * port and has not enough slots yet.
 */
#ifndef XPV_VIF_QUEUE_H
#define XPV_VIF_QUEUE_H

#include "../ipc.h"
#include "../port/port.h"
#include "../port/segment.h"
#include "../worker/answers.h"
#include "../worker/loop.h"
#include "../worker/worker.h"
#include "credit.h"
#include "ctrl.h"
#include "hyper/hyper.h"
#include "lan.h"
#include "legacy.h"
#include "netif.h"
#include "ring.h"
#include "stats.h"
#include "steer.h"

/* Transmit slots of one turn; over 26, which is the longest packet. */
#define TX_TURN_SLOTS 128u
/* Slots and copies that one turn can need: a whole ring. */
#define RING_SLOTS 256u
/*
 * The longest frame on the receive ring: pages, and extras for GSO, hash and
 * XDP.
 */
#define RX_FRAME_SLOTS(headroom)                                               \
	(PORT_MAX_FRAME / (XPV_PAGE_SIZE - (headroom)) + 1 + 3)

_Static_assert(IPC_MAX_QUEUES <= CREDIT_MAX_QUEUES, "each has its bit");
_Static_assert(RX_FRAME_SLOTS(IPC_VIF_MAX_HEADROOM) <= RING_SLOTS / 2 + 4 &&
		       RX_FRAME_SLOTS(IPC_VIF_MAX_HEADROOM) <= UINT8_MAX,
	       "each frame finds its slots, and a plan counts them");

/* A packet of this turn: where its slots are and what became of it. */
struct tx_packet {
	uint16_t at; /* its first slot among tx_slots */
	uint8_t used;
	uint8_t nr_extras;
	bool csum_blank;
	uint8_t gso_type;
	uint16_t gso_size;
	int16_t status;
	bool send; /* it carries a packet, and so far a good one */
	uint32_t size; /* of the packet */
	uint16_t frame; /* in the batch */
	uint16_t frag; /* the first of its own among tx_frags */
	uint16_t nr_frags;
	uint16_t op; /* its first copy */
	uint16_t nr_ops;
};

/* What a frame asks of the guest's receive slots. */
struct rx_plan {
	uint16_t flags; /* of the first response */
	uint16_t gso_size;
	uint8_t gso_type;
	bool cut; /* the guest cannot take it whole */
	bool has_hash;
	uint8_t hash_type;
	uint32_t hash;
	uint32_t len; /* of what is placed at once: the frame or a segment */
	uint8_t slots; /* for that, with the extras; 0: it is dropped */
};

/* A slot that the guest has posted. */
struct rx_slot {
	uint32_t gref;
	uint16_t id;
};

union rx_response {
	struct xpv_netif_rx_response rsp;
	struct xpv_netif_extra extra;
};

_Static_assert(sizeof(union rx_response) == XPV_NETIF_RX_SLOT &&
		       LEGACY_RX == RING_SLOTS,
	       "the answers of a turn are kept as they are");

struct vif_queue {
	struct vif *vif;
	struct port *port;
	struct lan_queue *lan; /* NULL: the port is none of a switch */
	struct loop_source readable; /* the port's descriptor */
	struct loop_work work; /* not on a switch: there lan.c does it */
	struct loop_port event[2]; /* tx and rx, or [0] for both */
	unsigned int nr_events;
	bool port_ready; /* receive() may find a frame */
	bool connected;

	struct xpv_back tx;
	struct answers tx_answers;
	void *tx_page;
	uint32_t tx_seen; /* slots of a packet whose end is not there yet */
	bool tx_throttled; /* until there is credit, see credit.h */

	struct xpv_back rx;
	struct answers rx_answers; /* of the turn, see vif_rx_rsp() */
	void *rx_page;
	struct segmenter cut; /* of the frame at [0], once it has begun */

	/* Waiting for slots, see starve.c. */
	uint64_t starved_since; /* ms; 0: it is not */
	bool stalled; /* for so long that the carrier went */
	struct loop_timer starve;

	/* Memory in use: given back when idle for a while. */
	bool active; /* since the timer was set */
	struct loop_timer release;

	uint64_t *counter; /* [VIF_NR_COUNTERS], in vif->stats */

	/* Of the turn, but for a frame and its plan that wait at [0]. */
	struct port_batch tx_batch, rx_batch;
	struct rx_plan rx_plan[PORT_BATCH];
	uint32_t rx_room; /* slots that are left */
	unsigned int rx_done; /* frames of rx_batch that have got theirs */
	struct hyper_copy ops[RING_SLOTS];
	unsigned int nr_ops;
	struct xpv_netif_tx_request tx_slots[TX_TURN_SLOTS];
	struct tx_packet tx_packets[TX_TURN_SLOTS];
	struct xpv_net_frag tx_frags[TX_TURN_SLOTS];
	unsigned int nr_tx_frags;
	struct rx_slot rx_slot[RING_SLOTS]; /* where each answer goes */
	uint16_t rx_rsp_of_op[RING_SLOTS];
};

/* What the frontend can receive. */
struct vif_guest {
	bool sg;
	bool gso_tcpv4;
	bool gso_tcpv6;
	bool csum_ipv4;
	bool csum_ipv6;
	uint16_t headroom; /* in front of each piece of a frame */
	uint16_t frame_slots; /* RX_FRAME_SLOTS() with it */
};

struct vif {
	struct worker *worker;
	struct ipc_device dev;
	char name[16];
	struct vif_guest guest;
	bool broken; /* told to the worker; no ring is touched any more */
	unsigned int max_queues; /* that there is memory for */
	unsigned int nr_queues; /* ports, all of them attached */
	unsigned int nr_connected; /* of them, those the guest has rings for */

	/* Frames wait that long for slots, 0: for ever; see starve.c. */
	unsigned int drain_ms;
	unsigned int stall_ms;
	unsigned int nr_stalled; /* queues */

	struct vif_stats *stats;
	struct credit credit;
	struct vif_legacy *legacy;
	struct vif_ctrl ctrl;
	struct vif_steer steer;
	struct vif_lan *lan; /* NULL: on no switch */
	struct port_batch segments; /* of frames that are cut, for a turn */
	struct vif_queue queue[];
};

/* queue.c */
int vif_queue_init(struct vif_queue *q, struct vif *vif, struct port *port);
/* Frees what init made; the port stays. */
void vif_queue_fini(struct vif_queue *q);
/* Before the loop sleeps; true if there is something to do meanwhile. */
bool vif_queue_arm(struct vif_queue *q);
/* @resumed: the rings were a dead worker's, and the guest goes on with them. */
int vif_queue_connect(struct vif_queue *q, const struct ipc_vif_queue *c,
		      bool resumed, struct reason *why);
void vif_queue_disconnect(struct vif_queue *q);
static inline unsigned int vif_queue_number(const struct vif_queue *q)
{
	return (unsigned int)(q - q->vif->queue);
}
/* Fill in and run copies of this turn, those from @first on; each has its own
 * status. */
struct hyper_copy *vif_queue_op(struct vif_queue *q);
void vif_queue_copy(struct vif_queue *q, unsigned int first);
void vif_queue_broken(struct vif_queue *q, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* vif.c */
/* One page of the guest's, mapped; NULL and *why, which names it @what. */
void *vif_map_page(struct vif *vif, const char *what, uint32_t gref,
		   struct reason *why);
void vif_unmap_page(struct vif *vif, void **page);
/* The frontend broke the protocol. */
void vif_broken(struct vif *vif, const struct reason *why);
/* The tap's queues and its carrier follow what the vif can take. */
int vif_update_ports(struct vif *vif, struct reason *why);
int vif_update_carrier(struct vif *vif);

/*
 * tx.c, rx.c. turn: serve a batch; true if anything was found. arm: ask for
 * an event; true if there is something to do meanwhile.
 */
bool vif_tx_turn(struct vif_queue *q);
bool vif_tx_arm(struct vif_queue *q);
bool vif_rx_turn(struct vif_queue *q);
bool vif_rx_arm(struct vif_queue *q);
/*
 * The same turn step by step. begin: false if the ring is broken, which is
 * told; frames that waited are placed. place: those of rx_batch; true if all
 * are. end: copy and answer; true if there was anything.
 */
bool vif_rx_begin(struct vif_queue *q);
bool vif_rx_place(struct vif_queue *q);
bool vif_rx_end(struct vif_queue *q);
/* Look at the frame at @i of rx_batch, which has just come from the port. */
void vif_rx_plan(struct vif_queue *q, unsigned int i);
/* The guest's headroom has changed under the frames that wait. */
void vif_rx_plan_slots(struct vif_queue *q);
/* Throw away what the port has queued. */
void vif_rx_drain(struct vif_queue *q);

/* The answer number @i of the turn, on its way to the guest. */
static inline union rx_response *vif_rx_rsp(const struct vif_queue *q,
					    unsigned int i)
{
	return (union rx_response *)q->rx_answers.record->answer + i;
}

/* Slots that the next frame needs, as far as that is known. */
static inline uint32_t vif_rx_wanted(const struct vif_queue *q)
{
	if (q->rx_batch.nr)
		return q->rx_plan[0].slots;
	return q->lan ? q->lan->wanted : 1;
}

/* For lan.c and lan_rx.c, which do the same with other memory. */
bool vif_tx_copied(const struct vif_queue *q, const struct tx_packet *pkt);
void vif_tx_answer(struct vif_queue *q, uint16_t id, bool extra,
		   int16_t status);
/* Bytes of a frame that one slot takes. */
uint32_t vif_rx_slot_bytes(const struct vif_queue *q);
/* plan->slots, and what else follows from its length. */
void vif_rx_plan_rest(struct vif_queue *q, const struct port_frame *frame,
		      struct rx_plan *plan);
/* One more frame of @slots slots and @ops copies fits into our turn. */
bool vif_rx_fits(const struct vif_queue *q, uint32_t slots, uint32_t ops);
/* Take a slot for @len bytes; returns its number in the turn. */
uint32_t vif_rx_slot(struct vif_queue *q, uint32_t len, uint16_t flags,
		     uint32_t *gref);
/* The copy to @at in that slot; the caller fills in the source and length. */
struct hyper_copy *vif_rx_op(struct vif_queue *q, uint32_t slot, uint32_t gref,
			     uint32_t at);
/* Of the first response; with XPV_RX_EXTRA the extras are to follow it. */
uint16_t vif_rx_flags(const struct vif_queue *q, const struct rx_plan *plan);
void vif_rx_extras(struct vif_queue *q, const struct rx_plan *plan);

/*
 * starve.c: a queue has, or may have, a frame and no slots for it; it has. Of
 * a neglected one, frames do not wait any more.
 */
void vif_starve_init(struct vif_queue *q);
void vif_starve(struct vif_queue *q);
void vif_fed(struct vif_queue *q);
bool vif_neglected(const struct vif_queue *q);

#endif
