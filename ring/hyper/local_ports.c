// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The broker's side of event channels: the ports of each domain, as
 * xen/common/event_channel.c keeps them.
 */
#include <errno.h>

#include "hyper/local_machine.h"

static struct shm_port *port_at(struct hyper_machine *m, uint32_t slot,
				uint32_t port)
{
	return &m->shm->domains[slot].ports[port];
}

/* The lowest free one, as Xen; port 0 is never one. */
static int port_find(struct hyper_machine *m, uint32_t slot)
{
	uint32_t port;

	for (port = 1; port < LOCAL_PORTS; port++)
		if (link_state(port_at(m, slot, port)->link) == PORT_FREE)
			return (int)port;
	return -ENOSPC;
}

/* A fresh owner knows nothing of old events. */
static void port_own(struct hyper_machine *m, struct conn *c, uint32_t port,
		     uint64_t link)
{
	struct shm_handle *h = &m->shm->handles[c->id];
	uint64_t bit = 1ull << (port % 64);

	shm_and(&h->pending[port / 64], ~bit);
	shm_and(&h->masked[port / 64], ~bit);
	shm_store(&port_at(m, c->slot, port)->link, link);
	shm_store(&port_at(m, c->slot, port)->owner, c->token);
}

int port_alloc(struct hyper_machine *m, struct conn *c)
{
	uint32_t peer = m->msg.arg[0];
	int port;

	m->msg.len = 0;
	if (c->restricted)
		return -EACCES;
	if (peer >= LOCAL_DOMIDS)
		return -EINVAL;
	port = port_find(m, c->slot);
	if (port < 0)
		return port;
	port_own(m, c, (uint32_t)port, port_link(PORT_UNBOUND, peer, 0));
	m->msg.arg[0] = (uint32_t)port;
	return 0;
}

int port_bind(struct hyper_machine *m, struct conn *c)
{
	uint32_t peer_port = m->msg.arg[1];
	int slot = shm_slot(m->shm, m->msg.arg[0]), port;
	struct shm_port *peer;

	m->msg.len = 0;
	if (c->restricted && m->msg.arg[0] != c->restricted_to)
		return -EACCES;
	if (slot < 0)
		return -ESRCH;
	if (!peer_port || peer_port >= LOCAL_PORTS)
		return -EINVAL;
	peer = port_at(m, (uint32_t)slot, peer_port);
	if (link_state(peer->link) != PORT_UNBOUND ||
	    link_peer(peer->link) != c->domid)
		return -EINVAL;
	port = port_find(m, c->slot);
	if (port < 0)
		return port;
	port_own(m, c, (uint32_t)port,
		 port_link(PORT_INTERDOMAIN, (uint32_t)slot, peer_port));
	shm_store(&peer->link,
		  port_link(PORT_INTERDOMAIN, c->slot, (uint32_t)port));
	/* The peer may have notified before we were there. */
	if (shm_raise(&m->shm->handles[c->id], (uint32_t)port))
		conn_write_event(c);
	m->msg.arg[0] = (uint32_t)port;
	return 0;
}

/* The rules of drivers/xen/evtchn.c. */
int port_restrict(struct hyper_machine *m, struct conn *c)
{
	m->msg.len = 0;
	if (c->restricted)
		return -EACCES;
	if (m->msg.arg[0] >= LOCAL_DOMIDS)
		return -EINVAL;
	c->restricted = true;
	c->restricted_to = (uint16_t)m->msg.arg[0];
	return 0;
}

static void close_one(struct hyper_machine *m, uint32_t slot, uint32_t port)
{
	struct shm_port *p = port_at(m, slot, port);
	uint64_t link = p->link;

	shm_store(&p->owner, 0);
	shm_store(&p->link, 0);
	/* The other end is on offer again, to this domain only. */
	if (link_state(link) == PORT_INTERDOMAIN)
		shm_store(&port_at(m, link_peer(link), link_peer_port(link))
				   ->link,
			  port_link(PORT_UNBOUND, m->domains[slot].domid, 0));
}

int port_close(struct hyper_machine *m, struct conn *c)
{
	uint32_t port = m->msg.arg[0];

	m->msg.len = 0;
	if (port >= LOCAL_PORTS || port_at(m, c->slot, port)->owner != c->token)
		return -ENOTCONN;
	close_one(m, c->slot, port);
	return 0;
}

void ports_close(struct hyper_machine *m, uint32_t slot, uint64_t token)
{
	uint32_t port;

	for (port = 1; port < LOCAL_PORTS; port++) {
		uint64_t owner = port_at(m, slot, port)->owner;

		if (owner && (!token || owner == token))
			close_one(m, slot, port);
	}
}
