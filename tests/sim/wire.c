// SPDX-License-Identifier: MIT
/*
 * The wire of a NIC: a port of the product's, in the place of a tap. Frames
 * for the guest wait here until the worker reads them; those from it find
 * room, or do not when the wire is slow.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "backend/port/tap.h"
#include "sim.h"

#define ROOM 40u /* frames from the guest, of all queues */

struct wire_port {
	struct port port;
	unsigned int queue;
};

static struct {
	unsigned int filled; /* of ROOM */
	unsigned int opened; /* ports of this worker */
	struct wire_queue {
		int wake; /* an eventfd, as a tap is readable */
		uint32_t given, taken; /* frames; those between wait */
		uint32_t len[WIRE_FRAMES];
	} queue[NET_QUEUES];
} wire;

/* ---- frames ---- */

/* Its number and whose it is, and bytes that follow from these. */
void wire_frame(uint8_t *to, bool to_guest, unsigned int queue, uint32_t number,
		uint32_t len)
{
	uint32_t x = (number * 2 + to_guest) * 2654435761u + queue + 1;

	memset(to, 2, 12);
	to[12] = 0x88;
	to[13] = 0xb5;
	to[14] = to_guest;
	to[15] = (uint8_t)queue;
	memcpy(to + 16, &number, sizeof(number));
	memcpy(to + 20, &len, sizeof(len));
	for (uint32_t i = 24; i < len; i++) {
		x = x * 1664525u + 1013904223u;
		to[i] = (uint8_t)(x >> 24);
	}
}

bool wire_whole(const uint8_t *data, uint32_t len, bool to_guest,
		unsigned int queue, uint32_t *number)
{
	static uint8_t expected[WIRE_MAX];

	if (len < WIRE_MIN || len > WIRE_MAX)
		return false;
	memcpy(number, data + 16, sizeof(*number));
	wire_frame(expected, to_guest, queue, *number, len);
	return !memcmp(data, expected, len);
}

/* ---- outside ---- */

void wire_start(void)
{
	memset(&wire, 0, sizeof(wire));
	for (unsigned int i = 0; i < NET_QUEUES; i++) {
		wire.queue[i].wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		SIM_MUST(wire.queue[i].wake >= 0);
	}
}

void wire_stop(void)
{
	for (unsigned int i = 0; i < NET_QUEUES; i++)
		close(wire.queue[i].wake);
}

int wire_fd(unsigned int queue)
{
	wire.opened = 0;
	return dup(wire.queue[queue].wake);
}

bool wire_give(unsigned int queue, uint32_t len)
{
	struct wire_queue *q = &wire.queue[queue];

	if (q->given - q->taken == WIRE_FRAMES)
		return false;
	q->len[q->given++ % WIRE_FRAMES] = len;
	SIM_MUST(!eventfd_write(q->wake, 1));
	sim.kicked = true;
	return true;
}

unsigned int wire_waits(unsigned int queue)
{
	return wire.queue[queue].given - wire.queue[queue].taken;
}

uint32_t wire_taken(unsigned int queue)
{
	return wire.queue[queue].taken;
}

void wire_drains(bool all)
{
	unsigned int n = all ? ROOM : 1 + sim_chance(8);

	wire.filled -= n < wire.filled ? n : wire.filled;
}

/* ---- for the worker: a system call for each frame ---- */

static unsigned int queue_of(const struct port *port)
{
	return ((const struct wire_port *)port)->queue;
}

static void wire_send(struct port *port, struct port_frame *frames,
		      unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		bool room = wire.filled < ROOM;

		faults_may_die();
		net_guest_left(frames[i].data, frames[i].len, queue_of(port),
			       room);
		wire.filled += room;
		if (room)
			port->stats.sent++;
		else
			port->stats.drop_full++;
		faults_may_die();
	}
}

static unsigned int wire_receive(struct port *port, struct port_batch *batch,
				 unsigned int max)
{
	struct wire_queue *q = &wire.queue[queue_of(port)];
	unsigned int n = 0;

	for (; n < max; n++) {
		uint8_t *room = port_batch_room(batch);
		uint32_t len = q->len[q->taken % WIRE_FRAMES];

		faults_may_die();
		if (!room || q->taken == q->given)
			break;
		wire_frame(room, true, queue_of(port), q->taken, len);
		q->taken++;
		port_batch_add(batch, len);
		port->stats.received++;
		faults_may_die();
	}
	return n;
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

static void wire_close(struct port *port)
{
	close(port->fd);
	free(port);
}

static const struct port_ops ops = {
	.send = wire_send,
	.receive = wire_receive,
	.set_caps = set_caps,
	.set_enabled = set_flag,
	.set_carrier = set_flag,
	.close = wire_close,
};

/* In the place of tap.c's; a worker opens its queues in their order. */
struct port *tap_open(int fd, struct reason *why)
{
	struct wire_port *p = calloc(1, sizeof(*p));

	(void)why;
	SIM_MUST(p && wire.opened < NET_QUEUES);
	p->port.ops = &ops;
	p->port.fd = fd;
	p->queue = wire.opened++;
	return &p->port;
}
