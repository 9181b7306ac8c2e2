// SPDX-License-Identifier: MIT
/*
 * A tap queue as a port: one system call a frame, the frame behind a virtio
 * header that carries its offloads in either direction.
 */
#include "tap.h"

#include "../reason.h"
#include "port.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define HDR_LEN sizeof(struct virtio_net_hdr)

_Static_assert(HDR_LEN <= PORT_HEADROOM, "the header lies in the headroom");

struct tap {
	struct port port;
	bool multi_queue;
	bool disabled;
};

static void to_header(const struct port_frame *frame,
		      struct virtio_net_hdr *hdr)
{
	const struct port_offload *off = &frame->off;

	memset(hdr, 0, sizeof(*hdr));
	if (off->csum_needed) {
		hdr->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		hdr->csum_start = off->csum_start;
		hdr->csum_offset = off->csum_offset;
	}
	if (off->gso == PORT_GSO_NONE)
		return;
	hdr->gso_type = off->gso == PORT_GSO_TCPV4 ? VIRTIO_NET_HDR_GSO_TCPV4
						   : VIRTIO_NET_HDR_GSO_TCPV6;
	if (off->gso_ecn)
		hdr->gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	hdr->gso_size = off->gso_size;
	hdr->hdr_len = off->hdr_len;
}

/* False: the header asks for something we never said we could do. */
static bool from_header(const struct virtio_net_hdr *hdr,
			struct port_frame *frame)
{
	struct port_offload *off = &frame->off;

	off->csum_valid = hdr->flags & VIRTIO_NET_HDR_F_DATA_VALID;
	if (hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		if ((uint32_t)hdr->csum_start + hdr->csum_offset + 2 >
		    frame->len)
			return false;
		off->csum_needed = true;
		off->csum_start = hdr->csum_start;
		off->csum_offset = hdr->csum_offset;
	}
	switch (hdr->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE:
		return true;
	case VIRTIO_NET_HDR_GSO_TCPV4:
		off->gso = PORT_GSO_TCPV4;
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		off->gso = PORT_GSO_TCPV6;
		break;
	default:
		return false;
	}
	off->gso_ecn = hdr->gso_type & VIRTIO_NET_HDR_GSO_ECN;
	off->gso_size = hdr->gso_size;
	off->hdr_len = hdr->hdr_len;
	return off->csum_needed && off->gso_size;
}

static void count_send(struct port_stats *stats, ssize_t ret)
{
	if (ret >= 0)
		stats->sent++;
	else if (errno == EIO)
		stats->drop_down++;
	else if (errno == EAGAIN || errno == ENOMEM || errno == ENOBUFS)
		stats->drop_full++;
	else
		stats->drop_refused++;
}

static void tap_send(struct port *port, struct port_frame *frames,
		     unsigned int n)
{
	struct virtio_net_hdr hdr;

	for (unsigned int i = 0; i < n; i++) {
		uint8_t *start = frames[i].data - HDR_LEN;
		ssize_t ret;

		to_header(&frames[i], &hdr);
		memcpy(start, &hdr, HDR_LEN);
		do
			ret = write(port->fd, start, HDR_LEN + frames[i].len);
		while (ret < 0 && errno == EINTR);
		count_send(&port->stats, ret);
	}
}

/* The bytes of the frame read to @room, 0 if there is none. */
static uint32_t read_frame(struct port *port, uint8_t *room)
{
	ssize_t ret;

	do
		ret = read(port->fd, room - HDR_LEN, HDR_LEN + PORT_MAX_FRAME);
	while (ret < 0 && errno == EINTR);
	return ret > (ssize_t)HDR_LEN ? (uint32_t)(ret - (ssize_t)HDR_LEN) : 0;
}

static unsigned int tap_receive(struct port *port, struct port_batch *batch,
				unsigned int max)
{
	unsigned int n = 0;

	while (n < max) {
		uint8_t *room = port_batch_room(batch);
		struct port_frame *frame, try = {.data = room};
		struct virtio_net_hdr hdr;

		if (!room)
			break;
		try.len = read_frame(port, room);
		if (!try.len)
			break;
		memcpy(&hdr, room - HDR_LEN, HDR_LEN);
		/* As long as the room: the kernel cut its end off. */
		if (try.len == PORT_MAX_FRAME || !from_header(&hdr, &try)) {
			port->stats.drop_long++;
			continue;
		}
		frame = port_batch_add(batch, try.len);
		frame->off = try.off;
		port->stats.received++;
		n++;
	}
	return n;
}

static int tap_set_caps(struct port *port, const struct port_caps *caps)
{
	unsigned long flags = 0;

	/*
	 * No TSO_ECN: the guest has no way to hear of it, so the kernel
	 * segments frames with CWR itself; and no USO, for which the rings
	 * have no type. Frames from the guest may have CWR.
	 */
	if (caps->csum)
		flags |= TUN_F_CSUM;
	if (caps->csum && caps->tso4)
		flags |= TUN_F_TSO4;
	if (caps->csum && caps->tso6)
		flags |= TUN_F_TSO6;
	return ioctl(port->fd, TUNSETOFFLOAD, flags) ? -errno : 0;
}

static int tap_set_enabled(struct port *port, bool on)
{
	struct tap *tap = (struct tap *)port;
	struct ifreq ifr;

	if (!tap->multi_queue || tap->disabled == !on)
		return 0;
	memset(&ifr, 0, sizeof(ifr));
	ifr.ifr_flags = on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE;
	if (ioctl(port->fd, TUNSETQUEUE, &ifr))
		return -errno;
	tap->disabled = !on;
	return 0;
}

static int tap_set_carrier(struct port *port, bool on)
{
	int carrier = on;

	return ioctl(port->fd, TUNSETCARRIER, &carrier) ? -errno : 0;
}

static void tap_close(struct port *port)
{
	/* -1: whoever opened it has taken it back. */
	if (port->fd >= 0)
		close(port->fd);
	free(port);
}

static const struct port_ops tap_ops = {
	.send = tap_send,
	.receive = tap_receive,
	.set_caps = tap_set_caps,
	.set_enabled = tap_set_enabled,
	.set_carrier = tap_set_carrier,
	.close = tap_close,
};

/* Is @fd what we take it for? Anything else would corrupt every frame. */
static int check_tap(int fd, short *flags, struct reason *why)
{
	short want = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	struct ifreq ifr;
	int hdr_len = 0;

	memset(&ifr, 0, sizeof(ifr));
	if (ioctl(fd, TUNGETIFF, &ifr) ||
	    ioctl(fd, TUNGETVNETHDRSZ, &hdr_len)) {
		reason_set(why, "descriptor %d is no tap: %s", fd,
			   strerror(errno));
		return -errno;
	}
	if ((ifr.ifr_flags & want) != want || hdr_len != (int)HDR_LEN) {
		reason_set(why,
			   "tap %.16s has flags 0x%x and a header of %d bytes, "
			   "not 0x%x and %zu",
			   ifr.ifr_name, (unsigned int)ifr.ifr_flags & 0xffff,
			   hdr_len, want, HDR_LEN);
		return -EINVAL;
	}
	*flags = ifr.ifr_flags;
	return 0;
}

struct port *tap_open(int fd, struct reason *why)
{
	short flags = 0;
	int err = check_tap(fd, &flags, why);
	struct tap *tap;

	if (err) {
		errno = -err;
		return NULL;
	}
	tap = calloc(1, sizeof(*tap));
	if (!tap) {
		reason_set(why, "out of memory");
		return NULL;
	}
	tap->multi_queue = flags & IFF_MULTI_QUEUE;
	/* The kernel remembers, and refuses to be told twice: a worker before
	 * us may have left it so. */
	tap->disabled = flags & IFF_DETACH_QUEUE;
	tap->port.ops = &tap_ops;
	tap->port.fd = fd;
	return &tap->port;
}
