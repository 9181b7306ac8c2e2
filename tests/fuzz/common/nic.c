// SPDX-License-Identifier: MIT
#include "nic.h"

#include <string.h>
#include <sys/eventfd.h>

struct nic nic;

/* ---- the guest's memory ---- */

static void make_ring(struct nic_ring *r)
{
	r->shared = host_share(1, true, &r->gref);
	r->port = host_port();
}

static void make_guest(void)
{
	uint8_t *rw, *ro;

	if (nic.page[0])
		return;
	host_start();
	rw = host_share(NIC_WRITABLE, true, nic.gref);
	ro = host_share(NIC_READONLY, false, nic.gref + NIC_WRITABLE);
	for (unsigned int i = 0; i < NIC_WRITABLE; i++)
		nic.page[i] = rw + i * XPV_PAGE_SIZE;
	for (unsigned int i = 0; i < NIC_READONLY; i++)
		nic.page[NIC_WRITABLE + i] = ro + i * XPV_PAGE_SIZE;
	for (unsigned int q = 0; q < NIC_QUEUES; q++) {
		make_ring(&nic.tx[q]);
		make_ring(&nic.rx[q]);
	}
	make_ring(&nic.ctrl);
}

uint8_t *nic_page(uint32_t gref, unsigned int *number)
{
	for (unsigned int i = 0; i < NIC_PAGES; i++) {
		if (nic.gref[i] != gref)
			continue;
		*number = i;
		return nic.page[i];
	}
	return NULL;
}

static void reset_ring(struct nic_ring *r, uint32_t start)
{
	memset(r->shared, 0, XPV_PAGE_SIZE);
	r->shared->req_prod = r->shared->rsp_prod = start;
	r->shared->req_event = r->shared->rsp_event = start + 1;
	r->prod = start;
}

static void reset_rings(uint32_t start)
{
	for (unsigned int q = 0; q < NIC_QUEUES; q++) {
		reset_ring(&nic.tx[q], start);
		reset_ring(&nic.rx[q], start);
	}
	reset_ring(&nic.ctrl, start);
}

void nic_push(struct nic_ring *r)
{
	r->shared->req_prod = r->prod;
	host.front->ops->evtchn_notify(host.front, r->port);
}

void nic_write_header(struct nic_ring *r, struct input *in)
{
	uint8_t which = input_u8(in);
	uint32_t value = input_u32(in);

	if (which & 1)
		r->shared->req_event = value;
	if (which & 2)
		r->shared->rsp_event = value;
	if (which & 4)
		r->shared->rsp_prod = value;
	if (which & 8)
		r->shared->req_prod += value;
}

/* ---- the device ---- */

static void attach(void)
{
	struct ipc_msg msg = {
		.type = IPC_ATTACH,
		.dev = {.class = IPC_VIF},
		.vif_attach = {.nr_fds = NIC_QUEUES, .name = "fuzz"},
	};
	int fd[NIC_QUEUES];
	struct reason why;

	for (unsigned int i = 0; i < NIC_QUEUES; i++)
		fd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	nic.vif = vif_attach(&host.worker, &msg, fd, NIC_QUEUES, &why);
	FUZZ_NEED(nic.vif);
}

static void set_features(struct input *in)
{
	struct ipc_vif_connect *c = &nic.connect;
	uint16_t flags = input_u16(in);

	memset(c, 0, sizeof(*c));
	c->nr_queues = (uint8_t)(1 + (flags & 3) % NIC_QUEUES);
	/* A modern guest is the usual one. */
	c->sg = !(flags & 4);
	c->gso_tcpv4 = !(flags & 8);
	c->gso_tcpv6 = !(flags & 16);
	c->csum_ipv4 = !(flags & 32);
	c->csum_ipv6 = !(flags & 64);
	c->rx_notify = flags & 128;
	c->has_ctrl = !(flags & 256);
	c->tune.multicast_filter = flags & 512;
	c->tune.headroom = flags & 1024 ? 256 : flags & 2048 ? 511 : 0;
	for (unsigned int q = 0; q < NIC_QUEUES; q++) {
		c->queue[q].tx_gref = nic.tx[q].gref;
		c->queue[q].rx_gref = nic.rx[q].gref;
		c->queue[q].tx_port = nic.tx[q].port;
		c->queue[q].rx_port =
			flags & 4096 ? nic.rx[q].port : nic.tx[q].port;
	}
	c->ctrl_gref = nic.ctrl.gref;
	c->ctrl_port = nic.ctrl.port;
	if (flags & 8192)
		reset_rings(0xffffff80u);
}

static void connect(void)
{
	struct reason why;

	/* With rings that cannot be it stays without a connection. */
	if (vif_connect(nic.vif, &nic.connect, &why)) {
		FUZZ_CHECK(!nic.vif->nr_connected);
		return;
	}
	for (unsigned int q = 0; q < nic.vif->nr_connected; q++) {
		nic.tx[q].prod = nic.vif->queue[q].tx.req_cons;
		nic.rx[q].prod = nic.vif->queue[q].rx.req_cons;
		nic.vif->queue[q].port_ready = true;
	}
	nic.ctrl.prod = nic.vif->ctrl.ring.req_cons;
}

void nic_start(struct input *in)
{
	make_guest();
	memport_reset();
	for (unsigned int i = 0; i < NIC_PAGES; i++)
		memset(nic.page[i], NIC_FILL, XPV_PAGE_SIZE);
	reset_rings(0);
	attach();
	set_features(in);
	connect();
}

void nic_reconnect(struct input *in)
{
	vif_disconnect(nic.vif);
	if (input_u8(in) & 1)
		reset_rings(0);
	set_features(in);
	connect();
}

void nic_stop(void)
{
	vif_disconnect(nic.vif);
	FUZZ_CHECK(!nic.vif->nr_connected && !nic.vif->ctrl.page);
	for (unsigned int q = 0; q < NIC_QUEUES; q++)
		FUZZ_CHECK(!nic.vif->queue[q].tx_page &&
			   !nic.vif->queue[q].rx_page);
	vif_detach(nic.vif);
	host_drain_events();
}

/* ---- frames ---- */

static unsigned int put_ip(uint8_t kind, uint32_t l4_len, uint8_t *ip)
{
	bool tcp = !(kind & 4);

	if (kind & 1) {
		ip[0] = 0x60;
		ip[4] = (uint8_t)(l4_len >> 8);
		ip[5] = (uint8_t)l4_len;
		ip[6] = tcp ? HEADERS_TCP : HEADERS_UDP;
		return 40;
	}
	ip[0] = 0x45;
	ip[2] = (uint8_t)((l4_len + 20) >> 8);
	ip[3] = (uint8_t)(l4_len + 20);
	ip[9] = tcp ? HEADERS_TCP : HEADERS_UDP;
	if (kind & 16)
		ip[6] = 0x20; /* a fragment */
	return 20;
}

unsigned int nic_headers(uint8_t kind, uint32_t len, uint8_t *to,
			 struct port_offload *off)
{
	unsigned int at = 14, l4;
	bool tcp = !(kind & 4);

	memset(to, 0, 18 + 40 + 20);
	memset(off, 0, sizeof(*off));
	to[0] = kind & 32 ? 0x01 : 0x02; /* a group, or a station */
	if (kind & 2) {
		to[12] = 0x81;
		at += 4;
	}
	to[at - 2] = kind & 1 ? 0x86 : 0x08;
	to[at - 1] = kind & 1 ? 0xdd : 0x00;
	if (kind & 8)
		to[at - 1] ^= 0x55; /* nothing that we know */
	l4 = at + put_ip(kind, len > at + 60 ? len - at - 20 : 40, to + at);
	if (tcp)
		to[l4 + 12] = 5 << 4;
	off->csum_start = (uint16_t)l4;
	off->csum_offset = tcp ? 16 : 6;
	off->hdr_len = (uint16_t)(l4 + (tcp ? 20 : 8));
	off->gso = kind & 1 ? PORT_GSO_TCPV6 : PORT_GSO_TCPV4;
	return off->hdr_len;
}
