/* SPDX-License-Identifier: MIT */
/*
 * The receive side of the NIC: slots that the guest posts, frames that come,
 * and what has to hold of the two.
 *
 * A response answers the slot at its place; bytes are written to the pages of
 * posted slots only, where a response says, and never to one that cannot be
 * written; a frame that arrives whole is one that was given; nothing waits
 * while there are slots for it.
 */
#ifndef XPV_FUZZ_NIC_RX_H
#define XPV_FUZZ_NIC_RX_H

#include "nic.h"

/* Forget what was posted and written. */
void nic_rx_start(void);
/* A turn, and the checks. */
void nic_rx_turn(void);
void nic_rx_post(unsigned int queue, uint16_t id, uint32_t gref);
/* One operation: a frame comes from the port. */
void nic_rx_frame(struct input *in);
/* Post plenty: every frame finds its way. Then look at the pages. */
void nic_rx_settle(void);

#endif
