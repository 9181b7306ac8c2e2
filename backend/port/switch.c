// SPDX-License-Identifier: MIT
/* A port's life and its links; see switch_send.c and switch_receive.c. */
#include "switch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "switch_port.h"

const char *switch_counter_name(enum switch_counter counter)
{
	static const char *const name[SWITCH_NR_COUNTERS] = {
#define SWITCH_COUNTER_NAME(id, text) [SWITCH_##id] = text,
		SWITCH_COUNTERS(SWITCH_COUNTER_NAME)
#undef SWITCH_COUNTER_NAME
	};

	return (unsigned int)counter < SWITCH_NR_COUNTERS ? name[counter]
							  : "unknown";
}

uint64_t switch_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- links ---- */

/* Every turn of the loop looks at all links: it is enough that it turns. */
static void link_woken(struct loop_source *src, uint32_t events)
{
	uint64_t count;

	(void)events;
	if (read(src->fd, &count, sizeof(count)) < 0)
		return;
}

void switch_link_wake(struct switch_link *link)
{
	static const uint64_t one = 1;

	/* Full: the peer has been woken often enough. */
	if (write(link->fd[1], &one, sizeof(one)) < 0)
		return;
}

void switch_link_broken(struct switch_link *link)
{
	struct switch_port *sp = link->port;

	if (link->broken)
		return;
	link->broken = true;
	mail_set_open(&link->rx, false);
	sp->counter[SWITCH_LINKS_BROKEN]++;
	loop_del(sp->loop, &link->woken);
}

static struct switch_link *find(struct switch_port *sp, uint32_t id)
{
	struct switch_link *link;

	SWITCH_FOREACH(link, sp)
		if (link->peer.id == id)
			return link;
	return NULL;
}

static struct switch_link *free_link(struct switch_port *sp)
{
	for (unsigned int i = 0; i < SWITCH_LINKS; i++)
		if (!sp->link[i].mem)
			return &sp->link[i];
	return NULL;
}

static int check_peer(struct switch_port *sp, const struct switch_peer *peer,
		      unsigned int nr_fds, struct reason *why)
{
	if (peer->side > 1 || (peer->arena && peer->arena != ARENA_BYTES) ||
	    nr_fds != SWITCH_LINK_FDS || peer->id == SWITCH_ALL_PEERS) {
		reason_set(why,
			   "link to port %u: side %u, arena of %u bytes, "
			   "%u descriptors",
			   peer->id, peer->side, peer->arena, nr_fds);
		return -EINVAL;
	}
	if (find(sp, peer->id)) {
		reason_set(why, "port %u is linked already", peer->id);
		return -EEXIST;
	}
	return 0;
}

static int start_link(struct switch_port *sp, struct switch_link *link)
{
	const struct switch_peer *peer = &link->peer;
	int err;

	mail_sender_init(&link->tx, link->mem, peer->side, peer->arena);
	err = mail_receiver_init(&link->rx, link->mem, peer->side, peer->arena);
	if (err)
		return -EPROTO;
	link->woken.fd = link->fd[0];
	link->woken.ready = link_woken;
	return loop_add(sp->loop, &link->woken, EPOLLIN);
}

int switch_link_add(struct switch_port *sp, const struct switch_peer *peer,
		    const int *fds, unsigned int nr_fds, struct reason *why)
{
	struct switch_link *link = free_link(sp);
	int err = check_peer(sp, peer, nr_fds, why);

	if (err)
		return err;
	if (!link) {
		reason_set(why, "%u ports are linked, no more can be",
			   SWITCH_LINKS);
		return -ENOSPC;
	}
	memset(link, 0, sizeof(*link));
	link->port = sp;
	link->peer = *peer;
	memcpy(link->fd, fds + 1, sizeof(link->fd));
	err = link_map(fds[0], peer->arena, &link->mem);
	if (!err) {
		err = start_link(sp, link);
		if (err)
			munmap(link->mem, LINK_BYTES(peer->arena));
	}
	if (err) {
		link->mem = NULL;
		reason_set(why, "link to port %u: %s", peer->id,
			   strerror(-err));
		return err;
	}
	close(fds[0]);
	if (link >= sp->link + sp->nr_links)
		sp->nr_links = (unsigned int)(link - sp->link) + 1;
	if (peer->fixed)
		fdb_fix(&sp->fdb, peer->mac, (uint8_t)(link - sp->link));
	mail_set_open(&link->rx, sp->open);
	return 0;
}

static void remove_link(struct switch_port *sp, struct switch_link *link)
{
	uint16_t cookie;

	/*
	 * Whoever copied for the peer has ended before we are told so; a link
	 * that goes for another reason is quiet, see switch_quiesce(). What is
	 * not claimed yet must not be any more.
	 */
	while (mail_revoke(&link->tx, UINT64_MAX, &cookie))
		sp->released(sp->owner, cookie);
	while (mail_abandon(&link->tx, &cookie))
		sp->released(sp->owner, cookie);
	if (!link->broken)
		loop_del(sp->loop, &link->woken);
	fdb_forget(&sp->fdb, (uint8_t)(link - sp->link));
	munmap(link->mem, LINK_BYTES(link->peer.arena));
	link->mem = NULL;
	close(link->fd[0]);
	close(link->fd[1]);
	while (sp->nr_links && !sp->link[sp->nr_links - 1].mem)
		sp->nr_links--;
}

void switch_unlink(struct switch_port *sp, uint32_t id)
{
	struct switch_link *link;

	/* What nobody will pull is not to be posted, and waited for. */
	SWITCH_FOREACH(link, sp)
		if (id == SWITCH_ALL_PEERS || link->peer.id == id)
			mail_set_open(&link->rx, false);
	if (id == SWITCH_ALL_PEERS)
		switch_quiesce(sp);
	for (unsigned int i = SWITCH_LINKS; i--;) {
		link = &sp->link[i];
		if (link->mem &&
		    (id == SWITCH_ALL_PEERS || link->peer.id == id))
			remove_link(sp, link);
	}
}

void switch_set_open(struct switch_port *sp, bool open)
{
	struct switch_link *link;

	sp->open = open;
	SWITCH_FOREACH(link, sp)
		mail_set_open(&link->rx, open && !link->broken);
}

/*
 * Who has claimed a mail answers within its turn of the loop: microseconds.
 * One that has been stopped just then is not waited for very long.
 */
void switch_quiesce(struct switch_port *sp)
{
	static const struct timespec pause = {0, 50000};
	uint64_t end = switch_now_ms() + SWITCH_QUIESCE_MS;
	struct switch_link *link;
	uint16_t cookie;

	SWITCH_FOREACH(link, sp)
		while (mail_revoke(&link->tx, UINT64_MAX, &cookie))
			sp->released(sp->owner, cookie);
	for (;;) {
		switch_reap(sp, 0);
		if (!switch_holds(sp))
			return;
		if (switch_now_ms() >= end)
			break;
		nanosleep(&pause, NULL);
	}
	SWITCH_FOREACH(link, sp)
		while (mail_abandon(&link->tx, &cookie)) {
			sp->counter[SWITCH_TX_ABANDONED]++;
			sp->released(sp->owner, cookie);
		}
}

/* ---- life ---- */

static void nobody(void *owner, uint16_t cookie)
{
	(void)owner;
	(void)cookie;
}

static void close_port(struct port *port)
{
	switch_free((struct switch_port *)port);
}

/* The caps of a guest are its vif's business: here a frame is as it is. */
static int set_caps(struct port *port, const struct port_caps *caps)
{
	(void)port;
	(void)caps;
	return 0;
}

/* The queues of a vif share its port: which is whose is for the vif to say. */
static int set_enabled(struct port *port, bool on)
{
	(void)port;
	(void)on;
	return 0;
}

static int set_carrier(struct port *port, bool on)
{
	switch_set_open((struct switch_port *)port, on);
	return 0;
}

static const struct port_ops switch_ops = {
	.set_caps = set_caps,
	.set_enabled = set_enabled,
	.set_carrier = set_carrier,
	.send = switch_port_send,
	.receive = switch_port_receive,
	.close = close_port,
};

struct switch_port *switch_new(struct loop *loop, struct hyper *h,
			       const struct vlan_set *vlans,
			       const struct guard *guard)
{
	struct switch_port *sp = calloc(1, sizeof(*sp));
	uint64_t seed;

	if (!sp)
		return NULL;
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = (uintptr_t)sp;
	sp->port.ops = &switch_ops;
	sp->port.fd = -1;
	sp->loop = loop;
	sp->hyper = h;
	sp->vlans = *vlans;
	sp->guard = *guard;
	sp->first_held = SWITCH_LINKS;
	sp->released = nobody;
	fdb_init(&sp->fdb, seed);
	return sp;
}

void switch_free(struct switch_port *sp)
{
	if (!sp)
		return;
	switch_unlink(sp, SWITCH_ALL_PEERS);
	free(sp);
}
