/* SPDX-License-Identifier: MIT */
/*
 * What the tests of a switch stand on: a local machine with guests, a worker
 * for each of them in this thread, their vifs on one switch, and a userspace
 * frontend in each guest. The tests play the supervisor.
 */
#ifndef XPV_TESTS_LANRIG_H
#define XPV_TESTS_LANRIG_H

#include <check.h>

#include "backend/ipc.h"
#include "backend/port/switch.h"
#include "backend/vif/stats.h"
#include "backend/worker/worker.h"
#include "frontend/user/usernet.h"

#define LAN_GUESTS 4u
#define LAN_QUEUES IPC_MAX_QUEUES /* of a guest, at most */
#define LAN_FRAME  (65535 + 64)
#define LAN_ETH	   14u
#define LAN_STAMP  26u /* bytes of a frame of lan_frame() before its payload */

struct lan_guest {
	uint16_t domid;
	uint8_t mac[6];
	struct hyper *back, *front;
	struct hyper_ops ops; /* of back, with our copy */
	struct worker worker;
	int control;
	struct vif *vif;
	struct switch_port *port;
	struct usernet *u; /* the first queue */
	struct usernet *queue[LAN_QUEUES];
	struct ipc_vif_connect features;
	uint32_t id; /* of the port */
};

/* What crossed the hypervisor seam. */
struct lan_copies {
	uint64_t grant_to_grant, grant_to_grant_bytes;
	uint64_t other;
	uint64_t largest_other; /* bytes of one copy to or from our memory */
};

struct lan {
	struct hyper_machine *machine;
	unsigned int nr;
	struct lan_guest guest[LAN_GUESTS];
	uint32_t next_id;
	struct lan_copies copies;
	/* Called before copies from guest to guest. */
	void (*before_copy)(void);
	/* Of guests that are added. */
	struct ipc_vif_connect features;
	bool no_guard;
	bool deaf; /* guests are added without receive slots */
};

void lan_setup(struct lan *lan);
void lan_teardown(struct lan *lan);
/* A guest on the switch, connected and linked to all others; `bridge`, `ip` */
struct lan_guest *lan_add(struct lan *lan, const char *bridge, const char *ip);
/* Attach and connect, to no one. */
void lan_attach(struct lan *lan, struct lan_guest *g, const char *bridge,
		const char *ip);
void lan_link(struct lan *lan, struct lan_guest *a, struct lan_guest *b);
/* Tell @a that @b has ended. */
void lan_unlink(struct lan_guest *a, const struct lan_guest *b);
/* Disconnect, detach and forget; the others are not told. */
void lan_remove(struct lan *lan, struct lan_guest *g);

/* Let each worker work. */
void lan_turns(struct lan *lan, unsigned int n);

/*
 * A frame of no protocol from @from to @to (NULL: to all): @len bytes made
 * from the sender, @seq and @len.
 */
void lan_frame(uint8_t *frame, const struct lan_guest *from,
	       const struct lan_guest *to, uint32_t len, uint32_t seq);
/* Is it one of those, every byte of it? Its sender's domid and its number. */
bool lan_frame_whole(const uint8_t *frame, uint32_t len, uint16_t *from,
		     uint32_t *seq);

/* Queue a packet; true if the guest's ring had room. */
bool lan_send(struct lan_guest *g, const struct usernet_packet *pkt);
/* All that is answered; fails on any status but OKAY and NULL. */
unsigned int lan_reap(struct lan_guest *g);
/* Turns until it has a frame, or for long enough. */
bool lan_receive(struct lan *lan, struct lan_guest *g,
		 struct usernet_frame *frame);
/* No frame comes. */
void lan_expect_none(struct lan *lan, struct lan_guest *g);
uint64_t lan_count(const struct lan_guest *g, enum switch_counter counter);

#endif
