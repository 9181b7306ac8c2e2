/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * A handle on a local machine: what the files local_grant.c, local_share.c,
 * local_evtchn.c and local_store.c share. A handle belongs to one thread; only
 * the view of the machine's memory is shared by the handles of a process.
 */
#ifndef XPV_LOCAL_H
#define XPV_LOCAL_H

#include <sys/queue.h>
#include <sys/types.h>

#include "hyper/hyper.h"
#include "hyper/local_shm.h"
#include "hyper/local_wire.h"

/* One machine's memory in this process. */
struct local_view {
	LIST_ENTRY(local_view) link;
	ino_t ino;
	int memfd;
	unsigned int users;
	struct shm *shm;
};

/* Pages of one hyper_map(); found by address. */
struct local_map {
	void *addr; /* first: what map_compare() looks at */
	unsigned int n;
	uint32_t track[]; /* our records, one a page */
};

/* Pages of one hyper_share(). */
struct local_share {
	void *addr; /* first, as above */
	unsigned int n;
	uint32_t frame;
};

/* The eventfd of somebody that we notify. */
struct local_peer {
	uint64_t token;
	int fd;
};

struct local {
	struct hyper base;
	LIST_ENTRY(local) link; /* for fork(), under the lock of local.c */
	int sock;
	struct local_view *view;
	struct shm *shm;
	uint64_t token;
	uint32_t id; /* our index in shm->handles */
	uint32_t slot; /* our domain's index in shm->domains */
	struct shm_handle *me;

	void *maps; /* tsearch() tree of struct local_map */
	uint32_t *free_tracks;
	uint32_t nr_free_tracks, cap_free_tracks;

	void *shares; /* tsearch() tree of struct local_share */

	int evtchn_fd;
	unsigned int next_port; /* where the search goes on: fairness */
	struct local_peer *peers; /* by handle index; made when first used */

	int store_fd;
	struct local_msg msg; /* the request and its reply */
};

static inline struct local *local_of(struct hyper *h)
{
	return (struct local *)h;
}

/* Our domain was destroyed: as if we no longer existed. */
static inline bool local_dead(const struct local *l)
{
	return shm_load(&l->shm->domains[l->slot].dead);
}

static inline bool local_has(const struct local *l, unsigned int part)
{
	return l->base.parts & part;
}

static inline uint16_t local_domid(const struct local *l, uint16_t domid)
{
	return domid == XPV_DOMID_SELF ? l->base.self : domid;
}

/*
 * Send l->msg as @op and wait for the reply in its place. The first
 * descriptor that comes with it goes to *fd (NULL: none is expected).
 */
int local_call(struct local *l, enum local_op op, int *fd);

/* By the address that is the first member of both trees' entries. */
int local_by_addr(const void *a, const void *b);

/* local_grant.c */
void *local_map(struct hyper *h, uint16_t domid, const uint32_t *grefs,
		unsigned int n, int prot);
int local_unmap(struct hyper *h, void *addr, unsigned int n);
int local_copy(struct hyper *h, struct hyper_copy *ops, unsigned int n);
void local_grant_close(struct local *l);

/* local_share.c */
void *local_share(struct hyper *h, uint16_t domid, unsigned int n,
		  bool writable, uint32_t *grefs);
int local_unshare(struct hyper *h, void *addr, unsigned int n);
void local_share_close(struct local *l);

/* local_evtchn.c */
int local_evtchn_fd(struct hyper *h);
int local_evtchn_alloc(struct hyper *h, uint16_t domid);
int local_evtchn_bind(struct hyper *h, uint16_t domid, uint32_t remote_port);
int local_evtchn_unbind(struct hyper *h, uint32_t port);
int local_evtchn_restrict(struct hyper *h, uint16_t domid);
int local_evtchn_notify(struct hyper *h, uint32_t port);
int local_evtchn_next(struct hyper *h);
int local_evtchn_unmask(struct hyper *h, uint32_t port);
void local_evtchn_close(struct local *l);

/* local_store.c */
int local_store_fd(struct hyper *h);
int local_tx_start(struct hyper *h, uint32_t *tx);
int local_tx_end(struct hyper *h, uint32_t tx, bool abort);
char *local_read(struct hyper *h, uint32_t tx, const char *path);
int local_write(struct hyper *h, uint32_t tx, const char *path,
		const char *value);
int local_mkdir(struct hyper *h, uint32_t tx, const char *path);
int local_rm(struct hyper *h, uint32_t tx, const char *path);
char **local_list(struct hyper *h, uint32_t tx, const char *path,
		  unsigned int *n);
int local_set_perms(struct hyper *h, uint32_t tx, const char *path,
		    uint16_t owner, uint16_t peer, const char *access);
int local_watch(struct hyper *h, const char *path, const char *token);
int local_unwatch(struct hyper *h, const char *path, const char *token);
int local_next_watch(struct hyper *h, struct hyper_watch_event *event);
bool local_domain_alive(struct hyper *h, uint16_t domid);

/* local.c and xen.c, for hyper_open(). */
struct hyper *local_open(const char *path, uint16_t domid, unsigned int parts);
struct hyper *xen_open(unsigned int parts);

#endif
