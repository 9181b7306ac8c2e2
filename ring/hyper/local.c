// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Opening and closing a handle on a local machine. */
#include "hyper/local.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Protects the two lists: handles of several threads come and go. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, local_view) views;
static LIST_HEAD(, local) handles;

int local_by_addr(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return *x < *y ? -1 : *x > *y;
}

int local_call(struct local *l, enum local_op op, int *fd)
{
	int fds[LOCAL_FDS] = {-1, -1, -1}, rc;

	l->msg.op = (int32_t)op;
	rc = local_send(l->sock, &l->msg, NULL, 0, 0);
	if (!rc)
		rc = local_recv(l->sock, &l->msg, fd ? fds : NULL, 0);
	l->msg.data[l->msg.len < LOCAL_DATA ? l->msg.len : 0] = '\0';
	if (fd)
		*fd = fds[0];
	return rc ? rc : l->msg.op;
}

/* ---- the machine's memory, once a process ---- */

static struct local_view *view_new(int memfd, ino_t ino)
{
	struct local_view *v = calloc(1, sizeof(*v));
	void *base;

	if (!v)
		return NULL;
	base = mmap(NULL, sizeof(struct shm), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_NORESERVE, memfd, 0);
	if (base == MAP_FAILED) {
		free(v);
		return NULL;
	}
	/* A core dump of 16 GiB of holes helps nobody. */
	madvise(base, sizeof(struct shm), MADV_DONTDUMP);
	v->shm = base;
	v->memfd = memfd;
	v->ino = ino;
	LIST_INSERT_HEAD(&views, v, link);
	return v;
}

/* Takes @memfd over, also when it fails. */
static struct local_view *view_get(int memfd)
{
	struct local_view *v = NULL;
	struct stat st;

	pthread_mutex_lock(&lock);
	if (!fstat(memfd, &st)) {
		LIST_FOREACH(v, &views, link)
			if (v->ino == st.st_ino)
				break;
		if (v)
			close(memfd);
		else
			v = view_new(memfd, st.st_ino);
	}
	if (v)
		v->users++;
	else
		close(memfd);
	pthread_mutex_unlock(&lock);
	return v;
}

static void view_put(struct local_view *v)
{
	pthread_mutex_lock(&lock);
	if (v && !--v->users) {
		LIST_REMOVE(v, link);
		munmap(v->shm, sizeof(struct shm));
		close(v->memfd);
		free(v);
	}
	pthread_mutex_unlock(&lock);
}

/* ---- fork ---- */

static void before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&lock);
}

/*
 * A child must not use handles of its parent (nor may it with Xen). It must
 * not keep their sockets open either: the broker would never learn that the
 * parent died.
 */
static void in_child(void)
{
	struct local *l;

	LIST_FOREACH(l, &handles, link) {
		if (l->sock >= 0)
			close(l->sock);
		l->sock = -1;
	}
	pthread_mutex_unlock(&lock);
}

static void watch_forks(void)
{
	pthread_atfork(before_fork, after_fork, in_child);
}

/* ---- open and close ---- */

static int dial(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd, err;

	if (strlen(path) >= sizeof(sa.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(sa.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (!connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		return fd;
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

/* Introduce ourselves and take what the broker hands out. */
static int hello(struct local *l)
{
	int fds[LOCAL_FDS], rc;

	l->msg.op = LOCAL_HELLO;
	l->msg.len = 0;
	l->msg.arg[0] = l->base.self;
	l->msg.arg[1] = l->base.parts;
	rc = local_send(l->sock, &l->msg, NULL, 0, 0);
	if (!rc)
		rc = local_recv(l->sock, &l->msg, fds, 0);
	if (rc)
		return rc;
	l->evtchn_fd = fds[1];
	l->store_fd = fds[2];
	if (l->msg.op)
		return l->msg.op;
	if (fds[2] < 0) { /* they come in order, until our limit */
		if (fds[0] >= 0)
			close(fds[0]);
		return -EMFILE;
	}
	l->token = l->msg.token;
	l->id = token_id(l->token);
	l->slot = l->msg.arg[0];
	l->view = view_get(fds[0]);
	if (!l->view)
		return -ENOMEM;
	l->shm = l->view->shm;
	l->me = &l->shm->handles[l->id];
	return l->shm->magic == LOCAL_MAGIC ? 0 : -EPROTO;
}

static void local_close(struct hyper *h)
{
	struct local *l = local_of(h);

	pthread_mutex_lock(&lock);
	LIST_REMOVE(l, link);
	pthread_mutex_unlock(&lock);
	if (l->view) {
		local_grant_close(l);
		local_share_close(l);
		local_evtchn_close(l);
		view_put(l->view);
	}
	/* Only now: from here on the broker may give our pages away. */
	if (l->sock >= 0)
		close(l->sock);
	if (l->evtchn_fd >= 0)
		close(l->evtchn_fd);
	if (l->store_fd >= 0)
		close(l->store_fd);
	free(l);
}

static const struct hyper_ops local_ops = {
	.close = local_close,
	.map = local_map,
	.unmap = local_unmap,
	.copy = local_copy,
	.share = local_share,
	.unshare = local_unshare,
	.evtchn_fd = local_evtchn_fd,
	.evtchn_alloc = local_evtchn_alloc,
	.evtchn_bind = local_evtchn_bind,
	.evtchn_unbind = local_evtchn_unbind,
	.evtchn_restrict = local_evtchn_restrict,
	.evtchn_notify = local_evtchn_notify,
	.evtchn_next = local_evtchn_next,
	.evtchn_unmask = local_evtchn_unmask,
	.store_fd = local_store_fd,
	.tx_start = local_tx_start,
	.tx_end = local_tx_end,
	.read = local_read,
	.write = local_write,
	.mkdir = local_mkdir,
	.rm = local_rm,
	.list = local_list,
	.set_perms = local_set_perms,
	.watch = local_watch,
	.unwatch = local_unwatch,
	.next_watch = local_next_watch,
	.domain_alive = local_domain_alive,
};

struct hyper *local_open(const char *path, uint16_t domid, unsigned int parts)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct local *l = calloc(1, sizeof(*l));
	int rc;

	if (!l)
		return NULL;
	pthread_once(&once, watch_forks);
	l->base.ops = &local_ops;
	l->base.self = domid;
	l->base.parts = parts;
	l->evtchn_fd = -1;
	l->store_fd = -1;
	l->sock = dial(path);
	rc = l->sock < 0 ? -errno : 0;
	pthread_mutex_lock(&lock);
	LIST_INSERT_HEAD(&handles, l, link);
	pthread_mutex_unlock(&lock);
	if (!rc)
		rc = hello(l);
	if (!rc)
		return &l->base;
	local_close(&l->base);
	errno = -rc;
	return NULL;
}
