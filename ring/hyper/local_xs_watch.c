// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Watches of the local store. An event that a client has not read yet is not
 * queued a second time, as xenstored since XSA-326: a guest that rewrites one
 * key for ever costs one event.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hyper/local_xs.h"

struct lxs_watch {
	LIST_ENTRY(lxs_watch) link;
	bool relative; /* its events name paths as it did */
	char path[XS_PATH_MAX + 1];
	char token[XS_TOKEN_MAX + 1];
};

struct lxs_event {
	TAILQ_ENTRY(lxs_event) link;
	struct lxs_watch *watch;
	char path[];
};

/* ---- paths ---- */

static bool valid(const char *path)
{
	size_t len = strlen(path), i;

	if (!strcmp(path, "@introduceDomain") ||
	    !strcmp(path, "@releaseDomain") || !strcmp(path, "/"))
		return true;
	if (path[0] != '/' || len > XS_PATH_MAX || path[len - 1] == '/' ||
	    strstr(path, "//"))
		return false;
	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char)path[i]) &&
		    !strchr("-/_@", path[i]))
			return false;
	return true;
}

int lxs_canonical(const struct lxs_client *c, const char *path,
		  char out[XS_PATH_MAX + 1])
{
	int len;

	if (path[0] == '/' || path[0] == '@')
		len = snprintf(out, XS_PATH_MAX + 1, "%s", path);
	else if (!path[0] || strlen(path) > XS_REL_PATH_MAX)
		return -EINVAL;
	else
		len = snprintf(out, XS_PATH_MAX + 1, "/local/domain/%u/%s",
			       c->domid, path);
	return len <= XS_PATH_MAX && valid(out) ? 0 : -EINVAL;
}

/* ---- events ---- */

static void set_wake(const struct lxs_client *c, bool on)
{
	uint64_t n = 1;
	ssize_t rc;

	if (c->wake < 0)
		return;
	rc = on ? write(c->wake, &n, sizeof(n)) : read(c->wake, &n, sizeof(n));
	(void)rc; /* it is non-blocking and already as we want it */
}

static void event_drop(struct lxs_client *c, struct lxs_event *e)
{
	TAILQ_REMOVE(&c->events, e, link);
	free(e);
	if (!--c->nr_events)
		set_wake(c, false);
}

static void queue_event(struct lxs_client *c, struct lxs_watch *w,
			const char *path)
{
	struct lxs_event *e;
	size_t skip = 0;

	if (w->relative)
		skip = (size_t)snprintf(NULL, 0, "/local/domain/%u/", c->domid);
	if (skip > strlen(path))
		skip = 0;
	TAILQ_FOREACH(e, &c->events, link)
		if (e->watch == w && !strcmp(e->path, path + skip))
			return;
	if (c->domid && c->nr_events >= XS_GUEST_EVENTS)
		return;
	e = malloc(sizeof(*e) + strlen(path + skip) + 1);
	if (!e)
		return;
	e->watch = w;
	strcpy(e->path, path + skip);
	TAILQ_INSERT_TAIL(&c->events, e, link);
	if (!c->nr_events++)
		set_wake(c, true);
}

int lxs_next_event(struct lxs_client *c, char path[XS_PATH_MAX + 1],
		   char token[XS_TOKEN_MAX + 1])
{
	struct lxs_event *e = TAILQ_FIRST(&c->events);

	if (!e)
		return -EAGAIN;
	strcpy(path, e->path);
	strcpy(token, e->watch->token);
	event_drop(c, e);
	return 0;
}

/* ---- who is told ---- */

/* Is @path the watched one, or below it? */
static bool covers(const char *watched, const char *path)
{
	size_t len = strlen(watched);

	if (!strcmp(watched, "/"))
		return path[0] == '/';
	return !strncmp(watched, path, len) && (!path[len] || path[len] == '/');
}

/* Events must not tell what reading would not (XSA-115). */
static bool may_know(const struct lxs_client *c, const struct tree_node *node,
		     const struct tree_node *parent)
{
	return (node && tree_access(node, c->domid) & TREE_READ) ||
	       (parent && tree_access(parent, c->domid) & TREE_READ);
}

static void fire(struct lxs_store *s, const char *path, bool exact,
		 const struct tree_node *node, const struct tree_node *parent)
{
	struct lxs_client *c;
	struct lxs_watch *w;

	LIST_FOREACH(c, &s->clients, link) {
		if (LIST_EMPTY(&c->watches) || !may_know(c, node, parent))
			continue;
		LIST_FOREACH(w, &c->watches, link)
			if (exact ? !strcmp(w->path, path)
				  : covers(w->path, path))
				queue_event(c, w, path);
	}
}

void lxs_fire(struct lxs_store *s, const char *path,
	      const struct tree_node *node, const struct tree_node *parent)
{
	fire(s, path, false, node, parent);
}

static void fire_below(struct lxs_store *s, char path[XS_PATH_MAX + 1],
		       const struct tree_node *node)
{
	size_t len = strlen(path);
	unsigned int i;

	for (i = 0; i < node->nr_kids; i++) {
		snprintf(path + len, XS_PATH_MAX + 1 - len, "/%s",
			 node->kids[i]->name);
		fire(s, path, true, node->kids[i], node);
		fire_below(s, path, node->kids[i]);
	}
	path[len] = '\0';
}

void lxs_fire_removed(struct lxs_store *s, const char *path,
		      const struct tree_node *node,
		      const struct tree_node *parent)
{
	char below[XS_PATH_MAX + 1];

	fire(s, path, false, node, parent);
	strcpy(below, path);
	fire_below(s, below, node);
}

void lxs_fire_special(struct lxs_store *s, const char *name)
{
	struct lxs_client *c;
	struct lxs_watch *w;

	LIST_FOREACH(c, &s->clients, link)
		LIST_FOREACH(w, &c->watches, link)
			if (!c->domid && !strcmp(w->path, name))
				queue_event(c, w, name);
}

/* ---- making and ending watches ---- */

static struct lxs_watch *find(struct lxs_client *c, const char *full,
			      const char *token)
{
	struct lxs_watch *w;

	LIST_FOREACH(w, &c->watches, link)
		if (!strcmp(w->path, full) && !strcmp(w->token, token))
			return w;
	return NULL;
}

int lxs_watch(struct lxs_client *c, const char *path, const char *token)
{
	char full[XS_PATH_MAX + 1];
	struct lxs_watch *w;
	int rc;

	rc = lxs_canonical(c, path, full);
	if (rc)
		return rc;
	if (strlen(token) > XS_TOKEN_MAX)
		return -EINVAL;
	if (find(c, full, token))
		return -EEXIST;
	if (c->domid && c->nr_watches >= XS_GUEST_WATCH)
		return -E2BIG;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->relative = path[0] != '/' && path[0] != '@';
	strcpy(w->path, full);
	strcpy(w->token, token);
	LIST_INSERT_HEAD(&c->watches, w, link);
	c->nr_watches++;
	/* Once at registration, whether the node is there or not. */
	queue_event(c, w, full);
	return 0;
}

static void watch_drop(struct lxs_client *c, struct lxs_watch *w)
{
	struct lxs_event *e, *next;

	for (e = TAILQ_FIRST(&c->events); e; e = next) {
		next = TAILQ_NEXT(e, link);
		if (e->watch == w)
			event_drop(c, e);
	}
	LIST_REMOVE(w, link);
	c->nr_watches--;
	free(w);
}

int lxs_unwatch(struct lxs_client *c, const char *path, const char *token)
{
	char full[XS_PATH_MAX + 1];
	struct lxs_watch *w;
	int rc;

	rc = lxs_canonical(c, path, full);
	if (rc)
		return rc;
	w = find(c, full, token);
	if (!w)
		return -ENOENT;
	watch_drop(c, w);
	return 0;
}

void lxs_watches_exit(struct lxs_client *c)
{
	while (!LIST_EMPTY(&c->watches))
		watch_drop(c, LIST_FIRST(&c->watches));
}
