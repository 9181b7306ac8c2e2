// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* The store, as requests to the broker. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "hyper/local.h"

/* Wire limits of the real store: longer ones fail there too. */
#define PATH_LIMIT  3072u
#define VALUE_LIMIT 4096u

static int add(struct local *l, const char *s, size_t limit, int error)
{
	size_t len = strlen(s);

	if (len > limit)
		return error;
	memcpy(l->msg.data + l->msg.len, s, len + 1);
	l->msg.len += (uint32_t)len + 1;
	return 0;
}

/* A request on a path, with one more string or none. */
static int ask(struct local *l, enum local_op op, uint32_t tx, const char *path,
	       const char *more)
{
	int rc;

	if (!local_has(l, HYPER_STORE))
		return -EINVAL;
	l->msg.len = 0;
	l->msg.arg[0] = tx;
	rc = add(l, path, PATH_LIMIT, -EINVAL);
	if (!rc && more)
		rc = add(l, more, VALUE_LIMIT, -E2BIG);
	return rc ? rc : local_call(l, op, NULL);
}

int local_store_fd(struct hyper *h)
{
	struct local *l = local_of(h);

	return local_has(l, HYPER_STORE) ? l->store_fd : -EINVAL;
}

int local_tx_start(struct hyper *h, uint32_t *tx)
{
	struct local *l = local_of(h);
	int rc;

	if (!local_has(l, HYPER_STORE))
		return -EINVAL;
	l->msg.len = 0;
	rc = local_call(l, LOCAL_TX_START, NULL);
	*tx = l->msg.arg[0];
	return rc;
}

int local_tx_end(struct hyper *h, uint32_t tx, bool abort)
{
	struct local *l = local_of(h);

	if (!local_has(l, HYPER_STORE))
		return -EINVAL;
	l->msg.len = 0;
	l->msg.arg[0] = tx;
	l->msg.arg[1] = abort;
	return local_call(l, LOCAL_TX_END, NULL);
}

char *local_read(struct hyper *h, uint32_t tx, const char *path)
{
	struct local *l = local_of(h);
	int rc = ask(l, LOCAL_READ, tx, path, NULL);

	if (!rc)
		return strndup(l->msg.data, l->msg.len);
	errno = -rc;
	return NULL;
}

int local_write(struct hyper *h, uint32_t tx, const char *path,
		const char *value)
{
	return ask(local_of(h), LOCAL_WRITE, tx, path, value);
}

int local_mkdir(struct hyper *h, uint32_t tx, const char *path)
{
	return ask(local_of(h), LOCAL_MKDIR, tx, path, NULL);
}

int local_rm(struct hyper *h, uint32_t tx, const char *path)
{
	return ask(local_of(h), LOCAL_RM, tx, path, NULL);
}

char **local_list(struct hyper *h, uint32_t tx, const char *path,
		  unsigned int *n)
{
	struct local *l = local_of(h);
	int rc = ask(l, LOCAL_LIST, tx, path, NULL);
	char **names, *s;
	unsigned int i;

	if (rc) {
		errno = -rc;
		return NULL;
	}
	*n = l->msg.arg[0];
	names = malloc((*n + 1) * sizeof(*names) + l->msg.len);
	if (!names)
		return NULL;
	s = (char *)(names + *n + 1);
	memcpy(s, l->msg.data, l->msg.len);
	for (i = 0; i < *n; i++, s += strlen(s) + 1)
		names[i] = s;
	names[*n] = NULL;
	return names;
}

int local_set_perms(struct hyper *h, uint32_t tx, const char *path,
		    uint16_t owner, uint16_t peer, const char *access)
{
	struct local *l = local_of(h);

	if (strspn(access, "rw") != strlen(access))
		return -EINVAL;
	l->msg.arg[1] = local_domid(l, owner);
	l->msg.arg[2] = local_domid(l, peer);
	l->msg.arg[3] = (strchr(access, 'r') ? 1u : 0) |
			(strchr(access, 'w') ? 2u : 0); /* TREE_* */
	return ask(l, LOCAL_PERMS, tx, path, NULL);
}

int local_watch(struct hyper *h, const char *path, const char *token)
{
	return ask(local_of(h), LOCAL_WATCH, 0, path, token);
}

int local_unwatch(struct hyper *h, const char *path, const char *token)
{
	return ask(local_of(h), LOCAL_UNWATCH, 0, path, token);
}

int local_next_watch(struct hyper *h, struct hyper_watch_event *event)
{
	struct local *l = local_of(h);
	struct pollfd p = {.fd = l->store_fd, .events = POLLIN};
	int rc;

	if (!local_has(l, HYPER_STORE))
		return -EINVAL;
	if (poll(&p, 1, 0) != 1) /* cheaper than to ask the broker */
		return -EAGAIN;
	l->msg.len = 0;
	rc = local_call(l, LOCAL_NEXT_WATCH, NULL);
	if (rc)
		return rc;
	strcpy(event->path, l->msg.data);
	strcpy(event->token, l->msg.data + strlen(l->msg.data) + 1);
	return 0;
}

bool local_domain_alive(struct hyper *h, uint16_t domid)
{
	struct local *l = local_of(h);

	return local_has(l, HYPER_STORE) &&
	       shm_slot(l->shm, local_domid(l, domid)) >= 0;
}
