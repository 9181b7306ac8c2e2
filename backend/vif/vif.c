// SPDX-License-Identifier: MIT
/* A network device of the worker's guest: attach, connect and back. */
#include "../port/tap.h"
#include "queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * A frame waits that long for the guest to post slots, and for so long a
 * guest may post none before its carrier goes; as in Linux. A guest that does
 * not tell of new slots is looked at more often.
 */
#define DRAIN_MS      10000u
#define DRAIN_POLL_MS 30u
#define STALL_MS      60000u

static int check_attach(const struct ipc_vif_attach *a, unsigned int nr_fds,
			struct reason *why)
{
	unsigned int files = a->stats + a->legacy, taps = nr_fds - files;

	if (!a->on_switch && nr_fds > files && taps <= IPC_MAX_QUEUES &&
	    taps == a->nr_fds)
		return 0;
	if (a->on_switch && nr_fds == files && a->lan.max_queues &&
	    a->lan.max_queues <= IPC_MAX_QUEUES)
		return 0;
	if (a->on_switch)
		reason_set(why,
			   "a port of a switch with %u queues, 1 to %u "
			   "allowed, and %u descriptors",
			   a->lan.max_queues, IPC_MAX_QUEUES, nr_fds);
	else
		reason_set(why,
			   "%u tap queues announced, %u handed over, 1 to %u "
			   "allowed",
			   a->nr_fds, taps, IPC_MAX_QUEUES);
	return -EINVAL;
}

static void fini_queues(struct vif *vif)
{
	for (unsigned int i = 0; i < vif->nr_queues; i++) {
		vif_queue_fini(&vif->queue[i]);
		if (!vif->lan)
			port_close(vif->queue[i].port);
	}
	vif_lan_free(vif->lan);
	port_batch_fini(&vif->segments);
	vif_stats_unmap(vif->stats);
	vif_legacy_unmap(vif->legacy, vif->max_queues);
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

static int init_lan(struct vif *vif, const struct ipc_vif_attach *a,
		    struct reason *why)
{
	int err = 0;

	vif->lan = vif_lan_new(vif, &a->lan, a->mac, why);
	if (!vif->lan)
		return -errno;
	while (!err && vif->nr_queues < vif->max_queues) {
		unsigned int i = vif->nr_queues++;

		vif->queue[i].lan = &vif->lan->queue[i];
		err = vif_queue_init(&vif->queue[i], vif,
				     &vif->lan->port->port);
	}
	if (err)
		reason_set(why, "%s: memory of queues: %s", vif->name,
			   strerror(-err));
	return err;
}

static int init_queues(struct vif *vif, const int *fds, unsigned int nr_fds,
		       struct reason *why)
{
	int err = 0;

	while (!err && vif->nr_queues < nr_fds) {
		vif->nr_queues++;
		err = init_queue(vif, vif->nr_queues - 1,
				 fds[vif->nr_queues - 1], why);
	}
	return err;
}

/* Those that had too little credit look again. */
static void credit_came(struct loop_timer *timer)
{
	struct vif *vif = timer->owner;

	for (unsigned int i = 0; i < vif->nr_connected; i++)
		vif->queue[i].tx_throttled = false;
}

static int init_memory(struct vif *vif, int stats, int legacy,
		       struct reason *why)
{
	int err = port_batch_init(&vif->segments);

	if (!err)
		vif->stats = vif_stats_map(stats);
	if (!err && vif->stats)
		vif->legacy = vif_legacy_map(legacy, vif->max_queues);
	if (!err && (!vif->stats || !vif->legacy))
		err = -errno;
	if (err)
		reason_set(why, "%s: %s", vif->name, strerror(-err));
	return err;
}

struct vif *vif_attach(struct worker *w, const struct ipc_msg *msg,
		       const int *fds, unsigned int nr_fds, struct reason *why)
{
	const struct ipc_vif_attach *a = &msg->vif_attach;
	int err = check_attach(a, nr_fds, why);
	unsigned int files = a->stats + a->legacy, taps = nr_fds - files;
	unsigned int queues = a->on_switch ? a->lan.max_queues : taps;
	struct vif *vif;

	if (err) {
		errno = -err;
		return NULL;
	}
	vif = calloc(1, sizeof(*vif) + queues * sizeof(vif->queue[0]));
	if (!vif) {
		reason_set(why, "out of memory");
		return NULL;
	}
	vif->worker = w;
	vif->dev = msg->dev;
	vif->credit.timer.expired = credit_came;
	vif->credit.timer.owner = vif;
	memcpy(vif->name, a->name, sizeof(vif->name) - 1);
	vif->max_queues = queues;
	err = init_memory(vif, a->stats ? fds[taps] : -1,
			  a->legacy ? fds[nr_fds - 1] : -1, why);
	if (!err)
		err = a->on_switch ? init_lan(vif, a, why)
				   : init_queues(vif, fds, taps, why);
	if (err) {
		undo_attach(vif, err);
		return NULL;
	}
	/* They are mapped. */
	while (files--)
		close(fds[taps + files]);
	return vif;
}

/* ---- for the queues ---- */

void *vif_map_page(struct vif *vif, const char *what, uint32_t gref,
		   struct reason *why)
{
	struct worker *w = vif->worker;
	void *page = w->hyper->ops->map(w->hyper, w->domid, &gref, 1,
					HYPER_READ | HYPER_WRITE);
	int err = errno;

	if (!page)
		reason_set(why, "%s %u of domain %u: %s", what, gref, w->domid,
			   strerror(err));
	errno = err;
	return page;
}

void vif_unmap_page(struct vif *vif, void **page)
{
	struct hyper *h = vif->worker->hyper;

	if (*page)
		h->ops->unmap(h, *page, 1);
	*page = NULL;
}

void vif_broken(struct vif *vif, const struct reason *why)
{
	vif->broken = true;
	worker_broken(vif->worker, vif->dev, why);
}

/* ---- the port ---- */

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

/* The tap spreads its frames over those of its queues that are on. */
int vif_update_ports(struct vif *vif, struct reason *why)
{
	unsigned int nr = vif->steer.on ? 1 : vif->nr_connected;
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

int vif_update_carrier(struct vif *vif)
{
	struct port *port = vif->queue[0].port;

	return port->ops->set_carrier(port,
				      vif->nr_connected && !vif->nr_stalled);
}

/* ---- connect ---- */

static void disconnect_queues(struct vif *vif)
{
	vif_ctrl_disconnect(vif);
	vif_steer_stop(vif);
	if (vif->lan)
		vif_lan_stop(vif->lan);
	loop_timer_cancel(&vif->credit.timer);
	credit_forget_queues(&vif->credit);
	for (unsigned int i = 0; i < vif->nr_queues; i++)
		vif_queue_disconnect(&vif->queue[i]);
	vif->nr_connected = 0;
	vif->nr_stalled = 0;
	vif_update_carrier(vif);
}

static int check_connect(const struct vif *vif, const struct ipc_vif_connect *c,
			 struct reason *why)
{
	if (c->nr_queues && c->nr_queues <= vif->nr_queues)
		return 0;
	reason_set(why, "%u queues, 1 to %u are there", c->nr_queues,
		   vif->nr_queues);
	return -EINVAL;
}

/* What a guest has set up in an earlier life is gone. */
static void begin_life(struct vif *vif, const struct ipc_vif_connect *c)
{
	vif->broken = false;
	vif->nr_connected = c->nr_queues;
	vif->stats->nr_queues = c->nr_queues;
	vif->guest = (struct vif_guest){
		.sg = c->sg,
		.gso_tcpv4 = c->gso_tcpv4,
		.gso_tcpv6 = c->gso_tcpv6,
		.csum_ipv4 = c->csum_ipv4,
		.csum_ipv6 = c->csum_ipv6,
	};
	vif->drain_ms = c->rx_notify ? DRAIN_MS : DRAIN_POLL_MS;
	vif->stall_ms = c->rx_notify ? STALL_MS : 0;
	vif_legacy_begin(vif->legacy, c->resumed);
}

static int connect_rings(struct vif *vif, const struct ipc_vif_connect *c,
			 struct reason *why)
{
	int err = vif_update_ports(vif, why);

	if (!err)
		err = set_caps(vif, why);
	if (!err && c->has_ctrl)
		err = vif_ctrl_connect(vif, c->ctrl_gref, c->ctrl_port,
				       c->resumed, why);
	if (!err && vif->lan)
		vif_lan_start(vif->lan, c->resumed);
	for (unsigned int i = 0; !err && i < c->nr_queues; i++)
		err = vif_queue_connect(&vif->queue[i], &c->queue[i],
					c->resumed, why);
	if (err)
		return err;
	vif_steer_update(vif);
	err = vif_update_carrier(vif);
	if (err)
		reason_set(why, "%s: setting the carrier: %s", vif->name,
			   strerror(-err));
	return err;
}

int vif_connect(struct vif *vif, const struct ipc_vif_connect *c,
		struct reason *why)
{
	int err = check_connect(vif, c, why);

	if (err)
		return err;
	begin_life(vif, c);
	err = vif_tune(vif, &c->tune, why);
	if (!err)
		err = connect_rings(vif, c, why);
	if (err)
		disconnect_queues(vif);
	return err;
}

int vif_tune(struct vif *vif, const struct ipc_vif_tune *tune,
	     struct reason *why)
{
	struct credit *c = &vif->credit;

	if (tune->headroom > IPC_VIF_MAX_HEADROOM) {
		reason_set(why, "a headroom of %u bytes, 0 to %u are possible",
			   tune->headroom, IPC_VIF_MAX_HEADROOM);
		return -EINVAL;
	}
	vif->legacy->multicast.filter = tune->multicast_filter;
	vif->guest.headroom = tune->headroom;
	vif->guest.frame_slots = RX_FRAME_SLOTS(tune->headroom);
	for (unsigned int i = 0; i < vif->nr_connected; i++)
		vif_rx_plan_slots(&vif->queue[i]);
	if (c->bytes == tune->rate_bytes && c->usec == tune->rate_usec)
		return 0;
	loop_timer_cancel(&c->timer);
	credit_set(c, tune->rate_bytes, tune->rate_usec, loop_now() * 1000);
	credit_came(&c->timer);
	return 0;
}

/* Nothing is in flight between turns: it is done at once. */
void vif_disconnect(struct vif *vif)
{
	disconnect_queues(vif);
	worker_disconnected(vif->worker, vif->dev);
}

struct switch_port *vif_switch_port(struct vif *vif)
{
	return vif->lan ? vif->lan->port : NULL;
}

void vif_detach(struct vif *vif)
{
	fini_queues(vif);
	free(vif);
}
