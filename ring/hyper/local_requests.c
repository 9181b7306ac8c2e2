// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* The store's requests: between messages and local_xs.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hyper/local_machine.h"

/* The next string of the request's data; NULL: there is no more. */
static const char *next_string(const struct local_msg *msg, uint32_t *at)
{
	const char *s = msg->data + *at;

	if (*at >= msg->len || !memchr(s, '\0', msg->len - *at))
		return NULL;
	*at += (uint32_t)strlen(s) + 1;
	return s;
}

static int do_read(struct hyper_machine *m, struct conn *c, uint32_t tx,
		   const char *path)
{
	const struct tree_node *node;
	int rc;

	rc = lxs_get(&c->store, tx, path, &node);
	if (rc)
		return rc;
	m->msg.len = (uint32_t)strlen(node->value) + 1;
	memcpy(m->msg.data, node->value, m->msg.len);
	return 0;
}

static int do_list(struct hyper_machine *m, struct conn *c, uint32_t tx,
		   const char *path)
{
	const struct tree_node *node;
	unsigned int i;
	size_t len;
	int rc;

	rc = lxs_get(&c->store, tx, path, &node);
	if (rc)
		return rc;
	m->msg.len = 0;
	for (i = 0; i < node->nr_kids; i++) {
		len = strlen(node->kids[i]->name) + 1;
		if (m->msg.len + len > LOCAL_DATA)
			return -E2BIG;
		memcpy(m->msg.data + m->msg.len, node->kids[i]->name, len);
		m->msg.len += (uint32_t)len;
	}
	m->msg.arg[0] = node->nr_kids;
	return 0;
}

static int do_perms(struct hyper_machine *m, struct conn *c, uint32_t tx,
		    const char *path)
{
	const struct tree_perm perms[2] = {
		{.domid = (uint16_t)m->msg.arg[1]},
		{.domid = (uint16_t)m->msg.arg[2],
		 .access = (uint16_t)m->msg.arg[3]},
	};

	return lxs_perms(&c->store, tx, path, perms);
}

static int do_next_watch(struct hyper_machine *m, struct conn *c)
{
	char path[XS_PATH_MAX + 1], token[XS_TOKEN_MAX + 1];
	size_t plen, tlen;
	int rc;

	rc = lxs_next_event(&c->store, path, token);
	if (rc)
		return rc;
	plen = strlen(path) + 1;
	tlen = strlen(token) + 1;
	memcpy(m->msg.data, path, plen);
	memcpy(m->msg.data + plen, token, tlen);
	m->msg.len = (uint32_t)(plen + tlen);
	return 0;
}

/* Those with a path; the reply has data only where it is set here. */
static int path_request(struct hyper_machine *m, struct conn *c,
			enum local_op op, const char *path, const char *more)
{
	uint32_t tx = m->msg.arg[0];

	m->msg.len = 0;
	switch (op) {
	case LOCAL_READ:
		return do_read(m, c, tx, path);
	case LOCAL_WRITE:
		return more ? lxs_set(&c->store, tx, path, more) : -EINVAL;
	case LOCAL_MKDIR:
		return lxs_make(&c->store, tx, path);
	case LOCAL_RM:
		return lxs_rm(&c->store, tx, path);
	case LOCAL_LIST:
		return do_list(m, c, tx, path);
	case LOCAL_PERMS:
		return do_perms(m, c, tx, path);
	case LOCAL_WATCH:
		return more ? lxs_watch(&c->store, path, more) : -EINVAL;
	case LOCAL_UNWATCH:
		return more ? lxs_unwatch(&c->store, path, more) : -EINVAL;
	default:
		return -ENOSYS;
	}
}

int store_request(struct hyper_machine *m, struct conn *c, enum local_op op)
{
	const char *path, *more;
	uint32_t at = 0;

	switch (op) {
	case LOCAL_TX_START:
		m->msg.len = 0;
		return lxs_tx_start(&c->store, &m->msg.arg[0]);
	case LOCAL_TX_END:
		m->msg.len = 0;
		return lxs_tx_end(&c->store, m->msg.arg[0], m->msg.arg[1]);
	case LOCAL_NEXT_WATCH:
		return do_next_watch(m, c);
	default:
		path = next_string(&m->msg, &at);
		more = path ? next_string(&m->msg, &at) : NULL;
		return path ? path_request(m, c, op, path, more) : -EINVAL;
	}
}
