// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Operations and transactions of the local store.
 *
 * A transaction works on a version of the tree of its own and notes the paths
 * that it depends on and the changes that it makes. If at its end none of
 * those paths differs between the version it started from and the present
 * one, its changes are made again on the present one; otherwise EAGAIN.
 */
#include "hyper/local_xs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A path that a transaction depends on. */
struct dep {
	STAILQ_ENTRY(dep) link;
	char path[];
};

struct logged {
	STAILQ_ENTRY(logged) link;
	struct lxs_change change;
	char text[]; /* its path and value */
};

struct lxs_tx {
	LIST_ENTRY(lxs_tx) link;
	uint32_t id;
	bool broken; /* no memory for its log: it cannot commit */
	struct tree_node *base, *root;
	STAILQ_HEAD(, dep) deps;
	STAILQ_HEAD(, logged) changes;
};

/* ---- transactions: the log ---- */

static void tx_free(struct lxs_client *c, struct lxs_tx *tx)
{
	struct logged *l;
	struct dep *d;

	while ((d = STAILQ_FIRST(&tx->deps))) {
		STAILQ_REMOVE_HEAD(&tx->deps, link);
		free(d);
	}
	while ((l = STAILQ_FIRST(&tx->changes))) {
		STAILQ_REMOVE_HEAD(&tx->changes, link);
		free(l);
	}
	tree_put(tx->base);
	tree_put(tx->root);
	LIST_REMOVE(tx, link);
	c->nr_txs--;
	free(tx);
}

static struct lxs_tx *tx_find(struct lxs_client *c, uint32_t id)
{
	struct lxs_tx *tx;

	LIST_FOREACH(tx, &c->txs, link)
		if (tx->id == id)
			return tx;
	return NULL;
}

static void depend(struct lxs_tx *tx, const char *path, size_t len)
{
	struct dep *d;

	if (!tx)
		return;
	STAILQ_FOREACH(d, &tx->deps, link)
		if (!strncmp(d->path, path, len) && !d->path[len])
			return;
	d = malloc(sizeof(*d) + len + 1);
	if (!d) {
		tx->broken = true;
		return;
	}
	memcpy(d->path, path, len);
	d->path[len] = '\0';
	STAILQ_INSERT_TAIL(&tx->deps, d, link);
}

static void tx_log(struct lxs_tx *tx, const struct lxs_change *change)
{
	size_t path = strlen(change->path) + 1;
	size_t value = change->value ? strlen(change->value) + 1 : 0;
	struct logged *l = malloc(sizeof(*l) + path + value);

	if (!l) {
		tx->broken = true;
		return;
	}
	l->change = *change;
	l->change.path = memcpy(l->text, change->path, path);
	if (value)
		l->change.value = memcpy(l->text + path, change->value, value);
	STAILQ_INSERT_TAIL(&tx->changes, l, link);
}

/* ---- making a change ---- */

static int make_change(struct tree_node **root, const struct lxs_change *c,
		       uint64_t *version)
{
	bool make = c->kind == XS_WRITE || c->kind == XS_MKDIR;
	struct tree_node *node;
	char *value = NULL;

	if (c->kind == XS_RM)
		return tree_remove(root, c->path, version) ? 0 : -ENOENT;
	if (c->kind == XS_WRITE) {
		value = strdup(c->value);
		if (!value)
			return -ENOMEM;
	}
	node = tree_change(root, c->path, make, c->domid, version);
	if (!node) {
		free(value);
		return make ? -ENOMEM : -ENOENT;
	}
	if (value) {
		free(node->value);
		node->value = value;
	}
	if (c->kind == XS_PERMS) {
		memcpy(node->perms, c->perms, sizeof(c->perms));
		node->nr_perms = 2;
	}
	return 0;
}

static const struct tree_node *parent_of(const struct tree_node *root,
					 const char *path)
{
	char parent[XS_PATH_MAX + 1];
	size_t len;

	tree_leaf(path, &len);
	memcpy(parent, path, len);
	parent[len] = '\0';
	return tree_find(root, parent);
}

/* On the present tree, with its watch events. */
static int commit_change(struct lxs_store *s, const struct lxs_change *c)
{
	const struct tree_node *found = tree_find(s->root, c->path);
	struct tree_node *old;
	int rc;

	if (c->kind != XS_RM) {
		rc = make_change(&s->root, c, &s->version);
		if (!rc)
			lxs_fire(s, c->path, tree_find(s->root, c->path),
				 parent_of(s->root, c->path));
		return rc;
	}
	if (!found)
		return -ENOENT;
	/* Events tell of what was there: keep it until they are out. */
	old = tree_get((struct tree_node *)(uintptr_t)found);
	rc = make_change(&s->root, c, &s->version);
	if (!rc)
		lxs_fire_removed(s, c->path, old, parent_of(s->root, c->path));
	tree_put(old);
	return rc;
}

static int change(struct lxs_client *c, struct lxs_tx *tx,
		  struct lxs_change *what)
{
	int rc;

	what->domid = c->domid;
	if (!tx)
		return commit_change(c->store, what);
	rc = make_change(&tx->root, what, &c->store->version);
	if (!rc)
		tx_log(tx, what);
	return rc;
}

/* ---- permission ---- */

/*
 * Find what @path names for an operation that needs @access to it. A node
 * that is not there: *node is NULL, and it counts what the nearest parent
 * would allow (as xenstored: who may not look must not learn what exists).
 */
static int look(struct lxs_client *c, uint32_t tx_id, const char *path,
		unsigned int access, char full[XS_PATH_MAX + 1],
		struct lxs_tx **tx, const struct tree_node **node)
{
	const struct tree_node *nearest;
	size_t len;
	int rc;

	rc = lxs_canonical(c, path, full);
	if (rc)
		return rc;
	if (full[0] == '@')
		return -EINVAL;
	*tx = tx_id ? tx_find(c, tx_id) : NULL;
	if (tx_id && !*tx)
		return -ENOENT;
	nearest = tree_nearest(*tx ? (*tx)->root : c->store->root, full, &len);
	depend(*tx, full, len);
	depend(*tx, full, strlen(full));
	*node = len == strlen(full) ? nearest : NULL;
	return (tree_access(nearest, c->domid) & access) == access ? 0
								   : -EACCES;
}

/* ---- operations ---- */

int lxs_get(struct lxs_client *c, uint32_t tx_id, const char *path,
	    const struct tree_node **node)
{
	char full[XS_PATH_MAX + 1];
	struct lxs_tx *tx;
	int rc;

	rc = look(c, tx_id, path, TREE_READ, full, &tx, node);
	return rc ? rc : *node ? 0 : -ENOENT;
}

int lxs_set(struct lxs_client *c, uint32_t tx_id, const char *path,
	    const char *value)
{
	char full[XS_PATH_MAX + 1];
	struct lxs_change what = {
		.kind = XS_WRITE, .path = full, .value = value};
	const struct tree_node *node;
	struct lxs_tx *tx;
	int rc;

	rc = look(c, tx_id, path, TREE_WRITE, full, &tx, &node);
	if (rc)
		return rc;
	if (c->domid && strlen(value) > XS_GUEST_VALUE)
		return -ENOSPC;
	return change(c, tx, &what);
}

int lxs_make(struct lxs_client *c, uint32_t tx_id, const char *path)
{
	char full[XS_PATH_MAX + 1];
	struct lxs_change what = {.kind = XS_MKDIR, .path = full};
	const struct tree_node *node;
	struct lxs_tx *tx;
	int rc;

	rc = look(c, tx_id, path, TREE_WRITE, full, &tx, &node);
	if (rc || node) /* there already: no change, no event */
		return rc;
	return change(c, tx, &what);
}

/* A removal depends on everything that it removes. */
static void depend_below(struct lxs_tx *tx, const struct tree_node *node,
			 char full[XS_PATH_MAX + 1])
{
	size_t len = strlen(full);
	unsigned int i;

	depend(tx, full, len);
	for (i = 0; tx && i < node->nr_kids; i++) {
		snprintf(full + len, XS_PATH_MAX + 1 - len, "/%s",
			 node->kids[i]->name);
		depend_below(tx, node->kids[i], full);
	}
	full[len] = '\0';
}

int lxs_rm(struct lxs_client *c, uint32_t tx_id, const char *path)
{
	char full[XS_PATH_MAX + 1];
	struct lxs_change what = {.kind = XS_RM, .path = full};
	const struct tree_node *node;
	struct lxs_tx *tx;
	size_t len;
	int rc;

	rc = look(c, tx_id, path, TREE_WRITE, full, &tx, &node);
	if (rc)
		return rc;
	if (!strcmp(full, "/"))
		return -EINVAL;
	if (!node) /* as xenstored: fine, if there is a parent */
		return parent_of(tx ? tx->root : c->store->root, full)
			       ? 0
			       : -ENOENT;
	tree_leaf(full, &len);
	depend(tx, full, len);
	depend_below(tx, node, full);
	return change(c, tx, &what);
}

int lxs_perms(struct lxs_client *c, uint32_t tx_id, const char *path,
	      const struct tree_perm perms[2])
{
	char full[XS_PATH_MAX + 1];
	struct lxs_change what = {.kind = XS_PERMS, .path = full};
	const struct tree_node *node;
	struct lxs_tx *tx;
	int rc;

	rc = look(c, tx_id, path, TREE_WRITE, full, &tx, &node);
	if (rc)
		return rc;
	if (!node)
		return -ENOENT;
	/* The owner may let others in, and may not give the node away. */
	if (c->domid && node->perms[0].domid != c->domid)
		return -EACCES;
	if (c->domid && perms[0].domid != c->domid)
		return -EPERM;
	memcpy(what.perms, perms, sizeof(what.perms));
	return change(c, tx, &what);
}

/* ---- transactions: begin and end ---- */

int lxs_tx_start(struct lxs_client *c, uint32_t *id)
{
	struct lxs_tx *tx;

	if (c->domid && c->nr_txs >= XS_GUEST_TX)
		return -ENOSPC;
	tx = calloc(1, sizeof(*tx));
	if (!tx)
		return -ENOMEM;
	if (!++c->store->last_tx)
		c->store->last_tx = 1;
	*id = tx->id = c->store->last_tx;
	tx->base = tree_get(c->store->root);
	tx->root = tree_get(c->store->root);
	STAILQ_INIT(&tx->deps);
	STAILQ_INIT(&tx->changes);
	LIST_INSERT_HEAD(&c->txs, tx, link);
	c->nr_txs++;
	return 0;
}

static uint64_t version_at(const struct tree_node *root, const char *path)
{
	const struct tree_node *node = tree_find(root, path);

	return node ? node->version : 0;
}

static int commit(struct lxs_store *s, struct lxs_tx *tx)
{
	struct logged *l;
	struct dep *d;
	int rc, first = 0;

	if (tx->broken)
		return -ENOMEM;
	STAILQ_FOREACH(d, &tx->deps, link)
		if (version_at(tx->base, d->path) !=
		    version_at(s->root, d->path))
			return -EAGAIN;
	STAILQ_FOREACH(l, &tx->changes, link) {
		rc = commit_change(s, &l->change);
		if (rc && !first)
			first = rc;
	}
	return first;
}

int lxs_tx_end(struct lxs_client *c, uint32_t id, bool abort)
{
	struct lxs_tx *tx = tx_find(c, id);
	int rc;

	if (!tx)
		return -ENOENT;
	rc = abort ? 0 : commit(c->store, tx);
	tx_free(c, tx);
	return rc;
}

/* ---- the store and its clients ---- */

int lxs_store_init(struct lxs_store *s)
{
	memset(s, 0, sizeof(*s));
	LIST_INIT(&s->clients);
	s->root = tree_new("", 0);
	if (!s->root)
		return -ENOMEM;
	s->root->version = ++s->version;
	return 0;
}

void lxs_store_exit(struct lxs_store *s)
{
	tree_put(s->root);
	s->root = NULL;
}

void lxs_client_init(struct lxs_client *c, struct lxs_store *s, uint16_t domid,
		     int wake)
{
	memset(c, 0, sizeof(*c));
	c->store = s;
	c->domid = domid;
	c->wake = wake;
	LIST_INIT(&c->watches);
	LIST_INIT(&c->txs);
	TAILQ_INIT(&c->events);
	LIST_INSERT_HEAD(&s->clients, c, link);
}

void lxs_client_exit(struct lxs_client *c)
{
	if (!c->store)
		return;
	while (!LIST_EMPTY(&c->txs))
		tx_free(c, LIST_FIRST(&c->txs));
	lxs_watches_exit(c);
	LIST_REMOVE(c, link);
	c->store = NULL;
}
