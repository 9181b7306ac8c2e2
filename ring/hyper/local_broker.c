// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The broker: a thread that serves the handles of a machine and cleans up
 * after those that went away, by close() or by SIGKILL alike.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hyper/hyper.h"
#include "hyper/local_machine.h"

#define RETRY_MS 20 /* how soon a page that was in use is looked at again */

/* What epoll tells apart, besides handle indices. */
enum {
	TAG_LISTENER = LOCAL_HANDLES,
	TAG_STOP,
};

static void wake(int fd)
{
	const uint64_t one = 1;
	ssize_t rc = write(fd, &one, sizeof(one));

	(void)rc; /* full: it is readable, which is all that we want */
}

void conn_write_event(const struct conn *c)
{
	wake(c->event_fd);
}

/* ---- handles come and go ---- */

static int conn_new(struct hyper_machine *m, int sock)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct conn *c;
	uint32_t i, id;

	/* Round and round, so that an index comes back late. Index 0 stays
	 * unused: a token of 0 is nobody. */
	for (i = 0; i < LOCAL_HANDLES; i++) {
		id = (m->last_conn + 1 + i) % LOCAL_HANDLES;
		if (id && !m->conns[id])
			break;
	}
	if (i == LOCAL_HANDLES)
		return -ENFILE;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->sock = sock;
	c->id = id;
	c->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	c->store_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	LIST_INIT(&c->grants);
	ev.data.u32 = id;
	if (c->event_fd < 0 || c->store_fd < 0 ||
	    epoll_ctl(m->poll, EPOLL_CTL_ADD, sock, &ev)) {
		close(c->event_fd);
		close(c->store_fd);
		free(c);
		return -EMFILE;
	}
	m->conns[id] = c;
	m->last_conn = id;
	return 0;
}

/*
 * Somebody died, perhaps between setting an event's bit and writing the
 * eventfd. Write for him: a wake-up too many costs nothing.
 */
static void rouse_all(struct hyper_machine *m)
{
	struct shm_handle *h;
	uint32_t i, w;

	for (i = 0; i < LOCAL_HANDLES; i++) {
		if (!m->conns[i] || !m->conns[i]->ready)
			continue;
		h = &m->shm->handles[i];
		for (w = 0; w < LOCAL_PORTS / 64; w++)
			if (shm_load(&h->pending[w]) & ~shm_load(&h->masked[w]))
				shm_or(&h->selector, 1ull << w);
		if (shm_load(&h->selector))
			shm_store(&h->signalled, 1);
		if (shm_load(&h->signalled))
			conn_write_event(m->conns[i]);
	}
}

/* What a handle used is used no longer. */
static void records_clear(struct hyper_machine *m, uint32_t id)
{
	struct shm_handle *h = &m->shm->handles[id];
	uint32_t i, n = h->nr_maps;

	for (i = 0; i < n && i < LOCAL_MAPS; i++)
		shm_store(&m->shm->maps[id][i], 0);
	shm_store(&h->in_use[0], 0);
	shm_store(&h->in_use[1], 0);
	shm_store(&h->nr_maps, 0);
	/* A late notifier may still set bits: is_ours() sorts them out. */
	shm_store(&h->selector, 0);
	for (i = 0; i < LOCAL_PORTS / 64; i++) {
		shm_store(&h->pending[i], 0);
		shm_store(&h->masked[i], 0);
	}
	shm_store(&h->signalled, 0);
}

static void conn_free(struct hyper_machine *m, struct conn *c)
{
	m->conns[c->id] = NULL;
	if (c->ready && m->pid == getpid()) {
		ports_close(m, c->slot, c->token);
		records_clear(m, c->id);
		pages_close(m, c);
		m->domains[c->slot].conns--;
		rouse_all(m);
		domains_reap(m);
	}
	lxs_client_exit(&c->store);
	close(c->sock);
	close(c->event_fd);
	close(c->store_fd);
	free(c);
}

void conn_break(struct hyper_machine *m, struct conn *c)
{
	shutdown(c->sock, SHUT_RDWR);
	/* Which may take a wake-up back. */
	lxs_client_exit(&c->store);
	wake(c->store_fd);
	conn_free(m, c);
}

/* ---- requests ---- */

static int hello(struct hyper_machine *m, struct conn *c)
{
	uint32_t domid = m->msg.arg[0];
	int slot = shm_slot(m->shm, domid);

	if (c->ready)
		return -EISCONN;
	if (slot < 0)
		return -ESRCH;
	c->parts = m->msg.arg[1];
	if (m->store_away && c->parts & HYPER_STORE)
		return -ECONNREFUSED;
	records_clear(m, c->id);
	c->slot = (uint32_t)slot;
	c->domid = (uint16_t)domid;
	c->token = ++m->uses * LOCAL_HANDLES + c->id;
	lxs_client_init(&c->store, &m->store, c->domid, c->store_fd);
	m->domains[slot].conns++;
	c->ready = true;
	m->msg.token = c->token;
	m->msg.arg[0] = c->slot;
	return 0;
}

static int peer_fd(struct hyper_machine *m, int *fd)
{
	struct conn *c = m->conns[token_id(m->msg.token)];

	if (!c || c->token != m->msg.token)
		return -ENOENT;
	*fd = c->event_fd;
	return 0;
}

static int serve(struct hyper_machine *m, struct conn *c, enum local_op op,
		 int *fds, unsigned int *nfds)
{
	int rc;

	switch (op) {
	case LOCAL_HELLO:
		rc = hello(m, c);
		fds[0] = m->memfd;
		fds[1] = c->event_fd;
		fds[2] = c->store_fd;
		*nfds = rc ? 0 : 3;
		return rc;
	case LOCAL_SHARE:
		return pages_share(m, c);
	case LOCAL_UNSHARE:
		return pages_unshare(m, c);
	case LOCAL_PORT_ALLOC:
		return port_alloc(m, c);
	case LOCAL_PORT_BIND:
		return port_bind(m, c);
	case LOCAL_PORT_RESTRICT:
		return port_restrict(m, c);
	case LOCAL_PORT_CLOSE:
		return port_close(m, c);
	case LOCAL_PEER_FD:
		rc = peer_fd(m, fds);
		*nfds = rc ? 0 : 1;
		return rc;
	default:
		return store_request(m, c, op);
	}
}

/* One request and its reply; an error ends the connection. */
static int turn(struct hyper_machine *m, struct conn *c)
{
	int fds[LOCAL_FDS], rc;
	unsigned int nfds = 0;

	rc = local_recv(c->sock, &m->msg, NULL, MSG_DONTWAIT);
	if (rc)
		return rc == -EAGAIN ? 0 : rc;
	if (!c->ready && m->msg.op != LOCAL_HELLO)
		return -EPROTO;
	/* The handlers set it when the reply has data. */
	m->msg.data[m->msg.len < LOCAL_DATA ? m->msg.len : LOCAL_DATA - 1] = 0;
	if (c->ready && m->shm->domains[c->slot].dead) {
		rc = -ESRCH;
		m->msg.len = 0;
	} else {
		rc = serve(m, c, (enum local_op)m->msg.op, fds, &nfds);
	}
	m->msg.op = rc;
	if (rc)
		m->msg.len = 0;
	return local_send(c->sock, &m->msg, fds, nfds, MSG_DONTWAIT);
}

/* ---- the thread ---- */

static void on_event(struct hyper_machine *m, uint32_t tag)
{
	int sock;

	if (tag == TAG_LISTENER) {
		sock = accept4(m->listener, NULL, NULL, SOCK_CLOEXEC);
		if (sock >= 0 && conn_new(m, sock))
			close(sock);
	} else if (m->conns[tag] && turn(m, m->conns[tag])) {
		conn_free(m, m->conns[tag]);
	}
}

static void *run(void *arg)
{
	struct hyper_machine *m = arg;
	struct epoll_event ev[32];
	bool retry = false, stop = false;
	int i, n;

	while (!stop) {
		n = epoll_wait(m->poll, ev, 32, retry ? RETRY_MS : -1);
		pthread_mutex_lock(&m->lock);
		for (i = 0; i < n; i++) {
			if (ev[i].data.u32 == TAG_STOP)
				stop = true;
			else
				on_event(m, ev[i].data.u32);
		}
		retry = pages_retry(m);
		pthread_mutex_unlock(&m->lock);
	}
	return NULL;
}

static int listen_at(struct hyper_machine *m)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct stat st;

	strcpy(sa.sun_path, m->path);
	m->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (m->listener < 0)
		return -errno;
	/* What a machine that crashed has left; but no file of another kind. */
	if (!lstat(m->path, &st) && S_ISSOCK(st.st_mode))
		unlink(m->path);
	if (bind(m->listener, (struct sockaddr *)&sa, sizeof(sa)) ||
	    listen(m->listener, 512))
		return -errno;
	return 0;
}

static void close_all(struct hyper_machine *m)
{
	close(m->listener);
	close(m->poll);
	close(m->stop);
}

/* Signals are for the program's own threads. */
static int thread_start(struct hyper_machine *m)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = -pthread_create(&m->thread, NULL, run, m);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc;
}

int broker_start(struct hyper_machine *m)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int rc;

	m->poll = epoll_create1(EPOLL_CLOEXEC);
	m->stop = eventfd(0, EFD_CLOEXEC);
	rc = m->poll < 0 || m->stop < 0 ? -errno : listen_at(m);
	ev.data.u32 = TAG_LISTENER;
	if (!rc && epoll_ctl(m->poll, EPOLL_CTL_ADD, m->listener, &ev))
		rc = -errno;
	ev.data.u32 = TAG_STOP;
	if (!rc && epoll_ctl(m->poll, EPOLL_CTL_ADD, m->stop, &ev))
		rc = -errno;
	if (!rc)
		rc = thread_start(m);
	if (rc)
		close_all(m);
	return rc;
}

void broker_stop(struct hyper_machine *m)
{
	const uint64_t one = 1;
	uint32_t i;

	if (m->pid == getpid()) {
		while (write(m->stop, &one, sizeof(one)) < 0 && errno == EINTR)
			;
		pthread_join(m->thread, NULL);
	}
	for (i = 0; i < LOCAL_HANDLES; i++) {
		if (!m->conns[i])
			continue;
		/* Not only closed: a forked child may have it open too. */
		if (m->pid == getpid())
			shutdown(m->conns[i]->sock, SHUT_RDWR);
		conn_free(m, m->conns[i]);
	}
	close_all(m);
}
