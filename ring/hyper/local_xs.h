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

enum lxs_change_kind {
	XS_WRITE,
	XS_MKDIR,
	XS_RM,
	XS_PERMS,
};

struct lxs_change {
	enum lxs_change_kind kind;
	const char *path; /* absolute */
	const char *value; /* XS_WRITE */
	struct tree_perm perms[2]; /* XS_PERMS */
	uint16_t domid; /* on whose behalf: owns what is made */
};

struct lxs_tx;
struct lxs_watch;
struct lxs_event;

struct lxs_store {
	struct tree_node *root;
	uint64_t version;
	uint32_t last_tx;
	LIST_HEAD(, lxs_client) clients;
};

struct lxs_client {
	LIST_ENTRY(lxs_client) link;
	struct lxs_store *store;
	uint16_t domid;
	int wake; /* eventfd: readable while events wait */
	unsigned int nr_watches, nr_txs, nr_events;
	LIST_HEAD(, lxs_watch) watches;
	LIST_HEAD(, lxs_tx) txs;
	TAILQ_HEAD(, lxs_event) events;
};

/* local_xs.c; 0 or -errno each. */
int lxs_store_init(struct lxs_store *s);
void lxs_store_exit(struct lxs_store *s);
void lxs_client_init(struct lxs_client *c, struct lxs_store *s, uint16_t domid,
		     int wake);
void lxs_client_exit(struct lxs_client *c);

int lxs_tx_start(struct lxs_client *c, uint32_t *tx);
int lxs_tx_end(struct lxs_client *c, uint32_t tx, bool abort);
/* The node itself, valid until the store is next changed. */
int lxs_get(struct lxs_client *c, uint32_t tx, const char *path,
	    const struct tree_node **node);
int lxs_set(struct lxs_client *c, uint32_t tx, const char *path,
	    const char *value);
int lxs_make(struct lxs_client *c, uint32_t tx, const char *path);
int lxs_rm(struct lxs_client *c, uint32_t tx, const char *path);
int lxs_perms(struct lxs_client *c, uint32_t tx, const char *path,
	      const struct tree_perm perms[2]);

/* local_xs_watch.c */
/* The absolute form of a path; -EINVAL if it is not a valid one. */
int lxs_canonical(const struct lxs_client *c, const char *path,
		  char out[XS_PATH_MAX + 1]);
int lxs_watch(struct lxs_client *c, const char *path, const char *token);
int lxs_unwatch(struct lxs_client *c, const char *path, const char *token);
/* -EAGAIN: none waits. */
int lxs_next_event(struct lxs_client *c, char path[XS_PATH_MAX + 1],
		   char token[XS_TOKEN_MAX + 1]);
/* @node is what is, or was, at @path; @parent may be NULL. */
void lxs_fire(struct lxs_store *s, const char *path,
	      const struct tree_node *node, const struct tree_node *parent);
/* As lxs_fire() on @path; and for its descendants those who watch just them. */
void lxs_fire_removed(struct lxs_store *s, const char *path,
		      const struct tree_node *node,
		      const struct tree_node *parent);
/* "@introduceDomain" or "@releaseDomain". */
void lxs_fire_special(struct lxs_store *s, const char *name);
void lxs_watches_exit(struct lxs_client *c);

#endif
