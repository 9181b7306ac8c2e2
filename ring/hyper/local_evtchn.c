// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Event channels. Ports are made and broken by the broker; an event is a bit
 * in the receiving handle's memory and, when that handle may be asleep, a
 * write to its eventfd.
 *
 * `signalled` says that the eventfd is readable or about to be. Nobody writes
 * it twice, and the receiver clears it only after it has read the eventfd
 * and before it looks at the bits once more. Should the notifier die between
 * the two steps, the broker writes for it.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "hyper/local.h"

int local_evtchn_fd(struct hyper *h)
{
	struct local *l = local_of(h);

	return local_has(l, HYPER_EVTCHN) ? l->evtchn_fd : -EINVAL;
}

static bool is_ours(const struct local *l, uint32_t port)
{
	return port < LOCAL_PORTS &&
	       shm_load(&l->shm->domains[l->slot].ports[port].owner) ==
		       l->token;
}

int local_evtchn_alloc(struct hyper *h, uint16_t domid)
{
	struct local *l = local_of(h);
	int rc;

	if (!local_has(l, HYPER_EVTCHN))
		return -EINVAL;
	l->msg.len = 0;
	l->msg.arg[0] = local_domid(l, domid);
	rc = local_call(l, LOCAL_PORT_ALLOC, NULL);
	return rc ? rc : (int)l->msg.arg[0];
}

/* Kept by the broker, as Linux keeps it in the open file. */
int local_evtchn_restrict(struct hyper *h, uint16_t domid)
{
	struct local *l = local_of(h);

	if (!local_has(l, HYPER_EVTCHN))
		return -EINVAL;
	l->msg.len = 0;
	l->msg.arg[0] = local_domid(l, domid);
	return local_call(l, LOCAL_PORT_RESTRICT, NULL);
}

int local_evtchn_bind(struct hyper *h, uint16_t domid, uint32_t remote_port)
{
	struct local *l = local_of(h);
	int rc;

	if (!local_has(l, HYPER_EVTCHN))
		return -EINVAL;
	l->msg.len = 0;
	l->msg.arg[0] = local_domid(l, domid);
	l->msg.arg[1] = remote_port;
	rc = local_call(l, LOCAL_PORT_BIND, NULL);
	return rc ? rc : (int)l->msg.arg[0];
}

int local_evtchn_unbind(struct hyper *h, uint32_t port)
{
	struct local *l = local_of(h);

	l->msg.len = 0;
	l->msg.arg[0] = port;
	return local_call(l, LOCAL_PORT_CLOSE, NULL);
}

/* ---- notify ---- */

static void write_fd(int fd)
{
	const uint64_t one = 1;
	ssize_t rc;

	do {
		rc = write(fd, &one, sizeof(one));
	} while (rc < 0 && errno == EINTR);
}

/* The eventfd of the handle @token; the broker hands it out once. */
static int peer_fd(struct local *l, uint64_t token)
{
	struct local_peer *p;
	int fd, rc;

	if (token == l->token)
		return l->evtchn_fd;
	if (!l->peers)
		l->peers = calloc(LOCAL_HANDLES, sizeof(*l->peers));
	if (!l->peers)
		return -ENOMEM;
	p = &l->peers[token_id(token)];
	if (p->token == token)
		return p->fd;
	l->msg.len = 0;
	l->msg.token = token;
	rc = local_call(l, LOCAL_PEER_FD, &fd);
	if (rc)
		return rc;
	if (fd < 0)
		return -EMFILE;
	if (p->token)
		close(p->fd);
	p->token = token;
	p->fd = fd;
	return fd;
}

static int raise_peer(struct local *l, uint64_t token, uint32_t port)
{
	struct shm_handle *to = &l->shm->handles[token_id(token)];
	int fd;

	if (!shm_raise(to, port))
		return 0;
	fd = peer_fd(l, token);
	if (fd >= 0) {
		write_fd(fd);
		return 0;
	}
	/* We promised a write and cannot: let the next notifier try. */
	shm_store(&to->signalled, 0);
	return fd == -ENOENT ? 0 : fd; /* gone just now: as if unbound */
}

int local_evtchn_notify(struct hyper *h, uint32_t port)
{
	struct local *l = local_of(h);
	struct shm_port *peer;
	uint64_t link, token;

	if (!is_ours(l, port))
		return -ENOTCONN;
	link = shm_load(&l->shm->domains[l->slot].ports[port].link);
	if (link_state(link) != PORT_INTERDOMAIN)
		return 0; /* as Xen: silently dropped */
	peer = &l->shm->domains[link_peer(link)].ports[link_peer_port(link)];
	token = shm_load(&peer->owner);
	return token ? raise_peer(l, token, link_peer_port(link)) : 0;
}

/* ---- receive ---- */

/* Mask and take one port of @word at or after bit @from; -1 if none. */
static int take(struct local *l, uint32_t word, uint32_t from)
{
	struct shm_handle *me = l->me;
	uint64_t bits, bit;
	uint32_t port;

	for (;;) {
		bits = shm_load(&me->pending[word]) &
		       ~shm_load(&me->masked[word]) & ~0ull << from;
		if (!bits)
			return -1;
		port = word * 64 + (uint32_t)__builtin_ctzll(bits);
		bit = bits & -bits;
		/* Masked before it is cleared: a notify in between stays. */
		shm_or(&me->masked[word], bit);
		shm_and(&me->pending[word], ~bit);
		if (is_ours(l, port))
			return (int)port;
		/* A late notify of a port that we have closed since. */
		shm_and(&me->masked[word], ~bit);
	}
}

static int take_any(struct local *l)
{
	struct shm_handle *me = l->me;
	uint32_t start = l->next_port / 64, from = l->next_port % 64, i, word;
	uint64_t words = shm_load(&me->selector);
	int port;

	/* Round from the port after the last one: none starves another. The
	 * first word comes twice, its lower half at the end. */
	for (i = 0; words && i <= LOCAL_PORTS / 64; i++, from = 0) {
		word = (start + i) % (LOCAL_PORTS / 64);
		if (!(words & 1ull << word))
			continue;
		port = take(l, word, from);
		if (port >= 0) {
			l->next_port = ((uint32_t)port + 1) % LOCAL_PORTS;
			return port;
		}
		if (from)
			continue;
		/* Empty, it seems: clear, then look again for a late bit. */
		shm_and(&me->selector, ~(1ull << word));
		if (shm_load(&me->pending[word]) & ~shm_load(&me->masked[word]))
			shm_or(&me->selector, 1ull << word);
	}
	return -1;
}

int local_evtchn_next(struct hyper *h)
{
	struct local *l = local_of(h);
	uint64_t count;
	int port;

	port = take_any(l);
	if (port >= 0)
		return port;
	if (!shm_load(&l->me->signalled))
		return -EAGAIN;
	/* Not readable yet: the notifier is about to write. It wakes us. */
	if (read(l->evtchn_fd, &count, sizeof(count)) < 0)
		return -EAGAIN;
	shm_store(&l->me->signalled, 0);
	port = take_any(l);
	if (port < 0)
		return -EAGAIN;
	/*
	 * Late ones. There may be more of them, whose notifiers saw
	 * `signalled` still set: the caller may go to sleep after this one.
	 */
	if (!shm_exchange(&l->me->signalled, 1))
		write_fd(l->evtchn_fd);
	return port;
}

int local_evtchn_unmask(struct hyper *h, uint32_t port)
{
	struct local *l = local_of(h);

	if (!is_ours(l, port))
		return -ENOTCONN;
	if (shm_unmask(l->me, port))
		write_fd(l->evtchn_fd);
	return 0;
}

void local_evtchn_close(struct local *l)
{
	unsigned int i;

	for (i = 0; l->peers && i < LOCAL_HANDLES; i++)
		if (l->peers[i].token)
			close(l->peers[i].fd);
	free(l->peers);
}
