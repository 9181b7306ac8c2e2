/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The local store: what xenstored does, as the broker of a machine calls it.
 * Not thread-safe: the caller holds the machine's lock.
 */
#ifndef XPV_LOCAL_XS_H
#define XPV_LOCAL_XS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "hyper/local_tree.h"

/* Limits of xen/io/xs_wire.h, and xenstored's own on unprivileged domains. */
#define XS_PATH_MAX	3072
#define XS_REL_PATH_MAX 2048
#define XS_VALUE_MAX	4096
#define XS_TOKEN_MAX	127
#define XS_GUEST_VALUE	2048
#define XS_GUEST_TX	10
#define XS_GUEST_WATCH	128
#define XS_GUEST_EVENTS 1024 /* unread; far over what 128 watches ask for */

enum xs_change_kind {
	XS_WRITE,
	XS_MKDIR,
	XS_RM,
	XS_PERMS,
};

struct xs_change {
	enum xs_change_kind kind;
	const char *path; /* absolute */
	const char *value; /* XS_WRITE */
	struct tree_perm perms[2]; /* XS_PERMS */
	uint16_t domid; /* on whose behalf: owns what is made */
};

struct xs_tx;
struct xs_watch;
struct xs_event;

struct xs_store {
	struct tree_node *root;
	uint64_t version;
	uint32_t last_tx;
	LIST_HEAD(, xs_client) clients;
};

struct xs_client {
	LIST_ENTRY(xs_client) link;
	struct xs_store *store;
	uint16_t domid;
	int wake; /* eventfd: readable while events wait */
	unsigned int nr_watches, nr_txs, nr_events;
	LIST_HEAD(, xs_watch) watches;
	LIST_HEAD(, xs_tx) txs;
	TAILQ_HEAD(, xs_event) events;
};

/* local_xs.c; 0 or -errno each. */
int xs_store_init(struct xs_store *s);
void xs_store_exit(struct xs_store *s);
void xs_client_init(struct xs_client *c, struct xs_store *s, uint16_t domid,
		    int wake);
void xs_client_exit(struct xs_client *c);

int xs_tx_start(struct xs_client *c, uint32_t *tx);
int xs_tx_end(struct xs_client *c, uint32_t tx, bool abort);
/* The node itself, valid until the store is next changed. */
int xs_get(struct xs_client *c, uint32_t tx, const char *path,
	   const struct tree_node **node);
int xs_set(struct xs_client *c, uint32_t tx, const char *path,
	   const char *value);
int xs_make(struct xs_client *c, uint32_t tx, const char *path);
int xs_rm(struct xs_client *c, uint32_t tx, const char *path);
int xs_perms(struct xs_client *c, uint32_t tx, const char *path,
	     const struct tree_perm perms[2]);

/* local_xs_watch.c */
/* The absolute form of a path; -EINVAL if it is not a valid one. */
int xs_canonical(const struct xs_client *c, const char *path,
		 char out[XS_PATH_MAX + 1]);
int xs_watch(struct xs_client *c, const char *path, const char *token);
int xs_unwatch(struct xs_client *c, const char *path, const char *token);
/* -EAGAIN: none waits. */
int xs_next_event(struct xs_client *c, char path[XS_PATH_MAX + 1],
		  char token[XS_TOKEN_MAX + 1]);
/* @node is what is, or was, at @path; @parent may be NULL. */
void xs_fire(struct xs_store *s, const char *path, const struct tree_node *node,
	     const struct tree_node *parent);
/* As xs_fire() on @path; and for its descendants those who watch just them. */
void xs_fire_removed(struct xs_store *s, const char *path,
		     const struct tree_node *node,
		     const struct tree_node *parent);
/* "@introduceDomain" or "@releaseDomain". */
void xs_fire_special(struct xs_store *s, const char *name);
void xs_watches_exit(struct xs_client *c);

#endif
