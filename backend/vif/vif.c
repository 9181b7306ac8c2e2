// SPDX-License-Identifier: MIT
/* A network device of the worker's guest: attach, connect and back. */
#include "../port/tap.h"
#include "queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A frame waits that long for the guest to post slots, as in Linux. */
#define DRAIN_MS 10000u

static int check_attach(const struct ipc_vif_attach *a, unsigned int nr_fds,
			struct reason *why)
{
	if (nr_fds && nr_fds <= IPC_MAX_QUEUES && nr_fds == a->nr_fds)
		return 0;
	reason_set(why,
		   "%u tap queues announced, %u handed over, 1 to %u "
		   "allowed",
		   a->nr_fds, nr_fds, IPC_MAX_QUEUES);
	return -EINVAL;
}

static void fini_queues(struct vif *vif)
{
	for (unsigned int i = 0; i < vif->nr_queues; i++) {
		vif_queue_fini(&vif->queue[i]);
		port_close(vif->queue[i].port);
	}
}

/* The descriptors stay the caller's when attach fails. */
static void undo_attach(struct vif *vif, int err)
{
	for (unsigned int i = 0; i < vif->nr_queues; i++)
		if (vif->queue[i].port)
			vif->queue[i].port->fd = -1;
	fini_queues(vif);
	free(vif);
	errno = -err;
}

static int init_queue(struct vif *vif, unsigned int i, int fd,
		      struct reason *why)
{
	struct port *port = tap_open(fd, why);
	int err;

	if (!port)
		return -errno;
	err = vif_queue_init(&vif->queue[i], vif, port);
	if (err)
		reason_set(why, "%s: memory of queue %u: %s", vif->name, i,
			   strerror(-err));
	return err;
}

struct vif *vif_attach(struct worker *w, const struct ipc_msg *msg,
		       const int *fds, unsigned int nr_fds, struct reason *why)
{
	const struct ipc_vif_attach *a = &msg->vif_attach;
	int err = check_attach(a, nr_fds, why);
	struct vif *vif;

	if (err) {
		errno = -err;
		return NULL;
	}
	vif = calloc(1, sizeof(*vif) + nr_fds * sizeof(vif->queue[0]));
	if (!vif) {
		reason_set(why, "out of memory");
		return NULL;
	}
	vif->worker = w;
	vif->dev = msg->dev;
	vif->drain_ms = DRAIN_MS;
	memcpy(vif->name, a->name, sizeof(vif->name) - 1);
	while (!err && vif->nr_queues < nr_fds) {
		vif->nr_queues++;
		err = init_queue(vif, vif->nr_queues - 1,
				 fds[vif->nr_queues - 1], why);
	}
	if (err) {
		undo_attach(vif, err);
		return NULL;
	}
	return vif;
}

/* The same for all queues of a tap, and set through the first. */
static int set_caps(struct vif *vif, struct reason *why)
{
	const struct vif_guest *g = &vif->guest;
	struct port_caps caps = {
		.csum = g->csum_ipv4 || g->csum_ipv6,
		.tso4 = g->sg && g->gso_tcpv4 && g->csum_ipv4,
		.tso6 = g->sg && g->gso_tcpv6 && g->csum_ipv6,
	};
	struct port *port = vif->queue[0].port;
	int err = port->ops->set_caps(port, &caps);

	if (err)
		reason_set(why, "%s: setting offloads: %s", vif->name,
			   strerror(-err));
	return err;
}

/* The tap spreads its frames over the queues that the guest has. */
static int enable_ports(struct vif *vif, unsigned int nr, struct reason *why)
{
	int err = 0;

	for (unsigned int i = 0; !err && i < vif->nr_queues; i++) {
		struct port *port = vif->queue[i].port;

		err = port->ops->set_enabled(port, i < nr);
		if (err)
			reason_set(why, "%s: switching queue %u: %s", vif->name,
				   i, strerror(-err));
	}
	return err;
}

static void disconnect_queues(struct vif *vif)
{
	struct port *port = vif->queue[0].port;

	for (unsigned int i = 0; i < vif->nr_queues; i++)
		vif_queue_disconnect(&vif->queue[i]);
	port->ops->set_carrier(port, false);
}

int vif_connect(struct vif *vif, const struct ipc_vif_connect *c,
		struct reason *why)
{
	struct port *port = vif->queue[0].port;
	int err;

	if (!c->nr_queues || c->nr_queues > vif->nr_queues) {
		reason_set(why, "%u queues, 1 to %u are there", c->nr_queues,
			   vif->nr_queues);
		return -EINVAL;
	}
	vif->broken = false;
	vif->guest = (struct vif_guest){
		.sg = c->sg,
		.gso_tcpv4 = c->gso_tcpv4,
		.gso_tcpv6 = c->gso_tcpv6,
		.csum_ipv4 = c->csum_ipv4,
		.csum_ipv6 = c->csum_ipv6,
	};
	err = enable_ports(vif, c->nr_queues, why);
	if (!err)
		err = set_caps(vif, why);
	for (unsigned int i = 0; !err && i < c->nr_queues; i++)
		err = vif_queue_connect(&vif->queue[i], &c->queue[i], why);
	if (!err) {
		err = port->ops->set_carrier(port, true);
		if (err)
			reason_set(why, "%s: setting the carrier: %s",
				   vif->name, strerror(-err));
	}
	if (err)
		disconnect_queues(vif);
	return err;
}

/* Nothing is in flight between turns: it is done at once. */
void vif_disconnect(struct vif *vif)
{
	disconnect_queues(vif);
	worker_disconnected(vif->worker, vif->dev);
}

void vif_detach(struct vif *vif)
{
	fini_queues(vif);
	free(vif);
}
