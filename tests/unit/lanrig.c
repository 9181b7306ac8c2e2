// SPDX-License-Identifier: MIT
#include "lanrig.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define DOM0	  0
#define FIRST_DOM 11u
#define TYPE	  0x88b5 /* for experiments */

static const struct ipc_vif_connect modern = {
	.nr_queues = 1,
	.sg = true,
	.gso_tcpv4 = true,
	.gso_tcpv6 = true,
	.csum_ipv4 = true,
	.csum_ipv6 = true,
	.rx_notify = true,
};

/* ---- the hypervisor seam ---- */

static struct lan *watched;
static int (*real_copy)(struct hyper *h, struct hyper_copy *ops,
			unsigned int n);

static int counted_copy(struct hyper *h, struct hyper_copy *ops, unsigned int n)
{
	struct lan_copies *c = &watched->copies;
	uint64_t direct = c->grant_to_grant;

	for (unsigned int i = 0; i < n; i++) {
		if (ops[i].src.is_grant && ops[i].dst.is_grant) {
			c->grant_to_grant++;
			c->grant_to_grant_bytes += ops[i].len;
			continue;
		}
		c->other++;
		if (ops[i].len > c->largest_other)
			c->largest_other = ops[i].len;
	}
	if (watched->before_copy && c->grant_to_grant != direct)
		watched->before_copy();
	return real_copy(h, ops, n);
}

/* ---- the machine ---- */

void lan_setup(struct lan *lan)
{
	memset(lan, 0, sizeof(*lan));
	lan->features = modern;
	lan->next_id = 1;
	lan->machine = hyper_local_create(NULL);
	ck_assert_ptr_nonnull(lan->machine);
	watched = lan;
}

void lan_teardown(struct lan *lan)
{
	for (unsigned int i = 0; i < lan->nr; i++)
		if (lan->guest[i].vif)
			lan_remove(lan, &lan->guest[i]);
	for (unsigned int i = 0; i < lan->nr; i++) {
		struct lan_guest *g = &lan->guest[i];

		worker_fini(&g->worker);
		close(g->control);
		hyper_close(g->front);
		hyper_close(g->back);
	}
	hyper_local_destroy(lan->machine);
}

static struct lan_guest *new_guest(struct lan *lan)
{
	struct lan_guest *g = &lan->guest[lan->nr++];
	char spec[256];
	int sock[2];

	g->domid = (uint16_t)(FIRST_DOM + lan->nr);
	memcpy(g->mac, (uint8_t[]){2, 0, 0, 0, 0, (uint8_t)g->domid}, 6);
	ck_assert_int_eq(hyper_local_domain_create(lan->machine, g->domid), 0);
	g->back = hyper_open(hyper_local_spec(lan->machine, DOM0, spec,
					      sizeof(spec)),
			     HYPER_GRANT | HYPER_EVTCHN);
	g->front = hyper_open(hyper_local_spec(lan->machine, g->domid, spec,
					       sizeof(spec)),
			      HYPER_SHARE | HYPER_EVTCHN);
	ck_assert(g->back && g->front);
	real_copy = g->back->ops->copy;
	g->ops = *g->back->ops;
	g->ops.copy = counted_copy;
	g->back->ops = &g->ops;
	ck_assert_int_eq(ipc_pair(sock), 0);
	g->control = sock[0];
	ck_assert_int_eq(worker_init(&g->worker, g->domid, g->back, sock[1]),
			 0);
	g->features = lan->features;
	return g;
}

static void add_queue(struct lan_guest *g, unsigned int i)
{
	struct ipc_vif_queue *q = &g->features.queue[i];
	struct usernet *u = usernet_new(g->front, DOM0, true);

	ck_assert_ptr_nonnull(u);
	g->queue[i] = u;
	q->tx_gref = u->tx_gref;
	q->rx_gref = u->rx_gref;
	q->tx_port = u->tx_port;
	q->rx_port = u->rx_port;
}

static void connect_guest(struct lan *lan, struct lan_guest *g)
{
	struct ipc_vif_connect *f = &g->features;
	struct reason why = {""};

	for (unsigned int i = 0; i < f->nr_queues; i++)
		add_queue(g, i);
	g->u = g->queue[0];
	if (f->has_ctrl) {
		ck_assert(!usernet_add_ctrl(g->u));
		f->ctrl_gref = g->u->ctrl_gref;
		f->ctrl_port = g->u->ctrl_port;
	}
	ck_assert_msg(!vif_connect(g->vif, f, &why), "%s", why.text);
	for (unsigned int i = 0; i < f->nr_queues; i++) {
		if (!lan->deaf)
			usernet_post(g->queue[i], USERNET_SLOTS);
		usernet_push(g->queue[i]);
	}
}

void lan_attach(struct lan *lan, struct lan_guest *g, const char *bridge,
		const char *ip)
{
	struct ipc_msg msg = {.type = IPC_ATTACH};
	struct ipc_vif_attach *a = &msg.vif_attach;
	char name[SWITCH_NAME_MAX + 1];
	struct reason why = {""};

	msg.dev.class = IPC_VIF;
	a->on_switch = true;
	a->lan.max_queues = LAN_QUEUES;
	memcpy(a->mac, g->mac, 6);
	a->lan.guard.check_mac = !lan->no_guard;
	ck_assert_ptr_null(vlan_parse(bridge, name, &a->lan.vlans));
	if (ip)
		ck_assert_ptr_null(guard_parse(ip, &a->lan.guard));
	g->vif = vif_attach(&g->worker, &msg, NULL, 0, &why);
	ck_assert_msg(g->vif != NULL, "%s", why.text);
	g->port = vif_switch_port(g->vif);
	g->id = lan->next_id++;
	connect_guest(lan, g);
}

struct lan_guest *lan_add(struct lan *lan, const char *bridge, const char *ip)
{
	struct lan_guest *g = new_guest(lan);

	lan_attach(lan, g, bridge, ip);
	for (unsigned int i = 0; i + 1 < lan->nr; i++)
		if (lan->guest[i].vif)
			lan_link(lan, g, &lan->guest[i]);
	return g;
}

static void tell(struct lan *lan, struct lan_guest *a, struct lan_guest *b,
		 uint8_t side, const int fds[3])
{
	struct switch_peer peer = {
		.id = b->id,
		.domid = b->domid,
		.side = side,
		.fixed = !lan->no_guard,
		.vlans = b->port->vlans,
	};
	int own[3] = {dup(fds[0]), dup(fds[1 + side]), dup(fds[2 - side])};
	struct reason why = {""};

	memcpy(peer.mac, b->mac, 6);
	ck_assert_msg(!switch_link_add(a->port, &peer, own, 3, &why), "%s",
		      why.text);
}

void lan_link(struct lan *lan, struct lan_guest *a, struct lan_guest *b)
{
	int fds[3] = {
		link_make(0),
		eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};

	ck_assert_int_ge(fds[0], 0);
	if (vlan_meet(&a->port->vlans, &b->port->vlans)) {
		tell(lan, a, b, 0, fds);
		tell(lan, b, a, 1, fds);
	}
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

void lan_unlink(struct lan_guest *a, const struct lan_guest *b)
{
	switch_unlink(a->port, b->id);
}

void lan_remove(struct lan *lan, struct lan_guest *g)
{
	(void)lan;
	vif_disconnect(g->vif);
	vif_detach(g->vif);
	g->vif = NULL;
	g->port = NULL;
	/* The backend must have let go of every page. */
	for (unsigned int i = 0; i < g->features.nr_queues; i++)
		ck_assert_int_eq(usernet_free(g->queue[i]), 0);
	g->u = NULL;
}

void lan_turns(struct lan *lan, unsigned int n)
{
	while (n--)
		for (unsigned int i = 0; i < lan->nr; i++)
			ck_assert_int_eq(
				loop_turn(lan->guest[i].worker.loop, false), 0);
}

/* ---- frames ---- */

static void put32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
	       (uint32_t)at[2] << 8 | at[3];
}

static void fill(uint8_t *at, uint32_t len, uint32_t seed)
{
	uint32_t x = seed * 2654435761u + 1;

	for (uint32_t i = 0; i < len; i++) {
		x = x * 1664525u + 1013904223u;
		at[i] = (uint8_t)(x >> 24);
	}
}

void lan_frame(uint8_t *frame, const struct lan_guest *from,
	       const struct lan_guest *to, uint32_t len, uint32_t seq)
{
	memset(frame, 0xff, 6);
	if (to)
		memcpy(frame, to->mac, 6);
	memcpy(frame + 6, from->mac, 6);
	frame[12] = TYPE >> 8;
	frame[13] = TYPE & 0xff;
	put32(frame + LAN_ETH, from->domid);
	put32(frame + LAN_ETH + 4, seq);
	put32(frame + LAN_ETH + 8, len);
	fill(frame + LAN_STAMP, len - LAN_STAMP, seq ^ len ^ from->domid);
}

bool lan_frame_whole(const uint8_t *frame, uint32_t len, uint16_t *from,
		     uint32_t *seq)
{
	static uint8_t want[LAN_FRAME];

	if (len < LAN_STAMP || get32(frame + LAN_ETH + 8) != len)
		return false;
	*from = (uint16_t)get32(frame + LAN_ETH);
	*seq = get32(frame + LAN_ETH + 4);
	fill(want, len - LAN_STAMP, *seq ^ len ^ *from);
	return frame[11] == (uint8_t)*from &&
	       !memcmp(frame + LAN_STAMP, want, len - LAN_STAMP);
}

/* ---- traffic ---- */

bool lan_send(struct lan_guest *g, const struct usernet_packet *pkt)
{
	bool sent = usernet_send(g->u, pkt) > 0;

	usernet_push(g->u);
	return sent;
}

unsigned int lan_reap(struct lan_guest *g)
{
	struct xpv_netif_tx_response rsp[USERNET_SLOTS];
	int n = usernet_reap(g->u, rsp, USERNET_SLOTS);

	ck_assert_int_ge(n, 0);
	for (int i = 0; i < n; i++)
		ck_assert_msg(rsp[i].status == XPV_NETIF_OKAY ||
				      rsp[i].status == XPV_NETIF_NULL,
			      "status %d", rsp[i].status);
	return (unsigned int)n;
}

bool lan_receive(struct lan *lan, struct lan_guest *g,
		 struct usernet_frame *frame)
{
	for (int i = 0; i < 20; i++) {
		int ret = usernet_receive(g->u, frame);

		ck_assert_int_ge(ret, 0);
		if (ret)
			return true;
		lan_turns(lan, 1);
	}
	return false;
}

void lan_expect_none(struct lan *lan, struct lan_guest *g)
{
	static struct usernet_frame frame;

	ck_assert(!lan_receive(lan, g, &frame));
}

uint64_t lan_count(const struct lan_guest *g, enum switch_counter counter)
{
	return g->port->counter[counter];
}
