/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* A handle on the real hypervisor: what the xen*.c files share. */
#ifndef XPV_HYPER_XEN_H
#define XPV_HYPER_XEN_H

#include <errno.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

#include "hyper/hyper.h"

/* Copies handed to gntdev at once: its own batches are of 24. */
#define XEN_COPY_BATCH 96

struct xen {
	struct hyper base;
	xengnttab_handle *gnttab;
	xengntshr_handle *gntshr;
	xenevtchn_handle *evtchn;
	struct xs_handle *store;
	int store_end; /* readable when xenstored has gone; -1: cannot be told */
	int store_poll; /* an epoll of that and of the store's events */
	xengnttab_grant_copy_segment_t segs[XEN_COPY_BATCH];
	struct hyper_copy *ops[XEN_COPY_BATCH]; /* of segs, one for one */
};

static inline struct xen *xen_of(struct hyper *h)
{
	return (struct xen *)h;
}

/* The libraries answer -1 or false and set errno; never 0 for an error. */
static inline int xen_error(void)
{
	return errno ? -errno : -EIO;
}

/* xen_grant.c */
void *xen_map(struct hyper *h, uint16_t domid, const uint32_t *grefs,
	      unsigned int n, int prot);
int xen_unmap(struct hyper *h, void *addr, unsigned int n);
int xen_copy(struct hyper *h, struct hyper_copy *ops, unsigned int n);
void *xen_share(struct hyper *h, uint16_t domid, unsigned int n, bool writable,
		uint32_t *grefs);
int xen_unshare(struct hyper *h, void *addr, unsigned int n);

/* xen_evtchn.c */
int xen_evtchn_open(struct xen *x);
int xen_evtchn_fd(struct hyper *h);
int xen_evtchn_alloc(struct hyper *h, uint16_t domid);
int xen_evtchn_bind(struct hyper *h, uint16_t domid, uint32_t remote_port);
int xen_evtchn_unbind(struct hyper *h, uint32_t port);
int xen_evtchn_restrict(struct hyper *h, uint16_t domid);
int xen_evtchn_notify(struct hyper *h, uint32_t port);
int xen_evtchn_next(struct hyper *h);
int xen_evtchn_unmask(struct hyper *h, uint32_t port);

/* xen_store.c */
int xen_store_open(struct xen *x);
void xen_store_close(struct xen *x);
int xen_store_fd(struct hyper *h);
int xen_tx_start(struct hyper *h, uint32_t *tx);
int xen_tx_end(struct hyper *h, uint32_t tx, bool abort);
char *xen_read(struct hyper *h, uint32_t tx, const char *path);
int xen_write(struct hyper *h, uint32_t tx, const char *path,
	      const char *value);
int xen_mkdir(struct hyper *h, uint32_t tx, const char *path);
int xen_rm(struct hyper *h, uint32_t tx, const char *path);
char **xen_list(struct hyper *h, uint32_t tx, const char *path,
		unsigned int *n);
int xen_set_perms(struct hyper *h, uint32_t tx, const char *path,
		  uint16_t owner, uint16_t peer, const char *access);
int xen_watch(struct hyper *h, const char *path, const char *token);
int xen_unwatch(struct hyper *h, const char *path, const char *token);
int xen_next_watch(struct hyper *h, struct hyper_watch_event *event);
bool xen_domain_alive(struct hyper *h, uint16_t domid);

#endif
