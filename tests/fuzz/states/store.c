// SPDX-License-Identifier: MIT
/* xenstored, in this thread: ring/hyper's local store without its broker. */
#include "play.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "xenbus.h"

struct play_store play;

/* A connection of the supervisor's. */
struct handle {
	struct hyper hyper;
	struct lxs_client client;
	int wake;
	bool broken;
	/* in its transaction: what states it writes */
	struct move {
		char back[128];
		unsigned int from, to;
	} move[4];
	unsigned int nr_moves;
};

static struct handle *connection; /* the last one */
static unsigned int nr_open;

/* ---- for those who play ---- */

const char *play_read(const char *dir, const char *key)
{
	const struct tree_node *node;
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, key);
	return lxs_get(&play.toolstack, 0, path, &node) ? NULL : node->value;
}

int play_write(struct lxs_client *who, const char *dir, const char *key,
	       const char *value)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, key);
	if (strlen(value) > XS_VALUE_MAX)
		return -E2BIG;
	return lxs_set(who, 0, path, value);
}

int play_number(struct lxs_client *who, const char *dir, const char *key,
		uint32_t value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	return play_write(who, dir, key, text);
}

void play_rm(struct lxs_client *who, const char *dir, const char *key)
{
	char path[512];

	snprintf(path, sizeof(path), "%s%s%s", dir, key ? "/" : "",
		 key ? key : "");
	lxs_rm(who, 0, path);
}

void play_domain(uint16_t domid, unsigned int life)
{
	const struct tree_perm perms[2] = {{.domid = domid}, {0}};
	char dir[64];

	play.alive[domid] = true;
	snprintf(dir, sizeof(dir), XPV_PATH_DOMAIN, domid);
	lxs_make(&play.toolstack, 0, dir);
	lxs_perms(&play.toolstack, 0, dir, perms);
	play_number(&play.toolstack, dir, xpv_key(XPV_KEY_VM), life);
}

void play_domain_gone(uint16_t domid)
{
	char dir[64];

	play.alive[domid] = false;
	snprintf(dir, sizeof(dir), XPV_PATH_DOMAIN, domid);
	play_rm(&play.toolstack, dir, NULL);
	lxs_fire_special(&play.store, XPV_WATCH_RELEASE);
}

static void start_clients(void)
{
	lxs_client_init(&play.toolstack, &play.store, 0, -1);
	for (unsigned int i = 0; i < PLAY_DOMAINS; i++)
		lxs_client_init(&play.guest[i], &play.store, (uint16_t)i, -1);
}

static void stop_clients(void)
{
	lxs_client_exit(&play.toolstack);
	for (unsigned int i = 0; i < PLAY_DOMAINS; i++)
		lxs_client_exit(&play.guest[i]);
}

void play_store_start(void)
{
	memset(&play, 0, sizeof(play));
	FUZZ_NEED(!lxs_store_init(&play.store));
	start_clients();
}

void play_store_stop(void)
{
	FUZZ_CHECK(!nr_open);
	stop_clients();
	lxs_store_exit(&play.store);
}

void play_store_kill(void)
{
	play.down = true;
	if (!connection || connection->broken)
		return;
	lxs_client_exit(&connection->client);
	connection->broken = true;
	FUZZ_NEED(eventfd_write(connection->wake, 1) == 0);
}

void play_store_restart(bool empty)
{
	if (!play.down)
		return;
	play.down = false;
	if (!empty)
		return;
	play.emptied = true;
	stop_clients();
	lxs_store_exit(&play.store);
	FUZZ_NEED(!lxs_store_init(&play.store));
	start_clients();
}

/* ---- for the supervisor ---- */

static struct handle *handle_of(struct hyper *h)
{
	return (struct handle *)h;
}

/* 0, or why this operation fails. */
static int trouble(struct hyper *h)
{
	if (handle_of(h)->broken)
		return -EPIPE;
	if (play.fails_in && !--play.fails_in)
		return -EIO;
	return 0;
}

static void store_close(struct hyper *h)
{
	struct handle *c = handle_of(h);

	if (!c->broken) {
		/* No transaction is forgotten. */
		FUZZ_CHECK(!c->client.nr_txs);
		lxs_client_exit(&c->client);
	}
	close(c->wake);
	if (connection == c)
		connection = NULL;
	free(c);
	nr_open--;
}

static int store_fd(struct hyper *h)
{
	return handle_of(h)->wake;
}

static int tx_start(struct hyper *h, uint32_t *tx)
{
	int err = trouble(h);

	handle_of(h)->nr_moves = 0;
	return err ? err : lxs_tx_start(&handle_of(h)->client, tx);
}

static int tx_end(struct hyper *h, uint32_t tx, bool abort)
{
	struct handle *c = handle_of(h);
	int err = trouble(h);

	if (c->broken)
		return err;
	if (!err && !abort && play.conflicts) {
		play.conflicts--;
		err = -EAGAIN;
	}
	if (err || abort)
		return lxs_tx_end(&c->client, tx, true) ? -EIO : err;
	err = lxs_tx_end(&c->client, tx, false);
	for (unsigned int i = 0; !err && i < c->nr_moves; i++)
		states_moved(c->move[i].back, c->move[i].from, c->move[i].to);
	return err;
}

static char *store_read(struct hyper *h, uint32_t tx, const char *path)
{
	const struct tree_node *node;
	int err = trouble(h);

	if (!err)
		err = lxs_get(&handle_of(h)->client, tx, path, &node);
	if (!err)
		return strdup(node->value ? node->value : "");
	errno = -err;
	return NULL;
}

/* Ours, and a state? Then it counts with the transaction that it is in. */
static void note_move(struct handle *c, uint32_t tx, const char *path,
		      const char *value)
{
	struct move *m = &c->move[c->nr_moves];
	const char *end = strrchr(path, '/'), *now;
	unsigned int domid, handle;
	char name[8];

	if (sscanf(path, "/local/domain/0/backend/%7[a-z]/%u/%u/", name, &domid,
		   &handle) != 3 ||
	    strcmp(end + 1, xpv_key(XPV_KEY_STATE)))
		return;
	/* Never without looking at what it is at the same time. */
	FUZZ_CHECK(tx && c->nr_moves < 4);
	snprintf(m->back, sizeof(m->back), "%.*s", (int)(end - path), path);
	now = play_read(m->back, xpv_key(XPV_KEY_STATE));
	m->from = now ? (unsigned int)strtoul(now, NULL, 10) : 0;
	if (m->from >= XPV_STATES)
		m->from = 0;
	m->to = (unsigned int)strtoul(value, NULL, 10);
	c->nr_moves++;
}

static int store_write(struct hyper *h, uint32_t tx, const char *path,
		       const char *value)
{
	int err = trouble(h);

	FUZZ_CHECK(strlen(path) + strlen(value) < 4096);
	if (err)
		return err;
	note_move(handle_of(h), tx, path, value);
	return lxs_set(&handle_of(h)->client, tx, path, value);
}

static int store_mkdir(struct hyper *h, uint32_t tx, const char *path)
{
	int err = trouble(h);

	return err ? err : lxs_make(&handle_of(h)->client, tx, path);
}

static int store_rm(struct hyper *h, uint32_t tx, const char *path)
{
	int err = trouble(h);

	return err ? err : lxs_rm(&handle_of(h)->client, tx, path);
}

static char **store_list(struct hyper *h, uint32_t tx, const char *path,
			 unsigned int *n)
{
	const struct tree_node *node;
	int err = trouble(h);
	size_t bytes = 0;
	char **names, *s;

	if (!err)
		err = lxs_get(&handle_of(h)->client, tx, path, &node);
	if (err) {
		errno = -err;
		return NULL;
	}
	*n = node->nr_kids;
	for (unsigned int i = 0; i < *n; i++)
		bytes += strlen(node->kids[i]->name) + 1;
	names = malloc((*n + 1) * sizeof(*names) + bytes);
	FUZZ_NEED(names);
	s = (char *)(names + *n + 1);
	for (unsigned int i = 0; i < *n; i++) {
		names[i] = s;
		s = stpcpy(s, node->kids[i]->name) + 1;
	}
	names[*n] = NULL;
	return names;
}

static int set_perms(struct hyper *h, uint32_t tx, const char *path,
		     uint16_t owner, uint16_t peer, const char *access)
{
	const struct tree_perm perms[2] = {
		{.domid = owner},
		{.domid = peer, .access = *access ? TREE_READ : 0},
	};
	int err = trouble(h);

	return err ? err : lxs_perms(&handle_of(h)->client, tx, path, perms);
}

static int store_watch(struct hyper *h, const char *path, const char *token)
{
	int err = trouble(h);

	return err ? err : lxs_watch(&handle_of(h)->client, path, token);
}

static int store_unwatch(struct hyper *h, const char *path, const char *token)
{
	int err = trouble(h);

	return err ? err : lxs_unwatch(&handle_of(h)->client, path, token);
}

static int next_watch(struct hyper *h, struct hyper_watch_event *event)
{
	struct handle *c = handle_of(h);

	if (c->broken)
		return -EPIPE;
	return lxs_next_event(&c->client, event->path, event->token);
}

static bool domain_alive(struct hyper *h, uint16_t domid)
{
	/* It cannot say that it does not know, but when all else fails, too. */
	return !handle_of(h)->broken && domid < PLAY_DOMAINS &&
	       play.alive[domid];
}

struct hyper *hyper_open(const char *spec, unsigned int parts)
{
	static const struct hyper_ops ops = {
		.close = store_close,
		.store_fd = store_fd,
		.tx_start = tx_start,
		.tx_end = tx_end,
		.read = store_read,
		.write = store_write,
		.mkdir = store_mkdir,
		.rm = store_rm,
		.list = store_list,
		.set_perms = set_perms,
		.watch = store_watch,
		.unwatch = store_unwatch,
		.next_watch = next_watch,
		.domain_alive = domain_alive,
	};
	struct handle *c;

	(void)spec;
	FUZZ_CHECK(parts == HYPER_STORE);
	if (play.down) {
		errno = ECONNREFUSED;
		return NULL;
	}
	c = calloc(1, sizeof(*c));
	FUZZ_NEED(c);
	c->hyper.ops = &ops;
	c->hyper.parts = parts;
	c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	FUZZ_NEED(c->wake >= 0);
	lxs_client_init(&c->client, &play.store, 0, c->wake);
	connection = c;
	nr_open++;
	return &c->hyper;
}
