// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* The store through libxenstore. */
#include "hyper/xen.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Of libxenstore, VERS_4.0: in the library for good, and in no header. */
const char *xs_daemon_socket(void);

/*
 * libxenstore (4.17) tells nobody who waits for events that xenstored has hung
 * up: its thread closes the socket and ends. A connection of our own, on which
 * nothing is said, does. Where the kernel's device is the way to the store
 * there is no such end.
 */
static int watch_end(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	const char *path = xs_daemon_socket();
	int fd;

	if (!path || strlen(path) >= sizeof(sa.sun_path))
		return -1;
	strcpy(sa.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool has_ended(const struct xen *x)
{
	struct pollfd end = {.fd = x->store_end, .events = POLLIN};

	return poll(&end, 1, 0) == 1;
}

static bool wait_for(struct xen *x, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN};

	return !epoll_ctl(x->store_poll, EPOLL_CTL_ADD, fd, &ev);
}

int xen_store_open(struct xen *x)
{
	/* No events after unwatch(): tokens may name freed things. */
	x->store = xs_open(XS_UNWATCH_FILTER);
	if (!x->store)
		return xen_error();
	x->store_end = watch_end();
	x->store_poll = epoll_create1(EPOLL_CLOEXEC);
	if (x->store_poll < 0 || !wait_for(x, xs_fileno(x->store)) ||
	    (x->store_end >= 0 && !wait_for(x, x->store_end)))
		return xen_error();
	return 0;
}

void xen_store_close(struct xen *x)
{
	if (x->store_poll >= 0)
		close(x->store_poll);
	if (x->store_end >= 0)
		close(x->store_end);
	xs_close(x->store);
}

int xen_store_fd(struct hyper *h)
{
	struct xen *x = xen_of(h);

	return x->store ? x->store_poll : -EINVAL;
}

static int result(bool ok)
{
	return ok ? 0 : xen_error();
}

/* NULL and errno if the handle was not opened for it: the library would crash */
static struct xs_handle *store_of(struct hyper *h)
{
	struct xs_handle *xs = xen_of(h)->store;

	if (!xs)
		errno = EINVAL;
	return xs;
}

int xen_tx_start(struct hyper *h, uint32_t *tx)
{
	struct xs_handle *xs = store_of(h);

	*tx = xs ? xs_transaction_start(xs) : XBT_NULL;
	return result(*tx != XBT_NULL);
}

int xen_tx_end(struct hyper *h, uint32_t tx, bool abort)
{
	struct xs_handle *xs = store_of(h);

	return result(xs && xs_transaction_end(xs, tx, abort));
}

char *xen_read(struct hyper *h, uint32_t tx, const char *path)
{
	struct xs_handle *xs = store_of(h);
	unsigned int len;

	/* The library ends it with a NUL. A value with one inside is cut. */
	return xs ? xs_read(xs, tx, path, &len) : NULL;
}

int xen_write(struct hyper *h, uint32_t tx, const char *path, const char *value)
{
	struct xs_handle *xs = store_of(h);

	return result(xs && xs_write(xs, tx, path, value,
				     (unsigned int)strlen(value)));
}

int xen_mkdir(struct hyper *h, uint32_t tx, const char *path)
{
	struct xs_handle *xs = store_of(h);

	return result(xs && xs_mkdir(xs, tx, path));
}

int xen_rm(struct hyper *h, uint32_t tx, const char *path)
{
	struct xs_handle *xs = store_of(h);

	return result(xs && xs_rm(xs, tx, path));
}

/* The library's array has no NULL at its end: build it anew. */
char **xen_list(struct hyper *h, uint32_t tx, const char *path, unsigned int *n)
{
	struct xs_handle *xs = store_of(h);
	char **from = xs ? xs_directory(xs, tx, path, n) : NULL;
	char **names, *s;
	size_t bytes = 0;
	unsigned int i;

	if (!from)
		return NULL;
	for (i = 0; i < *n; i++)
		bytes += strlen(from[i]) + 1;
	names = malloc((*n + 1) * sizeof(*names) + bytes);
	if (names) {
		s = (char *)(names + *n + 1);
		for (i = 0; i < *n; i++) {
			names[i] = s;
			s = stpcpy(s, from[i]) + 1;
		}
		names[*n] = NULL;
	}
	free(from);
	return names;
}

int xen_set_perms(struct hyper *h, uint32_t tx, const char *path,
		  uint16_t owner, uint16_t peer, const char *access)
{
	struct xs_handle *xs = store_of(h);
	struct xs_permissions perms[2] = {
		{.id = owner, .perms = XS_PERM_NONE},
		{.id = peer, .perms = XS_PERM_NONE},
	};

	if (strspn(access, "rw") != strlen(access))
		return -EINVAL;
	if (strchr(access, 'r'))
		perms[1].perms |= XS_PERM_READ;
	if (strchr(access, 'w'))
		perms[1].perms |= XS_PERM_WRITE;
	return result(xs && xs_set_permissions(xs, tx, path, perms, 2));
}

int xen_watch(struct hyper *h, const char *path, const char *token)
{
	struct xs_handle *xs = store_of(h);

	return result(xs && xs_watch(xs, path, token));
}

int xen_unwatch(struct hyper *h, const char *path, const char *token)
{
	struct xs_handle *xs = store_of(h);

	return result(xs && xs_unwatch(xs, path, token));
}

int xen_next_watch(struct hyper *h, struct hyper_watch_event *event)
{
	struct xs_handle *xs = store_of(h);
	char **got = xs ? xs_check_watch(xs) : NULL;
	int rc = 0;

	/* Its own errno for "no events" and for "no connection" is the same. */
	if (!got && xs && has_ended(xen_of(h)))
		return -EPIPE;
	if (!got)
		return xen_error();
	/* Path and token, both within the protocol's limits; nothing that
	 * xenstored says is taken on trust all the same. */
	if (strlen(got[XS_WATCH_PATH]) >= sizeof(event->path) ||
	    strlen(got[XS_WATCH_TOKEN]) >= sizeof(event->token)) {
		rc = -EPROTO;
	} else {
		strcpy(event->path, got[XS_WATCH_PATH]);
		strcpy(event->token, got[XS_WATCH_TOKEN]);
	}
	free(got);
	return rc;
}

bool xen_domain_alive(struct hyper *h, uint16_t domid)
{
	struct xs_handle *xs = store_of(h);

	errno = 0;
	/* A driver domain may not ask: its toolstack closes what has ended. */
	return xs && (xs_is_domain_introduced(xs, domid) || errno == EACCES);
}
