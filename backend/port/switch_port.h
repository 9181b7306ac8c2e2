/* SPDX-License-Identifier: MIT */
/* Between switch.c, switch_send.c and switch_receive.c. */
#ifndef XPV_PORT_SWITCH_PORT_H
#define XPV_PORT_SWITCH_PORT_H

#include "switch.h"

#define SWITCH_FOREACH(link, sp)                                               \
	for ((link) = (sp)->link; (link) < (sp)->link + (sp)->nr_links;        \
	     (link)++)                                                         \
		if ((link)->mem)

uint64_t switch_now_ms(void);
void switch_link_wake(struct switch_link *link);
/* Its indices are impossible: no more of it until it is removed. */
void switch_link_broken(struct switch_link *link);

/* The seam of port.h. */
void switch_port_send(struct port *port, struct port_frame *frames,
		      unsigned int n);
unsigned int switch_port_receive(struct port *port, struct port_batch *batch,
				 unsigned int max);

#endif
