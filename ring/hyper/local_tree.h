/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The tree of the local store. Nodes are counted and shared between versions
 * of the tree: a transaction is a second reference to the root, and whoever
 * then changes a node first makes the path to it its own.
 */
#ifndef XPV_LOCAL_TREE_H
#define XPV_LOCAL_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TREE_READ = 1,
	TREE_WRITE = 2,
};

struct tree_perm {
	uint16_t domid;
	uint16_t access;
};

/* As xenstored: the first one is the owner, and everybody else's access. */
#define TREE_PERMS 8

struct tree_node {
	unsigned int refs;
	unsigned int nr_kids, cap_kids;
	unsigned int nr_perms;
	uint64_t version; /* changes with the value, perms and set of kids */
	char *name;
	char *value;
	struct tree_perm perms[TREE_PERMS];
	struct tree_node **kids; /* by name */
};

struct tree_node *tree_new(const char *name, size_t len);
struct tree_node *tree_get(struct tree_node *node);
void tree_put(struct tree_node *node);

/* The last component of a path, and the length of what is before it. */
const char *tree_leaf(const char *path, size_t *parent_len);

/* NULL: there is none. @path is absolute and valid. */
const struct tree_node *tree_find(const struct tree_node *root,
				  const char *path);
/* The deepest node on the way to @path that exists, and its path's length. */
const struct tree_node *tree_nearest(const struct tree_node *root,
				     const char *path, size_t *len);
unsigned int tree_access(const struct tree_node *node, uint16_t domid);

/*
 * The node to be changed, no longer shared with another version; made with
 * its parents if @make is set, with its parent's perms but, for a domain
 * other than 0, owned by it. Nodes made or meant to change get *version + 1.
 * NULL: absent, or no memory.
 */
struct tree_node *tree_change(struct tree_node **root, const char *path,
			      bool make, uint16_t domid, uint64_t *version);
/* Remove the node from its parent; false: there is none, or no memory. */
bool tree_remove(struct tree_node **root, const char *path, uint64_t *version);

#endif
