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
#include "../worker/loop.h"
#include "../worker/worker.h"
#include "hyper/hyper.h"
#include "netif.h"
#include "ring.h"
#include "stats.h"

/* Transmit slots of one turn; over 26, which is the longest packet. */
#define TX_TURN_SLOTS 128u
/* Slots and copies that one turn can need: a whole ring. */
#define RING_SLOTS 256u
/* A frame with GSO on the receive ring: 17 pages and an extra. */
#define RX_FRAME_SLOTS 18u

/* A packet of this turn: where its slots are and what became of it. */
struct tx_packet {
	uint16_t at; /* its first slot among tx_slots */
	uint8_t used;
	uint8_t nr_extras;
	bool csum_blank;
	uint8_t gso_type;
	uint16_t gso_size;
	int16_t status;
	uint16_t op; /* its first copy */
	uint16_t nr_ops;
	uint16_t frame; /* in the batch, while status is OKAY */
};

/* What a frame asks of the guest's receive slots. */
struct rx_plan {
	uint16_t flags; /* of the first response */
	uint16_t gso_size;
	uint8_t gso_type;
	uint8_t slots; /* with the extra; 0: the frame is dropped */
};

union rx_response {
	struct xpv_netif_rx_response rsp;
	struct xpv_netif_extra extra;
};

struct vif_queue {
	struct vif *vif;
	struct port *port;
	struct loop_source readable; /* the port's descriptor */
	struct loop_work work;
	struct loop_port event[2]; /* tx and rx, or [0] for both */
	unsigned int nr_events;
	bool port_ready; /* receive() may find a frame */
	bool connected;

	struct xpv_back tx;
	void *tx_page;
	uint32_t tx_seen; /* slots of a packet whose end is not there yet */

	struct xpv_back rx;
	void *rx_page;
	uint64_t rx_wait_since; /* ms; 0: not waiting for slots */

	/* Memory in use: given back when idle for a while. */
	bool active; /* since arm() was last called */
	bool dirty;
	uint64_t last_active; /* ms */

	uint64_t counter[VIF_NR_COUNTERS];

	/* Of the turn, but for a frame and its plan that wait at [0]. */
	struct port_batch tx_batch, rx_batch;
	struct rx_plan rx_plan[PORT_BATCH];
	struct hyper_copy ops[RING_SLOTS];
	unsigned int nr_ops;
	struct xpv_netif_tx_request tx_slots[TX_TURN_SLOTS];
	struct tx_packet tx_packets[TX_TURN_SLOTS];
	union rx_response rx_rsp[RING_SLOTS];
	uint16_t rx_rsp_of_op[RING_SLOTS];
	unsigned int nr_rx_rsp;
};

/* What the frontend can receive. */
struct vif_guest {
	bool sg;
	bool gso_tcpv4;
	bool gso_tcpv6;
	bool csum_ipv4;
	bool csum_ipv6;
};

struct vif {
	struct worker *worker;
	struct ipc_device dev;
	char name[16];
	struct vif_guest guest;
	bool broken; /* told to the worker; no ring is touched any more */
	unsigned int nr_queues;
	unsigned int drain_ms; /* frames wait that long for slots */
	struct vif_queue queue[];
};

/* queue.c */
int vif_queue_init(struct vif_queue *q, struct vif *vif, struct port *port);
/* Frees what init made; the port stays. */
void vif_queue_fini(struct vif_queue *q);
int vif_queue_connect(struct vif_queue *q, const struct ipc_vif_queue *c,
		      struct reason *why);
void vif_queue_disconnect(struct vif_queue *q);
/* Fill in and run the copies of this turn; each has its own status. */
struct hyper_copy *vif_queue_op(struct vif_queue *q);
void vif_queue_copy(struct vif_queue *q);
void vif_queue_broken(struct vif_queue *q, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * tx.c, rx.c. turn: serve a batch; true if anything was found. arm: ask for
 * an event; true if there is something to do meanwhile.
 */
bool vif_tx_turn(struct vif_queue *q);
bool vif_tx_arm(struct vif_queue *q);
bool vif_rx_turn(struct vif_queue *q);
bool vif_rx_arm(struct vif_queue *q, uint64_t now);
/* Throw away what the port has queued. */
void vif_rx_drain(struct vif_queue *q);

#endif
