/* SPDX-License-Identifier: MIT */
/*
 * The port of a vif in memory, in the place of a tap: tap_open() is ours, and
 * takes any descriptor that can be polled. Frames to the guest wait in one
 * queue that all ports share, as one tap's do; frames from it are kept until
 * they are looked at.
 */
#ifndef XPV_FUZZ_MEMPORT_H
#define XPV_FUZZ_MEMPORT_H

#include "backend/port/port.h"

#define MEMPORT_FRAMES 64u

struct memframe {
	uint32_t len;
	struct port_offload off;
	uint8_t data[PORT_MAX_FRAME];
};

extern struct memport_frames {
	unsigned int nr;
	struct memframe frame[MEMPORT_FRAMES];
} memport_sent, memport_waiting, memport_given;

/* Forget all frames. */
void memport_reset(void);
/* A frame for the guest; false: as many wait as may. */
bool memport_give(const uint8_t *data, uint32_t len,
		  const struct port_offload *off);

#endif
