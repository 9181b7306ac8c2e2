/* SPDX-License-Identifier: MIT */
/*
 * Offloads between what a guest says of a packet and what the port wants to
 * know. What the guest says is checked against the headers of the packet;
 * the kernel behind a tap is never told anything else.
 */
#ifndef XPV_VIF_OFFLOAD_H
#define XPV_VIF_OFFLOAD_H

#include "queue.h"

/*
 * Fill frame->off for a transmitted packet. Returns false, and in *drop the
 * counter to blame, if the packet is not what it claims to be.
 */
bool offload_from_guest(struct vif_queue *q, const struct tx_packet *pkt,
			struct port_frame *frame, enum vif_counter *drop);

/*
 * Say in @plan how a received frame is handed to the guest. True: not as it
 * is, its payload has to be touched. Looks at headers alone, frame->len may be
 * theirs.
 */
bool offload_plan(struct vif_queue *q, const struct port_frame *frame,
		  struct rx_plan *plan);

/*
 * Say in @plan what is to be done to a received frame; its checksum is
 * finished here if the guest cannot do it.
 */
void offload_to_guest(struct vif_queue *q, struct port_frame *frame,
		      struct rx_plan *plan);

#endif
