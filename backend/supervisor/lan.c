// SPDX-License-Identifier: MIT
#include "lan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "device.h"
#include "guest.h"

struct lan {
	char name[SWITCH_NAME_MAX + 1];
	uint32_t number;
	unsigned int nr_ports;
	LIST_HEAD(, lan_port) ports;
	LIST_HEAD(, lan_link) links;
	LIST_ENTRY(lan) next;
};

/*
 * A link that one of us has no memory or no descriptors for is tried again,
 * so often and so long after.
 */
#define LINK_TRIES	30u
#define LINK_RETRY_USEC 1000000u

/* Between two ports that are up. The descriptors go when both are told. */
struct lan_link {
	struct lan_port *end[2];
	bool told[2];
	unsigned int failures;
	uint64_t not_before; /* it is tried again; monotonic microseconds */
	int fds[SWITCH_LINK_FDS]; /* memory, eventfds of either end */
	LIST_ENTRY(lan_link) next;
};

const char *lan_name(const struct lan *lan)
{
	return lan->name;
}

/* FNV-1a. The same in each supervisor: workers are recorded by number. */
uint32_t lan_number(const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619u;
	return hash;
}

struct lan *lan_numbered(struct supervisor *sv, uint32_t number)
{
	struct lan *lan;

	LIST_FOREACH(lan, &sv->lans, next)
		if (lan->number == number)
			return lan;
	return NULL;
}

/* ---- links ---- */

static void close_fds(struct lan_link *link)
{
	for (unsigned int i = 0; i < SWITCH_LINK_FDS; i++)
		if (link->fds[i] >= 0)
			close(link->fds[i]);
	memset(link->fds, 0xff, sizeof(link->fds));
}

static void free_link(struct lan_link *link)
{
	LIST_REMOVE(link, next);
	close_fds(link);
	free(link);
}

static int open_link(struct lan_link *link)
{
	bool arena = link->end[0]->has_arena || link->end[1]->has_arena;

	link->fds[0] = link_make(arena ? ARENA_BYTES : 0);
	for (unsigned int i = 1; i < SWITCH_LINK_FDS; i++)
		link->fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	for (unsigned int i = 0; i < SWITCH_LINK_FDS; i++)
		if (link->fds[i] < 0) {
			close_fds(link);
			return -EMFILE;
		}
	return 0;
}

static void make_link(struct lan_port *a, struct lan_port *b)
{
	struct lan_link *link = calloc(1, sizeof(*link));

	if (!link)
		return;
	LIST_INSERT_HEAD(&a->lan->links, link, next);
	memset(link->fds, 0xff, sizeof(link->fds));
	link->end[0] = a;
	link->end[1] = b;
	device_schedule(b->dev);
}

/* The port at @side of the link has gone: the other is to forget it. */
static void cut_link(struct lan_link *link, unsigned int side)
{
	struct lan_port *other = link->end[!side];

	if (link->told[!side] || other->asking == link) {
		/* So many at once: it forgets all, and is told anew. */
		if (other->nr_gone == SWITCH_LINKS)
			other->clean = false;
		else
			other->gone[other->nr_gone++] = link->end[side]->id;
	}
	if (other->asking == link)
		other->asking = NULL;
	device_schedule(other->dev);
	free_link(link);
}

/* ---- a port's life in its worker ---- */

static void down(struct lan_port *port)
{
	struct lan_link *link, *after;

	for (link = LIST_FIRST(&port->lan->links); link; link = after) {
		after = LIST_NEXT(link, next);
		if (link->end[0] == port || link->end[1] == port)
			cut_link(link, link->end[1] == port);
	}
	port->id = 0;
	port->clean = false;
	port->nr_gone = 0;
	port->asking = NULL;
}

static void up(struct lan_port *port)
{
	struct lan_port *other;

	port->id = ++port->dev->sv->last_port;
	LIST_FOREACH(other, &port->lan->ports, of_lan)
		if (other != port && other->id &&
		    vlan_meet(&port->vlans, &other->vlans))
			make_link(port, other);
}

static uint64_t now_usec(struct supervisor *sv)
{
	uint64_t now = 0;

	sd_event_now(sv->event, CLOCK_MONOTONIC, &now);
	return now;
}

static struct lan_link *untold(const struct lan_port *port, unsigned int *side)
{
	uint64_t now = now_usec(port->dev->sv);
	struct lan_link *link;

	LIST_FOREACH(link, &port->lan->links, next) {
		*side = link->end[1] == port;
		if (link->end[*side] == port && !link->told[*side] &&
		    link->not_before <= now)
			return link;
	}
	return NULL;
}

static void told(struct lan_link *link, unsigned int side)
{
	link->told[side] = true;
	if (link->told[0] && link->told[1])
		close_fds(link);
}

/* Until it is given up: the two then talk when one of them comes anew. */
static void link_failed(struct lan_link *link, unsigned int side,
			const char *text)
{
	struct device *dev = link->end[side]->dev;
	bool last = ++link->failures >= LINK_TRIES;

	if (last || link->failures == 1)
		device_log(dev, LOG_ERR, "no link to %s%s: %.200s",
			   link->end[!side]->dev->name,
			   last ? ", and no more tries" : "", text);
	if (last) {
		told(link, side);
		return;
	}
	link->not_before = now_usec(dev->sv) + LINK_RETRY_USEC;
	devices_retry(dev->sv);
}

static void introduce(struct lan_link *link, unsigned int side,
		      struct ipc_msg *msg, int *fds, unsigned int *nr_fds)
{
	const struct lan_port *peer = link->end[!side];
	bool arena = peer->has_arena || link->end[side]->has_arena;

	msg->type = IPC_LINK;
	msg->link = (struct switch_peer){
		.id = peer->id,
		.domid = (uint16_t)peer->dev->key.domid,
		.side = (uint8_t)side,
		.fixed = peer->guard.check_mac,
		.arena = arena ? ARENA_BYTES : 0,
		.vlans = peer->vlans,
	};
	memcpy(msg->link.mac, peer->guard.mac, sizeof(msg->link.mac));
	fds[0] = link->fds[0];
	fds[1] = link->fds[1 + side];
	fds[2] = link->fds[2 - side];
	*nr_fds = SWITCH_LINK_FDS;
}

static int forget(struct lan_port *port, uint32_t id, struct ipc_msg *msg)
{
	port->forgetting = id;
	msg->type = IPC_UNLINK;
	msg->unlink = id;
	return 1;
}

/* Others may have gone since it was asked, more even than we can name. */
static void forgotten(struct lan_port *port)
{
	if (port->forgetting == SWITCH_ALL_PEERS)
		port->clean = true;
	for (unsigned int i = 0; i < port->nr_gone; i++)
		if (port->gone[i] == port->forgetting)
			port->gone[i] = port->gone[--port->nr_gone];
}

int lan_tend(struct lan_port *port, struct ipc_msg *msg, int *fds,
	     unsigned int *nr_fds)
{
	struct lan_link *link;
	unsigned int side;

	if (!port->lan)
		return 0;
	if (port->dev->phase == PHASE_IDLE || (port->id && !port->clean))
		down(port);
	if (port->dev->phase == PHASE_IDLE)
		return 0;
	if (!port->clean)
		return forget(port, SWITCH_ALL_PEERS, msg);
	if (!port->id)
		up(port);
	if (port->nr_gone)
		return forget(port, port->gone[port->nr_gone - 1], msg);
	while ((link = untold(port, &side))) {
		if (link->fds[0] >= 0 || !open_link(link))
			break;
		link_failed(link, side, strerror(EMFILE));
	}
	if (!link)
		return 0;
	port->asking = link;
	introduce(link, side, msg, fds, nr_fds);
	return 1;
}

void lan_answered(struct lan_port *port, const struct ipc_reply *reply)
{
	struct lan_link *link = port->asking;
	unsigned int side = link && link->end[1] == port;

	/* On no switch: nobody has asked. */
	if (!port->lan)
		return;
	if (reply->error == -ENODEV) {
		/* Not the worker of this device, after all. */
		guest_drop_device(port->dev);
	} else if (reply->request == IPC_UNLINK) {
		forgotten(port);
	} else if (reply->request == IPC_LINK && link) {
		port->asking = NULL;
		if (reply->error)
			link_failed(link, side, reply->text);
		else
			told(link, side);
	}
}

/* ---- switches ---- */

static struct lan *lan_get(struct supervisor *sv, const char *name,
			   struct reason *why)
{
	uint32_t number = lan_number(name);
	struct lan *lan = lan_numbered(sv, number);

	if (lan && strcmp(lan->name, name)) {
		reason_set(why,
			   "switch %s: %s has the same number, name it "
			   "otherwise",
			   name, lan->name);
		return NULL;
	}
	if (lan)
		return lan;
	lan = calloc(1, sizeof(*lan));
	if (!lan) {
		reason_set(why, "out of memory");
		return NULL;
	}
	snprintf(lan->name, sizeof(lan->name), "%s", name);
	lan->number = number;
	LIST_INSERT_HEAD(&sv->lans, lan, next);
	return lan;
}

int lan_join(struct lan_port *port, struct device *dev, const char *name,
	     struct reason *why)
{
	struct lan *lan = lan_get(dev->sv, name, why);

	if (!lan)
		return -EINVAL;
	if (lan->nr_ports == SWITCH_LINKS + 1) {
		reason_set(why, "switch %s has %u ports, and takes no more",
			   name, lan->nr_ports);
		return -EINVAL;
	}
	port->lan = lan;
	port->dev = dev;
	port->id = 0;
	port->clean = false;
	port->nr_gone = 0;
	port->asking = NULL;
	lan->nr_ports++;
	LIST_INSERT_HEAD(&lan->ports, port, of_lan);
	return 0;
}

bool lan_has_guests(const struct lan *lan)
{
	const struct lan_port *port;

	LIST_FOREACH(port, &lan->ports, of_lan)
		if (!port->has_arena)
			return true;
	return false;
}

void lan_leave(struct lan_port *port)
{
	struct lan *lan = port->lan;

	if (!lan)
		return;
	down(port);
	LIST_REMOVE(port, of_lan);
	lan->nr_ports--;
	port->lan = NULL;
	if (!lan->nr_ports) {
		LIST_REMOVE(lan, next);
		free(lan);
	} else if (!lan_has_guests(lan)) {
		/* The uplink alone is no switch. */
		device_schedule(LIST_FIRST(&lan->ports)->dev);
	}
}
