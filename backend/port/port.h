/* SPDX-License-Identifier: MIT */
/*
 * The network port seam: where a vif's packets go to and come from. A port
 * takes batches of Ethernet frames and hands batches of frames out, each with
 * what is still to be done to it (checksum, segmentation). Ports: tap; a
 * switch between guests of this host and filters on top of either come behind
 * the same table.
 *
 * "send" is away from the guest, "receive" towards it. A port belongs to one
 * thread, never blocks and holds no frames of its own: what it cannot send it
 * drops and counts, what nobody receives waits in the queue of the device
 * behind it, which that device bounds.
 */
#ifndef XPV_PORT_H
#define XPV_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The largest frame: 64 KiB of IP behind an Ethernet and a VLAN header. */
#define PORT_MAX_FRAME (65535u + 18u)
/* Bytes in front of each frame that the port may write (a device header). */
#define PORT_HEADROOM 64u
/* Frames of one batch. */
#define PORT_BATCH 64u
/* A batch takes no further frame when it holds that many bytes. */
#define PORT_BATCH_BYTES (128u * 1024)
#define PORT_ARENA_SIZE	 (PORT_BATCH_BYTES + 2 * 65536u + 8192u)

enum port_gso {
	PORT_GSO_NONE,
	PORT_GSO_TCPV4,
	PORT_GSO_TCPV6,
};

/*
 * What is still to be done to a frame, or known about it. A frame with GSO
 * always needs its checksum too.
 */
struct port_offload {
	bool csum_needed; /* sum from csum_start to the end, store at
			    * csum_start + csum_offset, which holds the sum of
			    * the pseudo header */
	bool csum_valid; /* no need to check: it never left this host */
	uint8_t gso; /* enum port_gso */
	bool gso_ecn; /* the TCP header has CWR set */
	uint16_t gso_size; /* payload bytes of a segment */
	uint16_t hdr_len; /* GSO: bytes of all headers */
	uint16_t csum_start;
	uint16_t csum_offset;
};

struct port_frame {
	uint8_t *data; /* PORT_HEADROOM writable bytes before it */
	uint32_t len;
	struct port_offload off;
};

/*
 * Frames and the memory they lie in. The arena is reserved address space:
 * only what the largest batch so far has touched is memory, and
 * port_batch_release() gives that back.
 */
struct port_batch {
	uint8_t *arena; /* PORT_ARENA_SIZE bytes, page-aligned */
	uint32_t used; /* bytes of the arena in front of the next headroom */
	unsigned int nr;
	struct port_frame frame[PORT_BATCH];
};

/* 0 or -errno. */
int port_batch_init(struct port_batch *b);
void port_batch_fini(struct port_batch *b);
/* Give the memory back to the system; the batch must be empty. */
void port_batch_release(struct port_batch *b);

static inline void port_batch_reset(struct port_batch *b)
{
	b->nr = 0;
	b->used = 0;
}

/*
 * Where the next frame is to be written, room for PORT_MAX_FRAME bytes; NULL
 * when the batch is full.
 */
uint8_t *port_batch_room(struct port_batch *b);
/* The frame written there has @len bytes; its offload is cleared. */
struct port_frame *port_batch_add(struct port_batch *b, uint32_t len);
/* Forget all frames but the last @keep ones, which move to the front. */
void port_batch_keep(struct port_batch *b, unsigned int keep);

/* What the guest can be handed unfinished. */
struct port_caps {
	bool csum;
	bool tso4;
	bool tso6;
};

struct port_stats {
	uint64_t sent;
	uint64_t received;
	uint64_t drop_down; /* the interface is down */
	uint64_t drop_full; /* no room behind the port */
	uint64_t drop_refused; /* the device did not like the frame */
	uint64_t drop_long; /* received longer than PORT_MAX_FRAME */
};

struct port;

struct port_ops {
	/*
	 * Send frames[n], which the port may scribble on (also in front of
	 * them). Each is sent or dropped and counted.
	 */
	void (*send)(struct port *port, struct port_frame *frames,
		     unsigned int n);
	/*
	 * Add at most @max frames to @batch. Returns their number; fewer than
	 * @max means that none is left or that the batch is full.
	 */
	unsigned int (*receive)(struct port *port, struct port_batch *batch,
				unsigned int max);
	/* Frames handed out from now on need no more than @caps. */
	int (*set_caps)(struct port *port, const struct port_caps *caps);
	/*
	 * One of several ports to one device: while it is off, its share of
	 * the frames goes to the others. On when it was opened.
	 */
	int (*set_enabled)(struct port *port, bool on);
	/* Does the other side of the port see a link? */
	int (*set_carrier)(struct port *port, bool on);
	void (*close)(struct port *port);
};

/* Implementations embed this as their first member. */
struct port {
	const struct port_ops *ops;
	int fd; /* readable when receive() will find a frame */
	struct port_stats stats;
};

static inline void port_close(struct port *port)
{
	if (port)
		port->ops->close(port);
}

#endif
