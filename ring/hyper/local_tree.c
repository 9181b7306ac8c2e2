// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include "hyper/local_tree.h"

#include <stdlib.h>
#include <string.h>

struct tree_node *tree_new(const char *name, size_t len)
{
	struct tree_node *node = calloc(1, sizeof(*node));

	if (!node)
		return NULL;
	node->refs = 1;
	node->nr_perms = 1;
	node->name = strndup(name, len);
	node->value = strdup("");
	if (node->name && node->value)
		return node;
	tree_put(node);
	return NULL;
}

struct tree_node *tree_get(struct tree_node *node)
{
	node->refs++;
	return node;
}

void tree_put(struct tree_node *node)
{
	unsigned int i;

	if (!node || --node->refs)
		return;
	for (i = 0; i < node->nr_kids; i++)
		tree_put(node->kids[i]);
	free(node->kids);
	free(node->value);
	free(node->name);
	free(node);
}

const char *tree_leaf(const char *path, size_t *parent_len)
{
	const char *slash = strrchr(path, '/');

	*parent_len = slash == path ? 1 : (size_t)(slash - path);
	return slash + 1;
}

/* ---- looking ---- */

static int compare(const struct tree_node *kid, const char *name, size_t len)
{
	int c = strncmp(kid->name, name, len);

	return c ? c : kid->name[len] != '\0';
}

/* Where @name is among the kids, or would be. */
static unsigned int kid_index(const struct tree_node *node, const char *name,
			      size_t len, bool *found)
{
	unsigned int low = 0, high = node->nr_kids, mid;
	int c;

	*found = false;
	while (low < high) {
		mid = low + (high - low) / 2;
		c = compare(node->kids[mid], name, len);
		if (!c) {
			*found = true;
			return mid;
		}
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The next component at *@path, and step over it; 0 at the end. */
static size_t step(const char **path, const char **name)
{
	size_t len;

	while (**path == '/')
		(*path)++;
	*name = *path;
	len = strcspn(*path, "/");
	*path += len;
	return len;
}

const struct tree_node *tree_nearest(const struct tree_node *root,
				     const char *path, size_t *len)
{
	const char *at = path, *name;
	size_t n;
	bool found;
	unsigned int i;

	*len = 1;
	while ((n = step(&at, &name))) {
		i = kid_index(root, name, n, &found);
		if (!found)
			break;
		root = root->kids[i];
		*len = (size_t)(at - path);
	}
	return root;
}

const struct tree_node *tree_find(const struct tree_node *root,
				  const char *path)
{
	const struct tree_node *node;
	size_t len;

	node = tree_nearest(root, path, &len);
	return len == strlen(path) ? node : NULL;
}

unsigned int tree_access(const struct tree_node *node, uint16_t domid)
{
	unsigned int i;

	if (!domid || node->perms[0].domid == domid)
		return TREE_READ | TREE_WRITE;
	for (i = 1; i < node->nr_perms; i++)
		if (node->perms[i].domid == domid)
			return node->perms[i].access;
	return node->perms[0].access;
}

/* ---- changing ---- */

/* The node at *@at alone: a copy that shares its kids, if it was shared. */
static struct tree_node *own(struct tree_node **at)
{
	struct tree_node *old = *at, *node;
	unsigned int i;

	if (old->refs == 1)
		return old;
	node = tree_new(old->name, strlen(old->name));
	if (!node)
		return NULL;
	free(node->value);
	node->value = strdup(old->value);
	node->kids = malloc((old->nr_kids + 1) * sizeof(*node->kids));
	if (!node->value || !node->kids) {
		tree_put(node);
		return NULL;
	}
	node->cap_kids = old->nr_kids + 1;
	for (i = 0; i < old->nr_kids; i++)
		node->kids[i] = tree_get(old->kids[i]);
	node->nr_kids = old->nr_kids;
	node->version = old->version;
	node->nr_perms = old->nr_perms;
	memcpy(node->perms, old->perms, sizeof(node->perms));
	tree_put(old);
	*at = node;
	return node;
}

static struct tree_node **add_kid(struct tree_node *node, unsigned int i,
				  const char *name, size_t len, uint16_t domid)
{
	struct tree_node **grown, *kid;
	unsigned int cap = node->cap_kids;

	if (node->nr_kids == cap) {
		cap = cap ? cap * 2 : 4;
		grown = realloc(node->kids, cap * sizeof(*grown));
		if (!grown)
			return NULL;
		node->kids = grown;
		node->cap_kids = cap;
	}
	kid = tree_new(name, len);
	if (!kid)
		return NULL;
	kid->nr_perms = node->nr_perms;
	memcpy(kid->perms, node->perms, sizeof(kid->perms));
	if (domid)
		kid->perms[0].domid = domid;
	memmove(&node->kids[i + 1], &node->kids[i],
		(node->nr_kids - i) * sizeof(*node->kids));
	node->kids[i] = kid;
	node->nr_kids++;
	return &node->kids[i];
}

struct tree_node *tree_change(struct tree_node **root, const char *path,
			      bool make, uint16_t domid, uint64_t *version)
{
	struct tree_node **at = root, *node = own(root);
	const char *name;
	bool found;
	unsigned int i;
	size_t n;

	while (node && (n = step(&path, &name))) {
		i = kid_index(node, name, n, &found);
		if (found) {
			at = &node->kids[i];
		} else if (make) {
			at = add_kid(node, i, name, n, domid);
			node->version = ++*version;
		} else {
			return NULL;
		}
		node = at ? own(at) : NULL;
	}
	if (node)
		node->version = ++*version;
	return node;
}

bool tree_remove(struct tree_node **root, const char *path, uint64_t *version)
{
	size_t parent_len;
	const char *leaf = tree_leaf(path, &parent_len);
	char *parent_path = strndup(path, parent_len);
	struct tree_node *parent;
	bool found = false;
	unsigned int i;

	if (!parent_path)
		return false;
	parent = tree_change(root, parent_path, false, 0, version);
	free(parent_path);
	if (!parent)
		return false;
	i = kid_index(parent, leaf, strlen(leaf), &found);
	if (!found)
		return false;
	tree_put(parent->kids[i]);
	parent->nr_kids--;
	memmove(&parent->kids[i], &parent->kids[i + 1],
		(parent->nr_kids - i) * sizeof(*parent->kids));
	return true;
}
