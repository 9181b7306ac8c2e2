// SPDX-License-Identifier: MIT
#include "memport.h"

#include "backend/port/tap.h"
#include "host.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct memport_frames memport_sent, memport_waiting, memport_given;

/* ---- frames from the guest ---- */

/* What a kernel is told of a frame has to be true: it does not ask again. */
static void check_sent(const struct port_frame *f)
{
	const struct port_offload *off = &f->off;

	FUZZ_CHECK(f->len >= 14 && f->len <= PORT_MAX_FRAME);
	if (off->csum_needed)
		FUZZ_CHECK((uint32_t)off->csum_start + off->csum_offset + 2 <=
			   f->len);
	if (off->gso == PORT_GSO_NONE)
		return;
	FUZZ_CHECK(off->gso == PORT_GSO_TCPV4 || off->gso == PORT_GSO_TCPV6);
	FUZZ_CHECK(off->csum_needed && off->gso_size);
	FUZZ_CHECK(off->hdr_len >= off->csum_start + 20u &&
		   off->hdr_len < f->len);
}

static void memport_send(struct port *port, struct port_frame *frames,
			 unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct memframe *to = &memport_sent.frame[memport_sent.nr];

		check_sent(&frames[i]);
		FUZZ_CHECK(memport_sent.nr < MEMPORT_FRAMES);
		memport_sent.nr++;
		to->len = frames[i].len;
		to->off = frames[i].off;
		memcpy(to->data, frames[i].data, to->len);
		/* As a port may. */
		memset(frames[i].data - PORT_HEADROOM, 0xee,
		       PORT_HEADROOM + frames[i].len);
		port->stats.sent++;
	}
}

/* ---- frames to the guest ---- */

bool memport_give(const uint8_t *data, uint32_t len,
		  const struct port_offload *off)
{
	struct memframe *f = &memport_waiting.frame[memport_waiting.nr];

	/* What was given is remembered, so its number bounds the other. */
	if (memport_given.nr == MEMPORT_FRAMES)
		return false;
	memport_waiting.nr++;
	f->len = len;
	f->off = *off;
	memcpy(f->data, data, len);
	f = &memport_given.frame[memport_given.nr++];
	f->len = len;
	f->off = *off;
	memcpy(f->data, data, len);
	return true;
}

static unsigned int memport_receive(struct port *port, struct port_batch *batch,
				    unsigned int max)
{
	struct memport_frames *w = &memport_waiting;
	unsigned int n = 0;

	(void)port;
	while (n < max && n < w->nr) {
		uint8_t *room = port_batch_room(batch);

		if (!room)
			break;
		memcpy(room, w->frame[n].data, w->frame[n].len);
		port_batch_add(batch, w->frame[n].len)->off = w->frame[n].off;
		n++;
	}
	for (unsigned int i = n; n && i < w->nr; i++) {
		w->frame[i - n].len = w->frame[i].len;
		w->frame[i - n].off = w->frame[i].off;
		memcpy(w->frame[i - n].data, w->frame[i].data, w->frame[i].len);
	}
	w->nr -= n;
	return n;
}

/* ---- the rest ---- */

void memport_reset(void)
{
	memport_sent.nr = 0;
	memport_waiting.nr = 0;
	memport_given.nr = 0;
}

static int set_caps(struct port *port, const struct port_caps *caps)
{
	(void)port;
	(void)caps;
	return 0;
}

static int set_flag(struct port *port, bool on)
{
	(void)port;
	(void)on;
	return 0;
}

static void memport_close(struct port *port)
{
	if (port->fd >= 0)
		close(port->fd);
	free(port);
}

static const struct port_ops memport_ops = {
	.send = memport_send,
	.receive = memport_receive,
	.set_caps = set_caps,
	.set_enabled = set_flag,
	.set_carrier = set_flag,
	.close = memport_close,
};

struct port *tap_open(int fd, struct reason *why)
{
	struct port *port = calloc(1, sizeof(*port));

	(void)why;
	FUZZ_NEED(port);
	port->ops = &memport_ops;
	port->fd = fd;
	return port;
}
